# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
# A private audio world: real sound servers on a machine without sound, without a session, without
# systemd or logind, and without touching those that may run there. Sourced by tools/run and the system
# tests.
#
# world_open makes a directory of mode 0700 with its own XDG_RUNTIME_DIR and HOME. Whatever is started
# by world_spawn leads a session (and process group) of its own, so that world_stop and world_close end
# exactly that and nothing else. Whoever opens a world closes it in an EXIT trap.
#
# A function world_start_NAME returns once the server answers. If it fails, WORLD_ERROR is a sentence
# that names the part that did not start, with the last line of its log.

declare -A WORLD_PID=() # name -> pid, also the process group
WORLD_ERROR=
# How long a server may take to start. A machine that is busy with something else makes it slow, and one
# that fails ends early, which is noticed at once.
WORLD_START_SECONDS=30

is_alive() { # PID; a zombie is not
	local stat

	{ read -r stat </proc/"$1"/stat; } 2>/dev/null || return 1
	[[ ${stat##*) } != Z* ]]
}

# Runs CMD until it succeeds, at most SECONDS; returns its success. PATIENCE times as long where all is
# slow: in a guest without hardware support.
wait_until() { # SECONDS CMD...
	local deadline=$((${EPOCHREALTIME/./} + $1 * ${PATIENCE:-1} * 1000000))

	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < deadline)) || return 1
		sleep 0.05
	done
}

world_open() {
	WORLD_DIR=$(mktemp -d "${TMPDIR:-/tmp}/gamerd-audio.XXXXXX") || return
	mkdir -m 0700 "$WORLD_DIR/run" "$WORLD_DIR/home"
	export XDG_RUNTIME_DIR=$WORLD_DIR/run HOME=$WORLD_DIR/home
	export XDG_CONFIG_HOME=$HOME/.config XDG_STATE_HOME=$HOME/.state XDG_CACHE_HOME=$HOME/.cache
	export DBUS_SESSION_BUS_ADDRESS=unix:path=$XDG_RUNTIME_DIR/bus
	export PULSE_SERVER=unix:$XDG_RUNTIME_DIR/pulse/native JACK_NO_AUDIO_RESERVATION=1
	unset DISPLAY WAYLAND_DISPLAY PIPEWIRE_REMOTE PULSE_RUNTIME_PATH
}

world_spawn() { # NAME CMD...
	local name=$1

	shift
	setsid "$@" </dev/null >>"$WORLD_DIR/$name.log" 2>&1 &
	WORLD_PID[$name]=$!
	disown # the shell would announce each one that is killed
}

# Waits until CMD succeeds: then the server NAME has started. It has failed if it ended before that, or
# if its time is over.
world_await() { # NAME CMD...
	local name=$1

	shift
	wait_until "$WORLD_START_SECONDS" world_answers_or_ended "$name" "$@" && $WORLD_ANSWERS && return
	WORLD_ERROR="$name did not start: $(world_last_words "$name")"
	return 1
}

world_answers_or_ended() { # NAME CMD...
	local pid=${WORLD_PID[$1]}

	shift
	WORLD_ANSWERS=true
	"$@" && return
	WORLD_ANSWERS=false
	is_gone "$pid"
}

# The last line of what NAME wrote, without colours.
world_last_words() { # NAME
	local line

	line=$(sed -E 's/\x1b\[[0-9;]*m//g' "$WORLD_DIR/$1.log" | grep -v '^[[:space:]]*$' | tail -n 1)
	echo "${line:-it wrote nothing to its log}"
}

is_gone() { # PID
	! is_alive "$1"
}

signal_group() { # SIGNAL PID
	kill -"$1" -- -"$2" 2>/dev/null || kill -"$1" "$2" 2>/dev/null
}

# Ends NAME and all that it started. With TERM (the default) it has 5 s, then it is killed.
world_stop() { # NAME [SIGNAL]
	local pid=${WORLD_PID[$1]:-}

	[[ -n $pid ]] || return 0
	unset "WORLD_PID[$1]"
	signal_group "${2:-TERM}" "$pid"
	wait_until 5 is_gone "$pid" || true
	signal_group KILL "$pid" || true # what the leader left behind
}

world_close() {
	local name

	[[ -n ${WORLD_DIR:-} ]] || return 0
	for name in "${!WORLD_PID[@]}"; do
		[[ $name == bus ]] || world_stop "$name"
	done
	world_stop bus
	rm -rf "$WORLD_DIR" /tmp/sndio/sock7
	unset WORLD_DIR
}

# A WAV file of stereo silence at 48 kHz, 16 bit.
world_silence() { # SECONDS FILE
	local bytes=$(($1 * 48000 * 4))

	{
		printf 'RIFF'
		world_le32 $((bytes + 36))
		printf 'WAVEfmt '
		world_le32 16
		printf '\1\0\2\0' # PCM, two channels
		world_le32 48000
		world_le32 192000
		printf '\4\0\20\0data' # block of 4 bytes, 16 bits
		world_le32 $bytes
		head -c "$bytes" /dev/zero
	} >"$2"
}

world_le32() { # NUMBER
	local byte

	for byte in $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); do
		printf '%b' "\\x$(printf '%02x' "$byte")"
	done
}

