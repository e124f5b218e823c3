#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Somebody flushes the ruleset, deletes HaloD's table, or elements of it, while
# clients work. It is noticed, repaired and told; connections go on.
. "$(dirname "$0")/lib.sh"

nft_gateway() { lab_exec gateway nft "$@"; }
repairs() {
	lab_ctl -j history | jq '[.events[] | select(.kind == "repaired")] |
		length'
}
has_repaired() { [ "$(repairs)" -ge "$1" ]; }
table_is_there() { nft_gateway list table inet halod >/dev/null 2>&1; }

# meddled NAME NFT-COMMAND…: under load
meddled() {
	local name=$1 before
	shift
	before=$(repairs)
	load_say planned "$name"
	nft_gateway "$@" || give_up "nft $*"
	eventually "noticed, repaired and told: $*" \
		has_repaired $((before + 1))
	check "the table is there again" table_is_there
	check "every door leads to the node of the table" doors_agree
	sleep 0.3 # for what was broken to show itself
	load_say end
	check "no connection broke: $*" incident "$name" '.broken == 0'
	# a door that leads to a node without an address refuses
	[ "$name" = node ] || check "no new client was turned away: $*" \
		incident "$name" '.connect_failed == 0'
}

begin "a b"
join a b
eventually "two nodes share the routes" spread a=12 b=12
load_start --subscribers 96 --interval 5 --probes 100
load_say publish on
load_say probe on
eventually "clients connect and are told news" \
	load_is '.probes > 50 and .delivered > 100'
lab_spawn monitor gateway "$HALO_BUILD/haloctl" -s "$CONTROL" -j monitor

for round in 1 2; do
	meddled "flush$round" flush ruleset
	meddled "delete$round" delete table inet halod
done
meddled door delete element inet halod doors4 \
	"{ tcp . $VIP . 8001, tcp . $VIP . 9013 }"
meddled node flush map inet halod address4
meddled chain flush chain inet halod arrive
check "the monitor tells it as well" \
	grep -q '"kind": *"repaired"' "$LAB_DIR/monitor.log"
check "the log too" grep -q 'repaired .*why=' "$LAB_DIR/halod.log"
before=$(repairs)
nft_gateway add table inet other
nft_gateway delete table inet other
check "and what others do to their tables is none of our business" \
	[ "$(repairs)" -eq "$before" ]
check "nothing is amiss" [ "$(lab_ctl -j status | jq '.degraded | length')" -eq 0 ]
load_quit
check "no message was lost" load_sum '.lost == 0 and .delivered > 0'
finish
