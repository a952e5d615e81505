#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Under a real systemd, installed as the README says: it starts the daemon, never as root, reloads it, ends
# it when it hangs, starts it again after a crash but not after a wrong configuration, and has its log.
cd "$(dirname "$0")/../.." || exit 1

UNIT=scx_gamerd.service
CONFIG=/etc/scx_gamerd.json
TREE=build/systemd # what an installation has, made by this machine's half of the test
DAEMON_PORT=8086

property() { # NAME
	systemctl show --value --property "$1" $UNIT
}

is_property() { # NAME VALUE
	[[ $(property "$1") == "$2" ]]
}

# "PRIORITY MESSAGE", a line each.
journal() {
	journalctl --quiet --boot --output json --unit $UNIT | jq -r '"\(.PRIORITY) \(.MESSAGE)"'
}

count_logged() { # PATTERN
	journal | grep -cE "$1"
}

is_logged() { # PATTERN
	(($(count_logged "$1")))
}

# Writes the configuration: the process NAME has a role; JQ_OBJECT beside it.
configure() { # NAME [JQ_OBJECT]
	jq -n "{servers: [{name: \"$1\", role: \"audio_server\"}]} + ${2:-{\}}" >"$CONFIG"
}

has_role() { # PID
	holds ".audio.servers | any(.pid == $1)"
}

