#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every sound server Debian has, for real: listed from its start with what tells it, its threads'
# waits counted while it works, gone when it is killed or stopped, and back after a restart.
. "$(dirname "$0")/lib.sh"

waits='.classes.audio_server.wait.count'

is_listed() { # COMM EXE PID SOURCES
	holds '.audio.servers | any(.pid == $pid and .comm == $comm and .exe == $exe and .threads > 0
		and .role == "audio_server" and (.source | IN($sources | splits(" "))))' \
		--arg comm "$1" --arg exe "$2" --argjson pid "$3" --arg sources "$4"
}

is_unlisted() { # PID
	holds '.audio.servers | all(.pid != $pid)' --argjson pid "$1"
}

has_waited() { # COUNT
	holds "$waits > $1"
}

appears() { # NAME COMM EXE SOURCES
	check_within 3 "$1 is listed: comm $2, exe $3" is_listed "$2" "$3" "${WORLD_PID[$1]}" "$4"
}

vanishes() { # NAME SIGNAL
	local pid=${WORLD_PID[$1]}

	world_stop "$1" "$2"
	check_within 3 "$1 is gone after SIG$2" is_unlisted "$pid"
}

# One server's life: start, work, kill, restart, stop.
life() { # NAME COMM EXE START WORK [SOURCES]
	local name=$1 before start=$4 work=$5 sources=${6:-netlink bpf}

	if ! $start; then
		not_ok "$name starts" "$WORLD_ERROR; $(cat "$WORLD_DIR/$name.log")"
		return
	fi
	appears "$name" "$2" "$3" "$sources"
	before=$(metrics "$waits")
	$work
	check_within 5 "$name: waits are counted while it works" has_waited "$((before + 5))"
	vanishes "$name" KILL
	if ! $start; then
		not_ok "$name starts again" "$WORLD_ERROR; $(cat "$WORLD_DIR/$name.log")"
		return
	fi
	appears "$name" "$2" "$3" "$sources"
	vanishes "$name" TERM
}

work_pipewire() {
	world_pipewire_sink && world_play_pipewire 3
}

work_pipewire_pulse() {
	world_pulse_answers
	world_play_pulse 3
}

# WirePlumber looks at each stream that comes.
work_wireplumber() {
	world_pipewire_sink && world_play_pipewire 2
}

work_jackdbus() {
	world_jackdbus_answers && world_jackdbus_answers && world_jackdbus_answers
}

work_sndiod() {
	local _

	for _ in 1 2 3 4 5 6 7 8; do
		world_touch_sndiod
	done
}

need pipewire wireplumber pipewire-pulse pulseaudio jackd jackdbus sndiod pw-cli pw-play pactl paplay \
	socat
private_audio_world
# The machine's own servers must not use up the places of these.
export CONFIG_EXTRA='{ "roles_per_uid_max": 64 }'
start_daemon || exit 1

life pipewire pipewire /usr/bin/pipewire world_start_pipewire work_pipewire
world_start_pipewire
life wireplumber wireplumber /usr/bin/wireplumber world_start_wireplumber work_wireplumber
world_start_wireplumber
life pipewire-pulse pipewire-pulse /usr/bin/pipewire world_start_pipewire_pulse work_pipewire_pulse
world_stop wireplumber
world_stop pipewire

life pulseaudio pulseaudio /usr/bin/pulseaudio world_start_pulseaudio "world_play_pulse 3"
life pulseaudio pulseaudio /usr/bin/pulseaudio world_start_pulseaudio_daemonised "world_play_pulse 3" \
	fork
life jackd jackd /usr/bin/jackd world_start_jackd true
life jackdbus jackdbus /usr/bin/jackdbus world_start_jackdbus work_jackdbus
life sndiod sndiod /usr/bin/sndiod world_start_sndiod work_sndiod

check_within 3 "the ledger of servers adds up" holds \
	".audio.registered_total - .audio.unregistered_total == (.audio.servers | length)"
check "the audio world cost no scan but the first" holds ".proc_events.scans_total <= 1"
stop_daemon
check_equal "the daemon ends with status 0" 0 "$DAEMON_STATUS"
finish
