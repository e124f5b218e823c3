#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# 20,000 new connections a second, and then a node dies: the SYNs of the last
# moments are in the journal and go to its successors, none is lost unheard,
# and beats are answered all the while.
. "$(dirname "$0")/lib.sh"

export HALO_PLANE=nft
readonly RATE=20000 SECONDS_OF_IT=4
readonly FLOOD=$HALO_TOOLS/tests/netns/syn_flood
readonly RUSH=$HALO_TOOLS/tests/netns/rush

says() { grep -qE "$2" "$LAB_DIR/$1.log"; }
journal() { lab_ctl -j stats | jq ".plane.journal_$1"; }
deaths() {
	lab_ctl -j history | jq '[.events[] | select(.kind == "lost").node] |
		join(" ")' -r
}
suspicions() {
	lab_ctl -j history |
		jq '[.events[] | select(.kind == "suspect")] | length'
}

retransmitted() { sed -n 's/.*retransmitted=//p' "$LAB_DIR/rush.log" | tail -n 1; }

# sooner than a client tries again
export LAB_AGENTS="interval = \"$((100 * HALO_SLOW)) ms\"; miss = 4;"
begin "a b"
# where the answers to the flood go, and are never heard of again
lab_in gateway route add 198.19.0.0/16 via 198.18.0.1
for i in {11..30}; do
	lab_in client addr add "198.18.0.$i/24" dev eth0
done
join a b
eventually "two nodes share the routes" spread a=12 b=12

lab_spawn flood client "$FLOOD" "$VIP" 8001 24 198.19.1.0 65000 \
	$((RATE * SECONDS_OF_IT)) "$RATE"
sleep 1.5 # of the flood, with all well
check "nobody is suspected under the flood" [ "$(suspicions)" -eq 0 ]
lab_link b down
lab_spawn rush client "$RUSH" "$VIP" 8013 12 198.18.0.11 20 500 \
	$((3 * HALO_SLOW))
eventually "the dead node is replaced" spread a=24
eventually "its newcomers are at its successor" \
	says rush 'connected=500 refused=0 waiting=0'
# their SYNs are spread over 0.5 s: one that a busy machine answers late is sent
# again by itself
check "few had to try again" [ "$(retransmitted)" -lt 250 ]
check "no living node was declared dead" [ "$(deaths)" = b ]
eventually "the flood ends" says flood 'sent='
check "it was as fast as it should be" awk -F'[= ]' -v want="$RATE" \
	'/sent=/ { exit !($2 / $6 * 1000 > want / 2) }' "$LAB_DIR/flood.log"
check "every SYN of it has been in the journal" [ "$(journal taken)" -ge \
	$(($(sed 's/sent=\([0-9]*\).*/\1/' "$LAB_DIR/flood.log") * 9 / 10)) ]
check "or is counted as lost" [ $(($(journal taken) + $(journal lost))) -ge \
	"$(sed 's/sent=\([0-9]*\).*/\1/' "$LAB_DIR/flood.log")" ]
finish
