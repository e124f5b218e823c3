# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tests of halo.ko share: the module, its tool, a lab of two nodes
# with servers, and a table for it. Sourced, in the guest.
. "$(dirname "${BASH_SOURCE[0]}")/../netns/lib.sh"
. tests/netns/nft_lib.sh

readonly KO=$HALO_BUILD/kmod/halo.ko
readonly TOOL=$HALO_BUILD/tests/vm/kmod_tool
readonly TABLE="routes=24 seats=4 vip4=$VIP vip6=$VIP6
	service=web,tcp,8001 service=dns,udp,7001"

# What it needs was found by depmod; insmod loads nothing else.
module_load() {
	modprobe -a nf_defrag_ipv6 nf_reject_ipv4 nf_reject_ipv6 &&
		insmod "$KO" "$@"
}
module_unload() { rmmod halo; }
module_there() { grep -q '^halo ' /proc/modules; }

# tool ARGUMENT…: in the gateway
tool() { lab_exec gateway "$TOOL" "$@"; }
# refuses TEXT ARGUMENT…: with this text
refuses() {
	local text=$1 said
	shift
	said=$(tool "$@") && return 1
	[[ $said == *"refused: "*"$text"* ]] || {
		echo "  said: $said"
		return 1
	}
}
seat() { echo "seat=$1,$2,$(lab_addr "$3"),$(lab_addr6 "$3")"; }
# Routes 1-12 at a, the others at b; $1: the version
write_table() {
	# shellcheck disable=SC2086
	tool begin version="$1" $TABLE + \
		add "$(seat 1 11 a)" "$(seat 2 12 b)" run=1,12,1 run=13,24,2 + \
		commit
}
# count NAME: a counter
count() { tool stats | tr ' ' '\n' | sed -n "s/^$1=//p"; }
