#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# SIGHUP: the configuration is read again, all or nothing, under load and a thousand times. In a terminal
# it is the end.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need script setsid socat wrk

RELOADS=1000
alpha=$(fake_server reload-alpha)
beta=$(fake_server reload-beta)
short=$(fake_server reload-short /bin/true)

# --- tools -----------------------------------------------------------------------------------------

# Writes the configuration: JQ_OBJECT beside what every daemon of these tests has.
configure() { # JQ_OBJECT
	jq -n --arg run "$DAEMON_RUNTIME" --arg socket "$DAEMON_SOCKET" \
		"{runtime_dir: \$run, scx_stats_path: \$socket} + $1" >"$TEST_DIR/next.json"
	mv "$TEST_DIR/next.json" "$DAEMON_CONFIG"
}

# The list of NAME with ROLE and the one of the load. Without the built-in ones: audio servers that come and
# go on the machine, or in other tests, are no load of this one.
listing() { # NAME ROLE
	echo "{servers: [{name: \"$1\", role: \"$2\"}, {name: \"reload-short\", role: \"audio_support\"}]}"
}

# From now on `heard` reads what the daemon logs.
listen() {
	exec {log_fd}< <(exec tail -n 0 -f "$DAEMON_LOG" --pid="$DAEMON_PID")
}

# Has the configuration read again, and waits for the verdict: sets VERDICT to that line of the log, and
# counts it.
TAKEN=0
REFUSED=0
reload() {
	kill -HUP "$DAEMON_PID"
	while read -rt "$PATIENCE" -u "$log_fd" VERDICT; do
		case $VERDICT in
		*"the configuration was read again"*) TAKEN=$((TAKEN + 1)) ;;
		*"the configuration stays as it was: "*) REFUSED=$((REFUSED + 1)) ;;
		*) continue ;;
		esac
		return
	done
	not_ok "the daemon says what became of a reload" "nothing in $PATIENCE s"
	return 1
}

has_role() { # PID ROLE
	holds ".audio.servers | any(.pid == $1 and .role == \"$2\")"
}

has_none() { # PID
	holds ".audio.servers | all(.pid != $1)"
}

