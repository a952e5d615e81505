# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# To be sourced: where a script that fetches packages of another suite finds them.

# The URI of the Debian mirror in this machine's apt configuration.
debian_mirror() {
	local codename line

	[[ -z ${GAMERD_DEBIAN_MIRROR:-} ]] || { echo "$GAMERD_DEBIAN_MIRROR"; return; }
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016
	line=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		grep -m 1 -E "^($codename|stable|testing|sid|unstable) main ")
	echo "${line##* }"
}
