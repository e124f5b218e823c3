#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A UDP service beside the TCP ones: datagrams go where the table says, and
# after a loss to the new node.
. "$(dirname "$0")/lib.sh"

# who answers a datagram to route $1; the socket stays the same client port
ask() {
	lab_exec client "$HALO_TOOLS/tests/netns/udp_ask" \
		"${2:-$VIP}" $((7000 + $1)) 40001
}
datagrams_agree() {
	local route=0 node
	while read -r node; do
		route=$((route + 1))
		[ "$(ask "$route" "$@")" = "$node" ] || return 1
	done < <(owners)
}

LAB_SERVICES='{ name = "game"; listen = 7001; protocol = "udp"; }'
begin "a b"
for node in a b; do
	lab_spawn "udp-$node" "$node" \
		"$HALO_TOOLS/tests/netns/udp_who" "$node" 7001 24
done
join a b
eventually "two nodes share the routes" spread a=12 b=12
check "datagrams reach the node of the table" datagrams_agree
check "over IPv6 too" datagrams_agree "$VIP6"
lab_link b down
eventually "a silent node's routes go to the other" spread a=24
check "so do the datagrams of the same client ports" datagrams_agree
finish