# "FDS THREADS"
inventory() {
	local fds=(/proc/"$DAEMON_PID"/fd/*) threads=(/proc/"$DAEMON_PID"/task/*)

	echo "${#fds[@]} ${#threads[@]}"
}

has_no_more_than() { # FDS THREADS
	local now

	read -ra now < <(inventory)
	((now[0] <= $1 && now[1] <= $2))
}

are_counted() {
	holds ".config.reloads_total == $TAKEN and .config.reload_errors_total == $REFUSED"
}

# What a start with this file says, without the time and the level.
sentence_at_start() {
	"$GAMERD" --observe --config "$DAEMON_CONFIG" 2>&1 | sed -E 's/^.*error: //'
}

# --- what a reload does ----------------------------------------------------------------------------

# Without a terminal, as under a service manager, of which the socket is here: open to all, as systemd's.
notified=$TEST_DIR/notified
socat -u "UNIX-RECV:$TEST_DIR/notify,mode=666" "OPEN:$notified,creat,append" &
DAEMON_PIDS+=($!)
wait_until 10 test -S "$TEST_DIR/notify" || skip "socat receives no datagrams"
AS_FOREGROUND=(setsid env "--default-signal=INT,QUIT,HUP" "NOTIFY_SOCKET=$TEST_DIR/notify" SCX_TIMEOUT_MS=20000)
CONFIG_EXTRA=$(jq -n "$(listing reload-alpha audio_server)") start_daemon || exit 1
listen
"$alpha" 3600 &
alpha_pid=$!
"$beta" 3600 &
beta_pid=$!
DAEMON_PIDS+=("$alpha_pid" "$beta_pid")
check_within 10 "a listed process has its role" has_role "$alpha_pid" audio_server
check "another has none" has_none "$beta_pid"

configure "$(listing reload-beta audio_support)"
reload || finish
check "the daemon lives, and says that it has read the file" grep -q 'was read again' <<<"$VERDICT"
check_within 10 "a process that is listed now gains its role" has_role "$beta_pid" audio_support
check_within 10 "one that no longer is loses it" has_none "$alpha_pid"
"$alpha" 3600 &
other_alpha=$!
"$beta" 3600 &
other_beta=$!
DAEMON_PIDS+=("$other_alpha" "$other_beta")
check_within 10 "so do those that start afterwards" has_role "$other_beta" audio_support
check "and get none" has_none "$other_alpha"
kill "$other_alpha" "$other_beta"

configure "$(listing reload-beta audio_server)"
reload || finish
check_within 10 "another role in the file is the role" has_role "$beta_pid" audio_server

is_told() { # PATTERN
	tr '\0' '\n' <"$notified" | tr '\n' ' ' | grep -qE "$1"
}

check_within 10 "the service manager is told of begin and end" \
	is_told 'READY=1 STATUS=observing: as asked.*RELOADING=1 MONOTONIC_USEC=[0-9]+.*READY=1 STATUS=observing: '

# --- what it refuses -------------------------------------------------------------------------------

for bad in '{roles_max: 65, servers: []}' '{servers: [], unknown: 1}' \
	'{servers: [{name: "reload-alpha", role: "nobody"}]}'; do
	configure "$bad"
	sentence=$(sentence_at_start)
	reload || finish
	check "refused with the sentence of a start: $bad" grep -qF "the configuration stays as it was: $sentence" <<<"$VERDICT"
done
printf '{ "servers": [' >"$DAEMON_CONFIG"
sentence=$(sentence_at_start)
reload || finish
check "so is half a file" grep -qF "stays as it was: $sentence" <<<"$VERDICT"
mv "$DAEMON_CONFIG" "$DAEMON_CONFIG.away"
sentence=$(sentence_at_start)
reload || finish
check "so is none" grep -qF "stays as it was: $sentence" <<<"$VERDICT"
check_equal "none of them was taken over" "2 5" "$TAKEN $REFUSED"
check_equal "each was refused in one line" 5 "$(grep -c 'error: ' "$DAEMON_LOG")"
check_within 10 "they are counted" are_counted
check "nothing has changed" has_role "$beta_pid" audio_server
check_within 10 "the service manager is told" is_told 'STATUS=observing: [^;]*; the new configuration was refused'

# --- what it can't change --------------------------------------------------------------------------

configure "$(listing reload-beta audio_support) + {runtime_dir: \"$TEST_DIR/elsewhere\", http_threads: 12, long_wait_us: 7000, timeout_ms: 15000}"
reload || finish
check_within 10 "what needs a restart is named" grep -q 'runtime_dir, http_threads: a restart is needed for these' "$DAEMON_LOG"
check_within 10 "the rest is taken over" has_role "$beta_pid" audio_support
check "what is named stays as it was" test -S "$DAEMON_RUNTIME/stats" -a ! -e "$TEST_DIR/elsewhere"
check_equal "what the environment has set is not named" 0 "$(grep -c 'timeout_ms.*a restart' "$DAEMON_LOG")"
configure "$(listing reload-beta audio_support)"
reload || finish
check_equal "nor is anything once the file is as before" 1 "$(grep -c 'a restart is needed' "$DAEMON_LOG")"
check_within 10 "the service manager is told that all is well" is_told 'STATUS=observing: as asked by --observe *$'

# --- a thousand of them, under load ----------------------------------------------------------------

metrics .sequence >/dev/null
read -ra before < <(inventory)
taken=$TAKEN refused=$REFUSED
wrk -t1 -c4 -d3600s "http://127.0.0.1:$DAEMON_PORT/metrics" >/dev/null 2>&1 &
load=($!)
while :; do stats_request '{"req":"stats"}'; done >/dev/null 2>&1 &
load+=($!)
while :; do
	"$short"
	pause 0.01
done &
load+=($!)
DAEMON_PIDS+=("${load[@]}")
received=$(metrics .proc_events.received_total)

configure "$(listing reload-alpha audio_server)" && cp "$DAEMON_CONFIG" "$TEST_DIR/good.0"
configure "$(listing reload-beta audio_support)" && cp "$DAEMON_CONFIG" "$TEST_DIR/good.1"
echo '{ "servers": [], "roles_max": 65 }' >"$TEST_DIR/bad.0"
echo '{ "servers": [' >"$TEST_DIR/bad.1"
followed=0
for ((i = 0; i < RELOADS; i++)); do
	file=$TEST_DIR/$( ((i % 2)) && echo bad || echo good).$((i / 2 % 2))
	cp "$file" "$DAEMON_CONFIG"
	reload || break
	if ((i % 100 == 1)); then # after a bad file the last good one holds: alpha's
		wait_until "$PATIENCE" has_role "$alpha_pid" audio_server && followed=$((followed + 1))
	elif ((i % 100 == 3)); then # beta's
		wait_until "$PATIENCE" has_role "$beta_pid" audio_support && followed=$((followed + 1))
	fi
done
check_equal "all of $RELOADS reloads came to an end" "$RELOADS" "$i"
check_equal "roles followed the file meanwhile" $((RELOADS / 50)) "$followed"
check_equal "the good ones were taken over, the bad ones refused" "$((taken + RELOADS / 2)) $((refused + RELOADS / 2))" "$TAKEN $REFUSED"
check_within 10 "they are counted as well" are_counted
check "there was load" holds ".proc_events.received_total > $((received + 100)) and .http.requests_total > 1000 and .ctl.requests_total > 100"
kill "${load[@]}"
wait "${load[@]}" 2>/dev/null
check "the file that was good last holds" has_role "$beta_pid" audio_support
check "and not the one before" has_none "$alpha_pid"
check_equal "no event was lost" "0 0 0" "$(metrics '"\(.proc_events.lost_total) \(.proc_events.overruns_total) \(.pipeline.dropped_total)"')"
check_within 30 "no fd and no thread more than before (${before[*]})" has_no_more_than "${before[@]}"
check "it is healthy" http /health --fail --output /dev/null
stop_daemon
check_equal "it ends on SIGTERM" 0 "$DAEMON_STATUS"
kill "$alpha_pid" "$beta_pid"

# --- in a terminal ---------------------------------------------------------------------------------

# When `script` is gone, so is the terminal. The kernel tells the shell that `script` has started, and
# when that ends, all processes in the foreground: the daemon, and one more shell, for the status.
is_status_0() {
	[[ -s $TEST_DIR/status && $(<"$TEST_DIR/status") == 0 ]]
}

daemon_prepare
cat >"$TEST_DIR/in-terminal" <<END
#!/bin/sh
trap : HUP
env --default-signal=HUP "$GAMERD" --observe --config "$DAEMON_CONFIG" 2>"$DAEMON_LOG"
echo \$? >"$TEST_DIR/status"
END
chmod +x "$TEST_DIR/in-terminal"
env --default-signal=HUP script -qec "$TEST_DIR/in-terminal; true" /dev/null <> <(:) >/dev/null &
terminal=$!
DAEMON_PIDS+=("$terminal")
wait_until 20 grep -qw ready "$DAEMON_LOG"
DAEMON_PID=$(<"$DAEMON_RUNTIME/pid")
DAEMON_PIDS+=("$DAEMON_PID")
disown "$terminal"
kill -KILL "$terminal"
check_within 10 "in a terminal, the daemon ends with it" is_gone "$DAEMON_PID"
check_within 10 "with status 0" is_status_0
check "in good order" grep -q stopped "$DAEMON_LOG"
finish
