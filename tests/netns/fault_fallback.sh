#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Kernels that lack something: nft's queue statement, NFLOG, a BPF program's
# view of conntrack, tables that belong to a program. Each lack is said in
# status and costs one step: a failover without it still serves everybody.
. "$(dirname "$0")/lib.sh"

export HALO_PLANE=nft

detail_says() { [[ "$(lab_ctl -j status | jq -r .plane.detail)" == *"$1"* ]]; }
has_repaired() {
	lab_ctl -j history | jq -e '.events[] | select(.kind == "repaired")'
}
says() { grep -qE "$2" "$LAB_DIR/$1.log"; }

# without VARIABLE TEXT-IN-STATUS RETRANSMITTED: halod anew, and then a death
without() {
	local lost=b left=a
	lab_kill halod
	lab_exec gateway nft delete table inet halod
	export "$1=1"
	lab_halod_start || give_up "halod starts with $1"
	export -n "$1"
	unset "$1"
	eventually "it says so: $1" detail_says "$2"
	eventually "both nodes are there: $1" connected a b
	eventually "and serve: $1" spread a=12 b=12
	load_start --subscribers 48
	load_say forced "$1"
	lab_link "$lost" down
	lab_spawn rush client "$HALO_TOOLS/tests/netns/rush" "$VIP" 8001 24 \
		198.18.0.1 4 100 $((5 * HALO_SLOW))
	eventually "the dead node is replaced: $1" not node_is b active
	eventually "its idle clients are told: $1" \
		load_is '.broken == 24 and .back == 24'
	eventually "newcomers are served: $1" \
		says rush "connected=100 refused=0 waiting=0 retransmitted=$3\$"
	load_stop
	lab_wait 2 not kill -0 "$LOAD_PID"
	lab_link "$lost" up
	eventually "the node comes back: $1" spread "$left=12" "$lost=12"
}

export LAB_AGENTS="interval = \"$((100 * HALO_SLOW)) ms\"; miss = 4;"
begin "a b" 'hold-down = "100 ms";'
join a b
eventually "two nodes share the routes" spread a=12 b=12
without HALO_FORCE_XT_NFQUEUE 'xt NFQUEUE' 0
without HALO_FORCE_NO_CT_SEQ 'told by SYN/ACK: switched off' 0
without HALO_FORCE_NO_NFLOG 'no SYN journal' '[0-9]+'
without HALO_FORCE_NO_NFT_OWNER 'no table that outlasts a flush' 0
lab_exec gateway nft flush ruleset
eventually "a flush is repaired without that table as well" has_repaired
check "every door leads to the node of the table" doors_agree
finish
