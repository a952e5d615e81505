#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Who gets a role and who does not: near names, executables of users, scripts, links, renamed threads.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

PIDS=()

# Starts CMD and waits until it is that program (its comm is NAME).
launch() { # NAME CMD...
	local name=$1

	shift
	"$@" </dev/null >/dev/null 2>&1 &
	LAUNCHED=$!
	PIDS+=("$LAUNCHED")
	wait_until 5 has_comm "$LAUNCHED" "${name:0:15}" || not_ok "$name runs"
}

has_comm() { # PID NAME
	[[ $(cat "/proc/$1/comm" 2>/dev/null) == "$2" ]]
}

listed() { # PID
	holds ".audio.servers | any(.pid == $1)"
}

end_launched() {
	kill -KILL "${PIDS[@]}"
	wait "${PIDS[@]}" 2>/dev/null
	PIDS=()
}

rejected() {
	metrics .audio.rejected_total
}

# A rejection is seen by the detect thread a moment after the exec.
rejected_is() { # COUNT
	[[ $(rejected) == "$1" ]]
}

start_daemon || exit 1

# The rule itself, so that the negatives below mean something.
server=$(fake_server pipewire)
launch pipewire "$server" 1000
check_within 5 "a root-owned executable called pipewire has a role" listed "$LAUNCHED"
check_equal "its role" audio_server "$(metrics ".audio.servers[] | select(.pid == $LAUNCHED) | .role")"
check_equal "nothing is rejected so far" 0 "$(rejected)"

for name in alsactl pulsar jackett pipewire-foo pipewir xdg-desktop-portal-gnome; do
	launch "$name" "$(fake_server $name)" 1000
	check "$name: no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"
done
check_equal "a near name is not even rejected" 0 "$(rejected)"
check "and not logged" eval '! grep -q "no role for xdg" "$DAEMON_LOG"'

# As on NixOS, where the file of that name is a wrapper.
launch .wireplumber-wrapped "$(fake_server .wireplumber-wrapped)" 1000
check_within 5 "a wrapped wireplumber has a role" listed "$LAUNCHED"
kill -KILL "$LAUNCHED"
wait "$LAUNCHED" 2>/dev/null
unset 'PIDS[-1]'
check_within 5 "and loses it when it ends" eval "! listed $LAUNCHED"

# A user's own binary.
mkdir -m 0755 "$TEST_DIR/user"
install -m 0755 "$(command -v sleep)" "$TEST_DIR/user/pipewire"
chown -R 65534:65534 "$TEST_DIR/user"
before=$(rejected)
launch pipewire "${AS_USER[@]}" "$TEST_DIR/user/pipewire" 1000
check_within 5 "a user's own pipewire is counted as rejected" rejected_is $((before + 1))
check "and has no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"

# Owned by root, but anybody can write it.
mkdir -m 0755 "$TEST_DIR/open"
install -m 0777 "$(command -v sleep)" "$TEST_DIR/open/jackd"
chmod 0777 "$TEST_DIR/open/jackd"
before=$(rejected)
launch jackd "$TEST_DIR/open/jackd" 1000
check_within 5 "an executable that others can write is rejected" rejected_is $((before + 1))
check "and has no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"

# A symbolic link of a user to something root owns: the name is right, the executable is another.
ln -s "$(command -v sleep)" "$TEST_DIR/user/pulseaudio"
before=$(rejected)
launch pulseaudio "${AS_USER[@]}" "$TEST_DIR/user/pulseaudio" 1000
check_within 5 "a link called pulseaudio to another program is rejected" rejected_is $((before + 1))
check "and has no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"

