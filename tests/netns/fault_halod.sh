#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod is killed, stopped for five seconds and restarted, while clients work:
# their connections go on and new ones are made. On the nft plane the kernel
# does without halod and nobody waits; on the nfqueue plane packets wait for
# it, as long as TCP has patience.
. "$(dirname "$0")/lib.sh"

# one that it needs, or as long as it is away and a client's next try after that
if [ "$HALO_PLANE" = nft ]; then
	readonly GAP_MS=$((100 * BUSY)) STOPPED_MS=$((100 * BUSY))
else
	readonly GAP_MS=$((2900 * HALO_SLOW)) STOPPED_MS=$((8000 * HALO_SLOW))
fi

# survived NAME MS: what the clients say of an incident
survived() {
	load_say end
	check "no connection broke: $1" incident "$1" '.broken == 0'
	check "no new client was turned away: $1" \
		incident "$1" '.connect_failed == 0'
	check "none waited for longer than it may: $1" \
		incident "$1" ".connect_max_ms < $2"
	check "no route moved: $1" [ "$was" = "$(owners)" ]
}
# halod cannot be asked who serves
agrees_with() {
	local want=$1
	[ "$(answers "$VIP")" = "$want"$'\n'"$want" ]
}

begin "a b"
join a b
eventually "two nodes share the routes" spread a=12 b=12
load_start --subscribers 48 --interval 50 --probes 200 --patience 12
load_say publish on
load_say probe on
eventually "clients connect and are told news" \
	load_is '.probes > 100 and .delivered > 100'
was=$(owners)

load_say planned killed
lab_kill halod KILL
sleep 0.5 # the time that it is away
[ "$HALO_PLANE" != nft ] ||
	check "the kernel alone serves new clients" agrees_with "$was"
lab_halod_start || give_up "halod starts again"
eventually "the nodes return after a kill" connected a b
survived killed "$GAP_MS"

load_say planned stopped
# whoever is on his way just then waits for all of it
if [ "$HALO_PLANE" != nft ]; then
	load_say probe off
	load_is true
fi
halod=$(lab_pid halod)
kill -STOP "$halod"
sleep 2
lab_spawn late client "$HALO_TOOLS/tests/netns/rush" \
	"$VIP" 8001 24 198.18.0.1 8 200 $((SOON * HALO_SLOW))
sleep 3
[ "$HALO_PLANE" != nft ] || check "200 clients have not noticed the stop" \
	grep -q 'connected=200 .* retransmitted=0' "$LAB_DIR/late.log"
kill -CONT "$halod"
eventually "those who came meanwhile are served" \
	grep -q 'connected=200' "$LAB_DIR/late.log"
eventually "the nodes return after a stop" connected a b
check "every door leads to the node of the table" doors_agree
survived stopped "$STOPPED_MS"
load_say probe on

load_say planned restarted
lab_kill halod
lab_halod_start || give_up "halod starts once more"
eventually "the nodes return after a restart" connected a b
survived restarted "$GAP_MS"

load_quit
check "no message was lost" load_sum '.lost == 0 and .delivered > 0'
check "nobody was declared dead" \
	[ "$(lab_ctl -j history | jq '[.events[] | select(.kind == "lost")] |
		length')" -eq 0 ]
lab_link b down
eventually "a node that dies afterwards is replaced" spread a=24
finish
