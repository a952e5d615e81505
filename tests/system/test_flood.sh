#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Three processes of an ordinary user do as fast as they can what makes work for the daemon, at all doors to
# it: names, execs, forks and the exits that follow; connections and requests to the debug API; and, as a
# member of stats_group, to the stats socket. The daemon must stay cheap, above all as a real-time thread,
# must not fill the log, must find a true server and must answer others meanwhile.
#
#   GAMERD_FLOOD_S=N       how long each attack goes on; default 4 seconds
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

FLOOD=$(dirname "$GAMERD")/tests/flood
REQUEST_FLOOD=$(dirname "$GAMERD")/tests/request_flood
ATTACK_US=$((${GAMERD_FLOOD_S:-4} * 1000000))
PATIENCE_US=120000000 # a request to the debug API may wait for many that came before it
RT_CPU_NS=0

now_us() {
	echo "${EPOCHREALTIME/./}"
}

# Adds to RT_CPU_NS the CPU time that each thread has used since the last call and is real-time now.
declare -A cpu_seen
sample_real_time() {
	local task stat used rest

	for task in /proc/"$DAEMON_PID"/task/*; do
		read -r used rest <"$task/schedstat"
		read -r stat <"$task/stat"
		# Field 40 of stat is the real-time priority; its second field is a name.
		# shellcheck disable=SC2086
		set -- ${stat##*) }
		((${38} > 0)) && RT_CPU_NS=$((RT_CPU_NS + used - ${cpu_seen[$task]:-$used}))
		cpu_seen[$task]=$used
	done
	: "$rest"
}

is_real_time() { # THREAD
	local task

	for task in /proc/"$DAEMON_PID"/task/*; do
		[[ $(<"$task/comm") == "$1" ]] || continue
		chrt -p "${task##*/}" | grep -q SCHED_FIFO
		return
	done
	return 1
}

# In the last answer of the stats socket; if that turns clients away, in one of the debug API, unless it is
# that which is flooded.
is_listed() { # PID
	if [[ $STATS == '{"errno":0,'* ]]; then
		jq -e ".args.resp.servers | has(\"$1\")" <<<"$STATS" >/dev/null
	else
		((SLOWEST_US[0] < 1000000)) && holds ".audio.servers | any(.pid == $1)"
	fi
}

# One request of each server, on connections of their own. Adds to ANSWERED what came, and to SLOWEST_US.
# STATS is what the stats socket answered.
ask() {
	local start took

	start=$(now_us)
	http / --fail >/dev/null && ANSWERED=$((ANSWERED + 1))
	took=$(($(now_us) - start))
	((took <= SLOWEST_US[0])) || SLOWEST_US[0]=$took
	start=$(now_us)
	STATS=$(stats_request '{"req": "stats"}')
	[[ $STATS == *'"errno"'* ]] && ANSWERED=$((ANSWERED + 1))
	took=$(($(now_us) - start))
	((took <= SLOWEST_US[1])) || SLOWEST_US[1]=$took
	ASKED=$((ASKED + 2))
}

