# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
# Harness of the tests on fresh machines: the smallest Debian there is (debootstrap --variant=minbase) in
# a temporary folder, with /dev, /proc and /sys of this machine, and the last commit of this tree.
#
# A test calls fresh_open, the checks of lines.sh, and `finish`. It prints one line per check, `ok NAME`
# or `not ok NAME`, each with its time, and what a `tools/test` in there skipped; it exits 0, 1, or 77 if
# it could not run. Everything runs in a mount namespace of its own: the mounts end with the last
# process of the chroot, and the folder can be removed at any time.
#
#   GAMERD_FRESH_KEEP=1    keeps the folder, and says where it is
#   GAMERD_VM_KERNELS      series of kernels in guests; default 7.3 and 6.19, empty: each test's own
#   GAMERD_TEST_REQUIRE=1  what cannot run is a failure
#   TMPDIR                 where the folder is; default /var/tmp, and it takes about 6 GB
set -uo pipefail
export LC_ALL=C.UTF-8

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$ROOT/tools/debian-mirror.sh"
FRESH= # the folder
INNER= # the pid of what runs in there
exec {OUT}>&1 # past what a check does with it
CHECKS_PASSED=0
CHECKS_FAILED=0

skip() { # REASON
	if [[ ${GAMERD_TEST_REQUIRE:-} == 1 ]]; then
		echo "not ok can run here: $1"
		exit 1
	fi
	echo "skip $1"
	exit 77
}

finish() {
	echo "# $CHECKS_PASSED ok, $CHECKS_FAILED not ok"
	exit $((CHECKS_FAILED > 0))
}

# CMD must succeed; on failure the end of what it said is shown. The whole is in $FRESH/output.
check() { # NAME CMD...
	local name=$1 start=$SECONDS

	shift
	if "$@" >"$FRESH/output" 2>&1; then
		CHECKS_PASSED=$((CHECKS_PASSED + 1))
		echo "ok $name ($((SECONDS - start)) s)"
	else
		CHECKS_FAILED=$((CHECKS_FAILED + 1))
		echo "not ok $name ($((SECONDS - start)) s)"
		grep -E '^FAIL' "$FRESH/output" | sed 's/^/# /'
		tail -n 40 "$FRESH/output" | sed 's/^/# /'
	fi
}

# --- the machine -----------------------------------------------------------------------------------

# What apt needs of this machine's configuration to reach the mirror: proxies, certificates, and whether
# the mirror's dates count. Nothing else is taken from here.
copy_apt_settings() {
	apt-config dump | grep -E '^Acquire::(http|https|ftp|Check-[A-Za-z-]+|Retries)(::| )' \
		>"$FRESH/etc/apt/apt.conf.d/90mirror"
	cp -n /etc/apt/trusted.gpg.d/* "$FRESH/etc/apt/trusted.gpg.d/"
	cp /etc/hosts "$FRESH/etc/hosts"
	cp -L /etc/resolv.conf "$FRESH/etc/resolv.conf"
	grep -qw "$(uname -n)" "$FRESH/etc/hosts" || echo "127.0.1.1 $(uname -n)" >>"$FRESH/etc/hosts"
}

# Kernels that are here already need not be fetched again.
copy_kernels() {
	local kernels=${XDG_CACHE_HOME:-$HOME/.cache}/scx_gamerd/kernels

	[[ -d $kernels ]] || return 0
	mkdir -p "$FRESH/root/.cache/scx_gamerd"
	cp -a --reflink=auto "$kernels" "$FRESH/root/.cache/scx_gamerd/"
}

fresh_open() { # SUITE OF DEBIAN
	local mirror start=$SECONDS

	((EUID == 0)) || skip "only root can install a Debian into a folder"
	command -v debootstrap >/dev/null || skip "debootstrap is not installed: tools/setup fresh"
	git -C "$ROOT" rev-parse --verify --quiet HEAD >/dev/null || skip "this is no git checkout to clone from"
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || skip "apt names no Debian mirror; set GAMERD_DEBIAN_MIRROR"
	FRESH=$(TMPDIR=${TMPDIR:-/var/tmp} mktemp -d -t gamerd-fresh.XXXXXX)
	# mktemp's folders are closed to others, and the root directory of a Debian is not.
	chmod 0755 "$FRESH"
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	git -C "$ROOT" diff --quiet HEAD || echo "# changes that are not committed are not tested"
	on_its_own debootstrap --variant=minbase "$1" "$FRESH" "$mirror" >"$FRESH.log" 2>&1 ||
		skip "debootstrap failed: $(tail -n 1 "$FRESH.log")"
	copy_apt_settings
	copy_kernels
	echo "# $1, $(git -C "$ROOT" log -1 --format='%h (%s)'), debootstrap took $((SECONDS - start)) s"
}

# --- what runs in there ----------------------------------------------------------------------------

# Runs CMD in a session of its own, so that Ctrl-C comes to this script only, and without a terminal.
on_its_own() { # CMD...
	setsid "$@" </dev/null &
	INNER=$!
	wait "$INNER"
	local status=$?
	INNER=
	return $status
}

# The mounts that a chroot needs, then CMD in there.
# shellcheck disable=SC2016
enter='
	root=$1
	shift
	mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" && mount -t proc proc "$root/proc" || exit 125
	[[ -z ${PASSWD:-} ]] || mount --bind "$PASSWD" "$root/etc/passwd" || exit 125
	[[ -z ${OFFLINE:-} ]] || ip link set lo up || exit 125
	exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} chroot "$root" "$@"'

# Runs a script of bash in the chroot, as root, in the root's home. AS: as that user, in the user's home.
# OFFLINE=1: without a network. PASSWD: a file in place of /etc/passwd.
inside() { # SCRIPT
	local options=(--mount --propagation private) shell=(bash -c)

	[[ -z ${OFFLINE:-} ]] || options+=(--net)
	[[ -z ${AS:-} ]] || shell=(runuser --login "$AS" --shell /bin/bash --command)
	on_its_own unshare "${options[@]}" bash -c "$enter" enter "$FRESH" "${shell[@]}" "cd && $1"
}

# A clone of the last commit at PATH in the chroot; nothing in there needs git for that.
clone_to() { # PATH [OPTIONS OF git clone...]
	local path=$FRESH$1

	shift
	rm -rf "$path"
	git clone --quiet "$@" "file://$ROOT" "$path"
}

# --- the end ---------------------------------------------------------------------------------------

# Prints the pids of all that runs in the chroot.
inhabitants() {
	local link

	for link in /proc/[0-9]*/root; do
		[[ $(readlink "$link") == "$FRESH" ]] || continue
		link=${link#/proc/}
		echo "${link%/root}"
	done 2>/dev/null
}

# Ends what still runs, first with SIGTERM, and removes the folder.
cleanup() {
	local status=$? signal pids deadline

	trap - EXIT
	trap '' INT TERM HUP
	[[ -z $INNER ]] || kill -TERM -- "-$INNER" 2>/dev/null
	for signal in TERM KILL; do
		deadline=$((SECONDS + 20))
		while mapfile -t pids < <(inhabitants) && ((${#pids[@]} && SECONDS < deadline)); do
			kill -"$signal" "${pids[@]}" 2>/dev/null
			read -rt 0.5 <> <(:)
		done
	done
	[[ -z $INNER ]] || wait "$INNER" 2>/dev/null
	if [[ ${GAMERD_FRESH_KEEP:-} == 1 ]]; then
		echo "# kept $FRESH" >&"$OUT"
	else
		rm -rf --one-file-system "$FRESH" "$FRESH.log"
	fi
	exit "$status"
}
