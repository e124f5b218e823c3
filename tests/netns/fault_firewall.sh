#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A firewall beside halod drops what it does not know. doctor finds it and says
# the operator's line; with it clients are served. Clients of a node that is
# lost are told whatever the firewall thinks of their packets.
. "$(dirname "$0")/lib.sh"

export HALO_PLANE=nft

nft_gateway() { lab_exec gateway nft "$@"; }
served() {
	[ "$(lab_exec client curl -s --max-time 1 "http://$VIP:8001/")" = a ]
}
# the fix of its warning about the firewall
advice() {
	lab_ctl -j doctor | jq -er '.checks[] | select(.check == "firewall" and
		.level == "warn").fix'
}

begin "a b"
join a b
eventually "two nodes share the routes" spread a=12 b=12
check "doctor finds no fault with the firewall" not advice
nft_gateway -f - <<-'NFT'
	table inet strict {
		chain forward {
			type filter hook forward priority filter; policy drop;
		}
	}
NFT
check "with a firewall that drops nobody is served" not served
line=$(advice)
check "doctor says which line helps" \
	[ "$line" = "nft insert rule inet strict forward ct status dnat accept" ]
sed 's/^plane.*/plane = "auto";/' "$LAB_DIR/halod.conf" >"$LAB_DIR/auto.conf"
check "another one where auto falls back to packets that are not tracked" \
	grep -q 'nft insert rule inet strict forward ct state untracked accept' \
	<(HALO_FORCE_NO_NAT=1 lab_exec gateway "$HALO_BUILD/halod" -t \
		-c "$LAB_DIR/auto.conf" 2>&1)
# shellcheck disable=SC2086 # a command line
check "it can be obeyed" lab_exec gateway $line
check "clients are served with it" served
check "doctor is content with it" not advice
check "over IPv6 as well" doors_agree "[$VIP6]"
nft_gateway add rule inet strict forward \
	'ct state new tcp flags & (fin|syn|rst|ack) != syn drop'

load_start --subscribers 48
load_say forced silent
nft_gateway delete table inet strict
nft_gateway -f - <<-'NFT'
	table inet strict {
		chain forward {
			type filter hook forward priority filter; policy drop;
			ct state invalid drop
			ct state new tcp flags & (fin|syn|rst|ack) != syn drop
		}
	}
NFT
lab_link b down
eventually "a node that dies is replaced" spread a=24
eventually "its idle clients are told, also without that line" \
	load_is '.broken == 24'
# shellcheck disable=SC2086
lab_exec gateway $line
eventually "and are back with it" load_is '.back == 24'
load_say end
check "at once" incident silent ".broken_last_ms < $((2000 * BUSY))"
load_quit
finish
