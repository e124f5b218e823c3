#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thousands of clients come while their node is silent: all are held and reach
# its successor. More than there is room for wait for their own second try, and
# are counted; one greedy address does not take the others' room.
. "$(dirname "$0")/lib.sh"

readonly RUSH=$HALO_TOOLS/tests/netns/rush

# rush NAME FIRST-SOURCE SOURCES COUNT: of clients, in the background
rush() {
	lab_spawn "$1" client "$RUSH" "$VIP" 8001 24 "198.18.0.$2" "$3" "$4" \
		$((5 * HALO_SLOW))
}
says() { grep -qE "$2" "$LAB_DIR/$1.log"; }
packets() {
	lab_ctl -j stats |
		jq --arg reason "$1" \
		'.packets[] | select(.reason == $reason).count'
}
holds() { [ "$(lab_ctl -j status | jq .plane.held)" -ge "$1" ]; }
# silence NODE: no answer from it from now on; its doors are held
silence() {
	lab_link "$1" down
	lab_wait "$SOON" node_is "$1" suspect
}
# who serves and who waits, after one has been lost and has come back
revive() {
	lab_link "$1" up
	lab_wait "$SOON" node_is "$1" reserve
}
room_for() {
	lab_kill halod
	sed -i '/^nfqueue/d' "$LAB_DIR/halod.conf"
	echo "nfqueue = { held = $1; workers = 1; };" >>"$LAB_DIR/halod.conf"
	lab_halod_start && lab_wait "$SOON" connected a b
}

# as long as can be before those who are held try again
export LAB_AGENTS='interval = "200 ms"; miss = 6;'
begin "a b" 'reserve = 1;' 'hold-down = "100 ms";'
for i in {11..31}; do
	lab_in client addr add "198.18.0.$i/24" dev eth0
done
join a b
eventually "one node serves all, the other waits" spread a=24

check "the node turns silent" silence a
rush many 11 20 5000
eventually "the other node takes over" spread b=24
check "5000 new clients have been held" [ "$(packets held)" -eq 5000 ]
eventually "all 5000 are connected, none had to try again" says many \
	'connected=5000 refused=0 waiting=0 retransmitted=0'
check "none was too many" [ "$(packets held-full)" -eq 0 ]
eventually "none is held any more" not holds 1
check "the node comes back" revive a

check "room for 1000 is left" room_for 1000
check "the other node turns silent" silence b
rush greedy 11 1 2000
sleep 0.15 # until it has taken what it gets
rush others 12 10 200
eventually "the first node takes over" spread a=24
check "one address alone got a quarter of the room, the others theirs" \
	[ "$(packets held)" -eq 450 ]
eventually "the others had room, none had to try again" says others \
	'connected=200 refused=0 waiting=0 retransmitted=0'
eventually "those for whom there was none had to, and are served" says greedy \
	'connected=2000 refused=0 waiting=0 retransmitted=17[0-9][0-9]$'
check "each is counted" [ "$(packets held-full)" -ge 1750 ]
check "the node comes back once more" revive b

check "the serving node turns silent" silence a
rush flood 11 20 3000
eventually "the other node takes over again" spread b=24
check "as many were held as there was room for" [ "$(packets held)" -eq 1450 ]
eventually "all are served, the rest by a second try" says flood \
	'connected=3000 refused=0 waiting=0'
finish
