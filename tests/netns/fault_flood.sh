#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# SYNs of 65,000 addresses that are not the sender's fill the gateway's
# connection tracking, and then a node dies: established connections and agents
# live, halod says what is lost and what to do, its memory stays bounded, and
# nobody whose address was forged hears of it. Most of the flood is written into
# the kernel; all of it is sent when HALO_HEAVY is set (40 s).
. "$(dirname "$0")/lib.sh"

export HALO_PLANE=nft
readonly MAX=$(</proc/sys/net/netfilter/nf_conntrack_max)
readonly FLOOD=$HALO_TOOLS/tests/netns/syn_flood
readonly FILL=$HALO_TOOLS/tests/netns/ct_fill

says() { grep -qE "$2" "$LAB_DIR/$1.log"; }
is_full() {
	[ "$(lab_exec gateway cat /proc/sys/net/netfilter/nf_conntrack_count)" \
		-ge $((MAX / 100 * 98)) ]
}
complains() {
	lab_ctl -j status | jq -e '.degraded[] |
		select(test("conntrack is full.*sysctl"))'
}
doctor_knows() {
	lab_ctl -j doctor | jq -e '.checks[] | select(.check == "conntrack" and
		.level == "warn" and (.fix | test("nf_conntrack_max")))'
}
has_lost() { [ "$(lab_ctl -j stats | jq .plane.conntrack_lost)" -gt 0 ]; }
history_of() {
	lab_ctl -j history | jq -r --arg kind "$1" \
		'[.events[] | select(.kind == $kind).node] | join(" ")'
}
rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid halod)/status"; }
# What the gateway itself has sent to forged addresses.
poked() {
	lab_exec gateway nft -j list counter inet watch poked |
		jq '.nftables[] | .counter // empty | .packets'
}
watch_victims() {
	lab_exec gateway nft -f - <<-NFT
		table inet watch {
			counter poked {
			}
			chain c {
				type filter hook output priority 300;
				ip daddr 198.19.1.0-198.19.254.255 \
					counter name poked
			}
		}
	NFT
}

flood() {
	lab_spawn flood client "$FLOOD" "$VIP" 8001 24 198.19.1.0 65000 "$1"
}
# fill NODE FIRST-PORT: its half of what a flood has left so far
fill() {
	lab_exec gateway "$FILL" "$VIP" "$2" 12 "$(lab_addr "$1")" \
		198.19.1.0 65000 $((MAX / 2 - 2000)) $(($(tag_of "$1") << 16))
}

if [ "$MAX" -gt 300000 ]; then
	skip "a flood fills connection tracking" "it has room for $MAX here"
	finish
fi
begin "a b" 'reserve = 0;'
lab_in gateway route add 198.19.0.0/16 via 198.18.0.1
for node in a b; do # no second answer to a forged SYN
	lab_exec "$node" sysctl -qw net.ipv4.tcp_synack_retries=0
done
join a b
eventually "two nodes share the routes" spread a=12 b=12
load_start --subscribers 96 --interval 20
load_say publish on
check "nobody is poked" watch_victims
memory=$(rss_kb)

load_say planned flood
if [ -n "${HALO_HEAVY:-}" ]; then
	flood $((MAX + 100000))
else
	fill a 8001
	fill b 8013
	flood 50000
fi
check "connection tracking is full" lab_wait 60 is_full
eventually "status says so, and what to do" complains
check "doctor too" doctor_knows
check "established connections get their news" load_is \
	'.connected == 96 and .broken == 0 and .delivered > 0'
load_say end
check "no connection broke" incident flood '.broken == 0'

load_say forced silent
lab_link b down
eventually "a node that dies in the flood is replaced" spread a=24
eventually "its idle clients are told, and are back" \
	load_is '.broken == 48 and .back == 48'
load_say end
check "its idle clients were told before the flood was swept up" \
	incident silent ".broken_last_ms < 4000 * $HALO_SLOW"
lab_wait 60 says flood sent=
eventually "what it cost is counted" has_lost
check "the living one is not taken for dead" [ "$(history_of lost)" = b ]
check "nobody whose address was forged has heard of halod" [ "$(poked)" -eq 0 ]
check "halod has not grown" [ $(($(rss_kb) - memory)) -lt 40000 ]
load_quit
check "no message was lost outside the loss" load_sum '.lost == 0'
finish