world_start_bus() {
	[[ -z ${WORLD_PID[bus]:-} ]] || return 0
	world_spawn bus dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS"
	world_await bus test -S "$XDG_RUNTIME_DIR/bus"
}

# Readiness is asked of the server itself: a killed one leaves its socket file behind. Now and then the
# pw-cli of Debian 12 waits for ever for an answer that it has missed, so it is asked again after 10 s.
world_pipewire_sees() { # TEXT
	[[ $(timeout 10 pw-cli ls 2>/dev/null) == *"$1"* ]]
}

world_pulse_answers() {
	pactl info >/dev/null 2>&1
}

world_jackd_answers() {
	[[ $(jack_wait -c 2>/dev/null) == running* ]]
}

world_start_pipewire() {
	world_start_bus && world_spawn pipewire pipewire && world_await pipewire world_pipewire_sees core.name
}

# WirePlumber without the machine's devices: they belong to the servers that may run there. So it does
# not need logind either, which says whose seat the Bluetooth devices are; WirePlumber 0.4 ends itself
# where logind's directories are missing. Version 0.4 reads the Lua files and 0.5 reads the other one.
world_configure_wireplumber() {
	local dir=$XDG_CONFIG_HOME/wireplumber monitor

	mkdir -p "$dir"/{main.lua.d,bluetooth.lua.d,wireplumber.conf.d}
	for monitor in alsa v4l2 libcamera; do
		echo "${monitor}_monitor.enabled = false"
	done >"$dir/main.lua.d/60-private.lua"
	echo 'bluez_monitor.enabled = false' >"$dir/bluetooth.lua.d/60-private.lua"
	cat >"$dir/wireplumber.conf.d/private.conf" <<-END
		wireplumber.profiles = {
			main = {
				hardware.audio = disabled
				hardware.bluetooth = disabled
				hardware.video-capture = disabled
				support.logind = disabled
			}
		}
	END
}

world_start_wireplumber() {
	world_configure_wireplumber && world_spawn wireplumber wireplumber &&
		world_await wireplumber world_pipewire_sees WirePlumber
}

world_start_pipewire_pulse() {
	world_spawn pipewire-pulse pipewire-pulse && world_await pipewire-pulse world_pulse_answers
}

# The sink a machine without sound lacks.
world_pipewire_sink() {
	wait_until "$WORLD_START_SECONDS" world_pipewire_has_sink
}

world_pipewire_has_sink() {
	world_pipewire_sees dummy0 && return
	timeout 10 pw-cli create-node adapter '{ factory.name=support.null-audio-sink node.name=dummy0
		media.class=Audio/Sink object.linger=true audio.position=[FL FR] }' >/dev/null
	wait_until 2 world_pipewire_sees dummy0
}

world_play_pipewire() { # SECONDS
	world_silence "$1" "$WORLD_DIR/silence.wav"
	world_spawn pw-play pw-play --target dummy0 "$WORLD_DIR/silence.wav"
}

world_pulseaudio_options=(-n --exit-idle-time=-1 -L 'module-null-sink sink_name=dummy'
	-L 'module-native-protocol-unix auth-anonymous=1')

world_start_pulseaudio() {
	world_spawn pulseaudio pulseaudio --daemonize=no --use-pid-file=no "${world_pulseaudio_options[@]}"
	world_await pulseaudio world_pulse_answers
}

# Double-forks away from the shell: its pid file names the survivor. The file of a killed one goes
# first: where nobody reaps orphans, its pid still exists and would pass for a running daemon.
world_start_pulseaudio_daemonised() {
	rm -f "$XDG_RUNTIME_DIR/pulse/pid"
	if ! pulseaudio -D --use-pid-file=yes "${world_pulseaudio_options[@]}" >>"$WORLD_DIR/pulseaudio.log" 2>&1; then
		WORLD_ERROR="pulseaudio did not start: $(world_last_words pulseaudio)"
		return 1
	fi
	WORLD_PID[pulseaudio]=$(<"$XDG_RUNTIME_DIR/pulse/pid")
	world_await pulseaudio world_pulse_answers
}

world_play_pulse() { # SECONDS
	world_silence "$1" "$WORLD_DIR/silence.wav"
	world_spawn paplay paplay --latency-msec=10 "$WORLD_DIR/silence.wav"
}

world_start_jackd() {
	world_spawn jackd jackd -r -d dummy -r 48000 -p 256
	world_await jackd world_jackd_answers
}

world_start_jackdbus() {
	world_start_bus && world_spawn jackdbus jackdbus auto && world_await jackdbus world_jackdbus_answers
}

# Asked for a name without an owner, the bus would start a jackdbus of its own before ours has it.
world_jackdbus_answers() {
	dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
		string:org.jackaudio.service 2>/dev/null | grep -q 'boolean true' || return
	dbus-send --session --print-reply --dest=org.jackaudio.service /org/jackaudio/Controller \
		org.jackaudio.JackControl.IsStarted >/dev/null 2>&1
}

# Unit 7: the socket of a sndiod that may run already is that of unit 0.
world_start_sndiod() {
	rm -f /tmp/sndio/sock7
	world_spawn sndiod sndiod -d -U 7 && world_await sndiod test -S /tmp/sndio/sock7
}

world_touch_sndiod() {
	socat -T 0.1 /dev/null UNIX-CONNECT:/tmp/sndio/sock7
}