# FLOOD... is run three times at once, as a user. PORT and SOCKET in it are the daemon's.
attack() { # SOURCE NAME FLOOD...
	local what="$1, $2" source=$1 attackers=() cpu start lines server='' found=no duration

	shift 2
	CONFIG_EXTRA="{\"source\": \"$source\", \"stats_group\": \"$(id -gn nobody)\"}"
	start_daemon || exit 1
	set -- "${@/#PORT/$DAEMON_PORT}"
	set -- "${@/#SOCKET/$DAEMON_RUNTIME/stats}"
	ASKED=0
	ANSWERED=0
	SLOWEST_US=(0 0)
	lines=$(wc -l <"$DAEMON_LOG")
	cpu_seen=()
	RT_CPU_NS=0
	sample_real_time
	cpu=$(daemon_cpu_ns)
	start=$(now_us)
	for _ in 1 2 3; do
		"${AS_USER[@]}" "$@" </dev/null >/dev/null 2>&1 &
		attackers+=($!)
	done
	while duration=$(($(now_us) - start)); ((duration < ATTACK_US)) || [[ $found == no ]]; do
		((duration < PATIENCE_US)) || break
		sample_real_time
		ask
		if [[ -z $server && duration -gt 1000000 ]]; then
			"$wireplumber" 1000 &
			server=$!
			DAEMON_PIDS+=("$server") # ended with them
		elif [[ $server && $found == no ]] && is_listed "$server"; then
			found=yes
		fi
		pause 0.1
	done
	cpu=$(($(daemon_cpu_ns) - cpu))
	duration=$(($(now_us) - start))
	sample_real_time
	for pid in "${attackers[@]}"; do
		is_alive "$pid" || not_ok "$what: the attack goes on to the end"
		kill -KILL "$pid"
	done
	wait "${attackers[@]}" 2>/dev/null
	lines=$(($(wc -l <"$DAEMON_LOG") - lines))
	echo "# $what: $((cpu / duration / 10)).$((cpu / duration % 10)) % of a CPU, real-time $((RT_CPU_NS / 1000)) us of" \
		"$duration, $lines log lines, answered $ANSWERED of $ASKED, slowest ${SLOWEST_US[0]} us (HTTP) and" \
		"${SLOWEST_US[1]} us (stats), $(metrics '"\(.proc_events.received_total) events read, " +
		"\(.proc_events.lost_total) lost, \(.proc_events.resyncs_total) resyncs"')"

	check "$what: all threads take less than 10 % of a CPU" test $((cpu / 100)) -lt "$duration"
	check "$what: at most 1 % as a real-time thread" test $((RT_CPU_NS / 10)) -le "$duration"
	check "$what: at most 20 lines in the log" test "$lines" -le 20
	check_equal "$what: others are answered" "$ASKED" "$ANSWERED"
	check_equal "$what: the true server was found meanwhile" yes "$found"
	check_within "$PATIENCE" "$what: the table equals the truth" holds \
		"[.audio.servers[] | select(.exe | startswith(\"$TEST_DIR/\")).pid] == [$server]"
	check_within "$PATIENCE" "$what: so does the BPF table" holds '.roles.entries == (.audio.servers | length)'
	check_within "$PATIENCE" "$what: detect is real-time again" is_real_time detect
	check "$what: the daemon is healthy" http /health --fail
	kill -KILL "$server"
	wait "$server" 2>/dev/null
	stop_daemon
}

need chrt setpriv socat
wireplumber=$(fake_server wireplumber)
true_server=$(fake_server pipewire /bin/true)
forker=$(fake_server jackd "$FLOOD")
install -D -o 65534 -m 0755 /bin/true "$TEST_DIR/user/pulseaudio"
attack netlink "names" "$FLOOD" rename
attack netlink "names of children" "$FLOOD" fork
for source in netlink bpf; do
	attack "$source" "execs of a server" "$FLOOD" exec "$true_server"
	attack "$source" "execs of an impostor" "$FLOOD" exec "$TEST_DIR/user/pulseaudio"
	attack "$source" "forks of a server" "$forker" inherit
done
attack auto "connections" "$REQUEST_FLOOD" connect PORT
for path in / /metrics; do
	attack auto "GET $path" "$REQUEST_FLOOD" ask PORT "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
done
attack auto "900 connections" "$REQUEST_FLOOD" many PORT 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'
attack auto "pipelined requests" "$REQUEST_FLOOD" pipeline PORT 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
long="GET / HTTP/1.1\r\nHost: localhost\r\nX: $(printf 'x%.0s' {1..8000})"
attack auto "bytes" "$REQUEST_FLOOD" drip PORT "$long"
attack auto "bytes on kept connections" "$REQUEST_FLOOD" drip PORT "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n$long"
attack auto "connections to the stats socket" "$REQUEST_FLOOD" connect SOCKET
attack auto "stats" "$REQUEST_FLOOD" ask SOCKET '{"req": "stats"}\n'
attack auto "pipelined stats" "$REQUEST_FLOOD" pipeline SOCKET '{"req": "stats"}\n'
attack auto "bytes to the stats socket" "$REQUEST_FLOOD" drip SOCKET "$(printf ' %.0s' {1..4000})"
finish