# Every thread's, each once.
threads_have() { # KEY
	awk -v key="$1:" '$1 == key { print $2 }' /proc/"$DAEMON_PID"/task/*/status | sort -u | paste -sd ' '
}

# It runs again, as another process than DAEMON_PID, and schedules. Not asked too often: the start needs the
# guest's CPUs.
is_restarted() {
	pause 1
	[[ $(property MainPID) != "$DAEMON_PID" ]] && is_property SubState running && is_state enabled
}

# Adds LINES to the unit.
drop_in() { # NAME LINE...
	mkdir -p /etc/systemd/system/$UNIT.d
	printf '%s\n' "${@:2}" >/etc/systemd/system/"$UNIT.d/$1.conf"
	systemctl daemon-reload
}

# What this machine can't do, as the daemon sees it.
missing_features() {
	http /health | jq -r '.features[] | select(.available | not).name' | sort
}

# --- the parts -------------------------------------------------------------------------------------

test_installation() {
	sed -i '/^scx_gamerd:/d' /etc/{passwd,group,shadow,gshadow} # this machine may have the user
	cp -a "$TREE"/usr/local/. /usr/local/
	drop_in slow '[Service]' TimeoutStartSec=600 # an emulated CPU on a busy machine
	echo "SCX_GAMERD_ARGS=--debug-api $DAEMON_PORT" >/etc/default/scx_gamerd
	configure reload-alpha
	check "sysusers.d is accepted" systemd-sysusers
	check "it makes the user" id scx_gamerd
	check "tmpfiles.d is accepted" systemd-tmpfiles --create scx_gamerd.conf
	check_equal "it makes the directory of the second socket" "root root 755 scx_gamerd scx_gamerd 755" \
		"$(stat -c '%U %G %a' /run/scx /run/scx/root | paste -sd ' ')"
	check "systemd accepts the unit without a word" eval '! systemd-analyze verify $UNIT 2>&1 | grep gamerd'
}

test_start() {
	check "it is enabled and started" systemctl --quiet enable --now $UNIT
	check_equal "the start returns when the kernel has its scheduler" enabled "$(<$STATE)"
	check_equal "systemd says that it runs" "notify active running" \
		"$(property Type) $(property ActiveState) $(property SubState)"
	DAEMON_PID=$(property MainPID)
	check_equal "and which process it is" "$(</run/scx_gamerd/pid)" "$DAEMON_PID"
	check "the status has mode and scheduler" grep -q '^scheduling: gamerd.* is attached' <<<"$(property StatusText)"
	check "for people, too" grep -qE 'Status: "scheduling: gamerd' <<<"$(systemctl status --no-pager $UNIT)"
	systemctl status --no-pager $UNIT | sed 's/^/# /'
}

test_privileges() {
	check_equal "no thread is root's" "$(id -u scx_gamerd)" "$(threads_have Uid)"
	check_equal "none has more than its capabilities" "0000000000000000 000000c000881000" "$(threads_have CapEff)"
	check_equal "none gains any" "1" "$(threads_have NoNewPrivs)"
	check_equal "all are filtered" "2" "$(threads_have Seccomp)"
	check "both stats sockets answer" eval 'stats_request "{\"req\":\"stats\"}" /run/scx_gamerd/stats | jq -e .args.resp &&
		stats_request "{\"req\":\"stats\"}" /var/run/scx/root/stats | jq -e .args.resp'
	check_equal "the unit takes away no feature" "" "$(missing_features)"
	"$alpha" 3600 &
	alpha_pid=$!
	"$beta" 3600 &
	beta_pid=$!
	DAEMON_PIDS+=("$alpha_pid" "$beta_pid")
	check_within 10 "it recognises a server" has_role "$alpha_pid"
}

test_reload() {
	local text

	text=$(property StatusText)
	configure reload-beta '{http_threads: 12}'
	check "reload with a good file" systemctl reload $UNIT
	check_within 10 "is said in the log" is_logged '^6 the configuration was read again'
	check_within 10 "and what it can't change, as a warning" is_logged '^4 http_threads: a restart is needed'
	check_within 10 "it is followed" has_role "$beta_pid"
	check_within 10 "the unit runs on" is_property SubState running
	echo '{"servers": [' >$CONFIG
	check "reload with a bad one" systemctl reload $UNIT
	check_within 10 "is said in the log, as an error" is_logged '^3 the configuration stays as it was: '
	check_within 10 "and in the status" is_property StatusText "$text; the new configuration was refused, see the log"
	check "it changes nothing" has_role "$beta_pid"
	check_within 10 "the unit runs on" is_property SubState running
	check_equal "as the same process" "$DAEMON_PID" "$(property MainPID)"
	configure reload-alpha
	check "reload with a good file again" systemctl reload $UNIT
	check_within 10 "and the status is as before" is_property StatusText "$text"
}

test_crash() {
	kill -KILL "$DAEMON_PID"
	check_within 60 "after kill -9 it is started again" is_restarted
	check_equal "once" 1 "$(property NRestarts)"
	DAEMON_PID=$(property MainPID)
	check_within 10 "and recognises what runs" has_role "$alpha_pid"
}

test_watchdog() {
	local patience=$(($(property WatchdogUSec | sed -n 's/s$//p') + 0))

	check_equal "the unit has a watchdog" 30 "$patience"
	kill -STOP "$DAEMON_PID"
	check_within $((patience + 60)) "one that stands still is ended, and started again" is_restarted
	check "by the watchdog" is_logged 'Watchdog timeout'
	check_equal "once" 2 "$(property NRestarts)"
	DAEMON_PID=$(property MainPID)
}

# When systemd last wrote MESSAGE about the unit, in us. (Of a unit that has ended it forgets the rest.)
logged_at() { # PATTERN
	journalctl --quiet --boot --output json --unit $UNIT | jq -rs --arg pattern "$1" \
		'map(select(._PID == "1" and (.MESSAGE | test($pattern))).__MONOTONIC_TIMESTAMP)[-1]'
}

test_stop() {
	local us

	check "it is stopped" systemctl stop $UNIT
	check "in good order" is_logged 'Deactivated successfully'
	check_equal "the scheduler is gone" disabled "$(<$STATE)"
	check "and its files" test ! -e /run/scx_gamerd -a ! -e /run/scx/root/stats
	us=$(($(logged_at '^Stopped ') - $(logged_at '^Stopping ')))
	# A second on an idle machine; this one emulates the guest's CPUs, and has other work.
	check "within $PATIENCE s ($((us / 1000)) ms)" test "$us" -lt $((PATIENCE * 1000000))
}

# Status 2, which no restart changes.
refuse() { # NAME PATTERN
	local lines

	lines=$(count_logged "$2")
	check "$1: the start fails" eval '! systemctl start $UNIT'
	check_equal "$1: with the status for it" "failed exit-code 2" \
		"$(property ActiveState) $(property Result) $(property ExecMainStatus)"
	pause 4 # twice RestartSec=
	check_equal "$1: it is not started again" "failed 0" "$(property ActiveState) $(property NRestarts)"
	check_equal "$1: one line says why" $((lines + 1)) "$(count_logged "$2")"
}

test_refusal() {
	echo '{"unknown": 1}' >$CONFIG
	refuse "a wrong configuration" "^3 .*unknown"
	rm $CONFIG
	echo "SCX_GAMERD_ARGS=--nonsense" >/etc/default/scx_gamerd
	refuse "a wrong option" "^3 .*nonsense"
	rm /etc/default/scx_gamerd
}

# What another try may change, such as descriptors that are short.
test_failure() {
	systemctl reset-failed $UNIT # those starts count as well
	drop_in short '[Service]' LimitNOFILE=64
	check "without descriptors the start fails" eval '! systemctl start $UNIT'
	check_within 60 "it is tried again, but not for ever" is_logged 'Start request repeated too quickly'
	check_equal "five times" "failed 1 5" \
		"$(property ActiveState) $(property ExecMainStatus) $(count_logged '^3 at most 64 files may be open')"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	need socat
	alpha=$(fake_server reload-alpha)
	beta=$(fake_server reload-beta)
	test_installation
	test_start
	test_privileges
	test_reload
	test_crash
	test_watchdog
	test_stop
	test_refusal
	test_failure
	check_kernel_log
	((!CHECKS_FAILED)) || journalctl --boot --no-pager | sed 's/^/# /'
	finish
fi

. tests/vm/lib.sh
[[ -x /usr/lib/systemd/systemd ]] || skip "systemd is not installed: tools/setup vm"
rm -rf "$TREE"
DESTDIR=$PWD/$TREE cmake --install "$(dirname "${GAMERD:-build/release/scx_gamerd}")" --prefix /usr/local >/dev/null ||
	skip "nothing is built: tools/build"
in_guests "7.3 6.19" --systemd
finish
