# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What is checked on a fresh machine, in groups that build on each other: `offline` must see the machine
# as debootstrap left it, and `demo` and `test` install what the others use.
GROUPS_ALL=(offline demo test lines)

# Runs the demo in FOLDER after PREPARATION, for instance `umask 077`: it must end with status 0, and must
# have shown PipeWire and its client with their waits.
run_demo() { # FOLDER [PREPARATION]
	inside "${2:-true} && cd '$1' && tools/run --demo 8" || return
	grep -qE '^ +pipewire +[0-9]+ +audio_server ' "$FRESH/output" &&
		grep -qE '^ +audio_server .* [mu]?s( |$)' "$FRESH/output" &&
		grep -qE '^ +audio_client +[1-9].* [mu]?s( |$)' "$FRESH/output"
}

# The last block that the demo printed.
show_demo() {
	tac "$FRESH/output" | awk '/^  proc events/ { on++ } on == 1 { print } /^  SERVER/ && on { exit }' | tac | sed 's/^/# /'
}

show_verdicts() {
	grep -E '^skip|^     \| a part skipped: ' "$FRESH/output" | sed 's/^/# /'
	grep -E '^[0-9]+ passed' "$FRESH/output" | tail -n 1 | sed 's/^/# /'
}

# Both commands, the second with SUITES only.
check_both() { # NAME FOLDER PREPARATION SUITES...
	local name=$1 folder=$2 preparation=$3

	shift 3
	check "$name: tools/run --demo 8" run_demo "$folder" "$preparation"
	check "$name: tools/test $*" inside "$preparation && cd '$folder' && tools/test $*"
	show_verdicts
}

# CMD must fail, and its last line is PATTERN.
refuses() { # PATTERN SCRIPT
	! inside "$2" && tail -n 1 "$FRESH/output" | grep -E "$1"
}

group_offline() {
	clone_to /root/first
	OFFLINE=1 check "no network: setup names what it could not install" \
		refuses '^setup: .*clang.* could not be installed: .+' 'cd first && tools/run --demo 8'
	tail -n 1 "$FRESH/output" | sed 's/^/# /'
}

group_demo() {
	clone_to /root/first
	check "tools/run --demo 8" run_demo first
	show_demo
}

# In guests with the newest and the oldest kernel, as in continuous integration: QEMU is the release's,
# the kernels are not.
group_test() {
	clone_to /root/first
	check "tools/test" inside "cd first && GAMERD_VM_KERNELS='${GAMERD_VM_KERNELS-7.3 6.19}' tools/test"
	show_verdicts
}

# --- one for each circumstance, with the suites that it can make a difference to --------------------

line_user() {
	clone_to /home/tester/scx
	check "a user and sudo are there" inside "apt-get -qq update && apt-get -qq install -y --no-install-recommends sudo &&
		useradd --create-home --shell /bin/bash tester && echo 'tester ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tester &&
		chown -R tester: /home/tester && dpkg --purge --force-depends jq wrk"
	check "a user with sudo: tools/run --demo 8" as_user run_demo scx
	check "a user with sudo: tools/test --quick" as_user inside 'cd scx && tools/test --quick'
	show_verdicts
	check "a user with sudo: nothing in the folder became root's" inside \
		'[[ -z $(find /home/tester/scx -user root -print -quit) ]]'
	check "no sudo: it says that only root can install" refuses '^setup: .* only root can install' \
		"dpkg --purge wrk && mv /usr/bin/sudo /root/ && runuser -l tester -c 'cd scx && tools/test --quick'"
	check "sudo is back" inside "mv /root/sudo /usr/bin/"
}

as_user() { # CMD...
	AS=tester "$@"
}

line_blank() {
	clone_to "/root/my games/scx gamerd"
	check_both "a blank in the folder's name" "my games/scx gamerd" true static unit bpf
	check "a blank in the folder's name: tools/vm" inside "cd 'my games/scx gamerd' && tools/setup vm && tools/vm -- test -x tools/vm"
}

line_umask() {
	(umask 077 && clone_to /root/umask)
	check_both "umask 077" umask 'umask 077' unit bpf system
}

line_terminal() {
	clone_to /root/terminal
	check "without a terminal, stdin closed: tools/run --demo 8" run_demo terminal 'exec <&-'
	check "with a terminal: tools/run --demo 8" inside "cd terminal && script -qec 'tools/run --demo 8' /dev/null"
	check "with a terminal: tools/test static unit" inside "cd terminal && script -qec 'tools/test static unit' /dev/null"
}

line_language() {
	clone_to /root/language
	check "German is there" inside "apt-get -qq update && apt-get -qq install -y --no-install-recommends locales &&
		localedef -i de_DE -f UTF-8 de_DE.UTF-8"
	check_both "LANG=de_DE.UTF-8" language 'export LANG=de_DE.UTF-8' static unit bpf system
}

line_shallow() {
	clone_to /root/shallow --depth 1
	check_both "a shallow clone" shallow true unit bench
}

line_archive() {
	rm -rf "$FRESH/root/archive"
	mkdir "$FRESH/root/archive"
	git -C "$ROOT" archive HEAD | tar -x -C "$FRESH/root/archive"
	check_both "a source archive without git" archive true static unit bench
}

line_installed() {
	clone_to /root/offline
	OFFLINE=1 check_both "no network, all installed" offline true static unit
}

line_database() {
	grep '^root:' "$FRESH/etc/passwd" >"$FRESH.passwd"
	clone_to /root/database
	PASSWD=$FRESH.passwd check "only root in the user database: tools/run --demo 8" run_demo database
	# When root starts it, sndiod becomes the user that its package has made.
	check "the sound servers are there" inside "cd database && tools/setup test"
	grep -E '^(root|sndiod):' "$FRESH/etc/passwd" >"$FRESH.passwd"
	PASSWD=$FRESH.passwd check "only root and sndiod in the user database: all sound servers" \
		inside "cd database && tests/system/test_audio_servers.sh"
	rm -f "$FRESH.passwd"
}

line_sentence() {
	clone_to /root/sentence
	mkdir -p "$FRESH/root/stub"
	printf '#!/bin/sh\necho there is no seat >&2\nexit 1\n' >"$FRESH/root/stub/wireplumber"
	chmod 0755 "$FRESH/root/stub/wireplumber"
	check "a part that does not start is named with its last line" \
		refuses '^run: wireplumber did not start: there is no seat$' \
		'PATH=/root/stub:$PATH && cd sentence && tools/run --demo 8 2>&1 | grep "^run:" && exit 1'
}

group_lines() {
	local line

	for line in sentence installed database terminal user archive shallow blank language umask; do
		"line_$line"
	done
}

# --- all of them -----------------------------------------------------------------------------------

run_lines() { # [GROUP|LINE...]; default: all groups
	local name

	(($#)) || set -- "${GROUPS_ALL[@]}"
	for name; do
		case " ${GROUPS_ALL[*]} " in
		*" $name "*) "group_$name" ;;
		*) "line_$name" ;;
		esac
	done
}