# A program that root owns, mounted over a file of a user's, in a user namespace of his own. The kernel
# side sees the program's own name, /proc the mount point's.
if "${AS_USER[@]}" unshare --user --map-root-user --mount true 2>/dev/null; then
	before=$(rejected)
	# shellcheck disable=SC2016
	launch pipewire "${AS_USER[@]}" unshare --user --map-root-user --mount sh -c \
		'mount --bind "$1" "$2" && exec "$2" 1000' sh "$(command -v sleep)" "$TEST_DIR/user/pipewire"
	check_within 5 "a program mounted over a user's pipewire is rejected" rejected_is $((before + 1))
	check "and has no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"
	# The server itself keeps the kernel side's word.
	# shellcheck disable=SC2016
	launch pipewire unshare --mount sh -c 'mount --bind "$1" "$1" && exec "$1" 1000' sh "$server"
	check_within 5 "a real one that is mounted by itself has a role" listed "$LAUNCHED"
	kill -KILL "$LAUNCHED"
	check_within 5 "until it ends" holds ".audio.servers | any(.pid == $LAUNCHED) | not"
else
	echo "# no user namespaces for users here"
fi

# A script: its interpreter is owned by root.
printf '#!/bin/sh\nread -r line <"%s"\n' "$TEST_DIR/fifo" >"$TEST_DIR/user/wireplumber"
mkfifo -m 0666 "$TEST_DIR/fifo"
chmod 0755 "$TEST_DIR/user/wireplumber"
before=$(rejected)
launch wireplumber "${AS_USER[@]}" "$TEST_DIR/user/wireplumber"
check_within 5 "a script called wireplumber is rejected" rejected_is $((before + 1))
check "and has no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"

# A process, and a thread, that rename themselves.
rename='import ctypes, sys, threading, time
prctl = ctypes.CDLL(None).prctl
def rename(): prctl(15, b"pulseaudio", 0, 0, 0)
if sys.argv[1] == "process":
    rename()
    time.sleep(1000)
def body():
    rename()
    open(sys.argv[2], "w").close()
    time.sleep(1000)
threading.Thread(target=body).start()'
need python3
before=$(rejected)
launch pulseaudio python3 -c "$rename" process
check_within 5 "a process renamed pulseaudio is rejected" rejected_is $((before + 1))
check "and has no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"
before=$(rejected)
python3 -c "$rename" thread "$TEST_DIR/renamed" </dev/null >/dev/null 2>&1 &
LAUNCHED=$!
PIDS+=("$LAUNCHED")
check_within 5 "a thread renames itself pulseaudio" test -e "$TEST_DIR/renamed"
check "its process has no role" holds ".audio.servers | any(.pid == $LAUNCHED) | not"
check "no thread of a normal process became audio_server" holds \
	'.classes.audio_server.threads == ([.audio.servers[].threads] | add)'

check_equal "one server is left: the real one" 1 "$(metrics '.audio.servers | length')"
check "and one entry in the BPF table" holds '.roles.entries == 1'
end_launched
check_within 5 "nothing is left after they ended" holds '.roles.entries == 0 and .audio.servers == []'
stop_daemon

# Places: half of them for whoever comes first, the rest for users who have none; and who was refused is
# looked at again. A name of its own, so that the machine's servers take no place.
CONFIG_EXTRA='{"servers": [{"name": "gamerd-places", "role": "audio_server"}], "roles_max": 4, "roles_per_uid_max": 3}'
start_daemon || exit 1
server=$(fake_server gamerd-places)
launch_as() { # UID
	launch gamerd-places setpriv --reuid "$1" --regid "$1" --clear-groups "$server" 1000
}
launch_as 65001
launch_as 65001
check_within 5 "a user has two of four places" listed "$LAUNCHED"
launch_as 65001
check_within 5 "and is refused a third" rejected_is 1
launch_as 65002
check_within 5 "another user has one" listed "$LAUNCHED"
launch_as 65003
check_within 5 "and a third" listed "$LAUNCHED"
last=$LAUNCHED
launch_as 65004
check_within 5 "a fourth is refused while all are taken" rejected_is 2
kill -KILL "$last"
check_within 5 "and gets the one that comes free" listed "$LAUNCHED"
check_equal "all are taken again" 4 "$(metrics .roles.entries)"
end_launched
finish
