#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Real sound servers without real-time rights on a busy machine: there the scheduler decides. They are
# listed, all their threads are of class audio_server, and their waits are counted while they play.
cd "$(dirname "$0")/../.." || exit 1

# CMD as the ordinary user whose world it is.
spawn_as_user() { # NAME CMD...
	world_spawn "$1" "${AS_USER[@]}" "${@:2}"
}

is_listed() { # PID COMM
	holds '.audio.servers | any(.pid == $pid and .comm == $comm and .role == "audio_server" and .threads > 0)' \
		--argjson pid "$1" --arg comm "$2"
}

has_waited() { # COUNT
	holds ".classes.audio_server.wait.count > $1"
}

# Without its session manager nothing is linked, and nothing plays. WirePlumber ends where it can't
# watch for logins: in directories that systemd makes, and that a guest lacks.
pipewire_world() {
	mkdir -p /run/systemd/{machines,seats,sessions,users}
	spawn_as_user bus dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS"
	check_within 10 "a session bus starts" test -S "$XDG_RUNTIME_DIR/bus"
	spawn_as_user pipewire pipewire
	check_within 30 "PipeWire starts as an ordinary user" world_pipewire_sees core.name
	spawn_as_user wireplumber wireplumber
	check_within 30 "WirePlumber, too" world_pipewire_sees WirePlumber
	check "it gets a sink" world_pipewire_sink
}

play_pipewire() {
	world_spawn player pw-play --target dummy0 "$WORLD_DIR/silence.wav"
}

pulseaudio_world() {
	spawn_as_user pulseaudio pulseaudio --daemonize=no --use-pid-file=no "${world_pulseaudio_options[@]}"
	check_within 30 "PulseAudio starts as an ordinary user" world_pulse_answers
}

play_pulseaudio() {
	world_spawn player paplay --latency-msec=10 "$WORLD_DIR/silence.wav"
}

# The life of one of them.
server() { # NAME
	local name=$1 pid before process

	"${name}_world"
	pid=${WORLD_PID[$name]}
	check_within 10 "$name is listed" is_listed "$pid" "$name"
	check_equal "$name: no thread has a real-time policy" "" "$(chrt -a -p "$pid" | grep -E 'SCHED_(FIFO|RR)')"
	start_load
	check_running "$name: the load runs" "${HOGS[@]}"
	"play_$name"
	before=$(metrics '.classes.audio_server.wait.count')
	check_within 60 "$name: waits are counted while it plays under load" has_waited $((before + 100))
	check "$name: it is listed under load" is_listed "$pid" "$name"
	check "$name: no wait of it was a real-time thread's" holds '.classes.audio_server.wait.rt_waits_total == 0'
	check_running "$name: and the load still runs" "${HOGS[@]}"
	metrics '.classes | to_entries[] | select(.key | IN("audio_server", "audio_client", "normal")) |
		"# \(.key): \(.value.wait.count) waits, p50 \(.value.wait.p50_ns) ns, p99 \(.value.wait.p99_ns) ns, max \(.value.wait.max_ns) ns"'
	end_hogs
	for process in player wireplumber "$name"; do
		world_stop "$process"
	done
	check_within 10 "nothing is listed when all have ended" holds '.audio.servers == []'
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	need dbus-daemon pipewire wireplumber pw-cli pw-play pulseaudio pactl paplay chrt
	private_audio_world
	chown -R 65534:65534 "$WORLD_DIR"
	world_silence 120 "$WORLD_DIR/silence.wav"
	if ! start_daemon --sched; then
		not_ok "the daemon gets ready"
		finish
	fi
	check_within 10 "it schedules" holds '.mode == "sched" and .sched.enabled'
	server pipewire
	server pulseaudio
	check "urgent threads were scheduled" holds '.sched.urgent_total > 0'
	check "it schedules to the end" holds '.mode == "sched" and .sched.enabled'
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
	check_kernel_log
	finish
fi

. tests/vm/lib.sh
in_guests --one "7.3 7.2 7.0 6.19"
finish
