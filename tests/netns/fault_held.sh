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

# The silent node comes back, to wait in reserve.
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

# during SCENE: the serving node turns silent, SCENE happens, the other takes
# over. Counted from here on.
during() {
	local next=a
	[ "$serving" = b ] || next=b
	round=$((round + 1))
	held_before=$(packets held) full_before=$(packets held-full)
	silence "$serving" || return
	"$@"
	lab_wait "$SOON" spread "$next=24" && revive "$serving" || return
	serving=$next
}
held() { echo $(($(packets held) - held_before)); }
full() { echo $(($(packets held-full) - full_before)); }

# A machine that stalls while they come makes some of them too late: that is
# another scene. Three times is no stall.
in_time() {
	local try
	for try in 1 2 3; do
		"$@" && return
	done
	return 1
}

# served RUSH TRIES: all of it are, so many by a second try
served() {
	lab_wait "$SOON" says "$1$round" \
		"connected=[0-9]+ refused=0 waiting=0 retransmitted=$2\$"
}

many_come() { rush "many$round" 11 20 5000; }
many_are_held() {
	during many_come && served many 0 && [ "$(held)" -eq 5000 ]
}
greedy_come() {
	rush "greedy$round" 11 1 2000
	lab_wait 1 says "greedy$round" begun
	rush "others$round" 12 10 200
}
# A quarter of 1000 for one address.
greed_is_bounded() {
	during greedy_come && served others 0 && served greedy 1750 &&
		[ "$(held)" -eq 450 ]
}
flood_comes() { rush "flood$round" 11 20 3000; }
room_is_used_up() {
	during flood_comes && served flood '[0-9]+' && [ "$(held)" -eq 1000 ]
}

# as long as can be before those who are held try again
export LAB_AGENTS='interval = "200 ms"; miss = 6;'
serving=a round=0
begin "a b" 'reserve = 1;' 'hold-down = "100 ms";'
for i in {11..31}; do
	lab_in client addr add "198.18.0.$i/24" dev eth0
done
join a b
eventually "one node serves all, the other waits" spread a=24

check "5000 new clients are held, all are connected, none had to try again" \
	in_time many_are_held
check "none was too many" [ "$(packets held-full)" -eq 0 ]
eventually "none is held any more" not holds 1

check "room for 1000 is left" room_for 1000
check "one address gets a quarter of it, the others had room, all are served" \
	in_time greed_is_bounded
check "each for whom there was none is counted" [ "$(full)" -ge 1750 ]
check "as many are held as there is room for, the rest are served later" \
	in_time room_is_used_up
check "and counted" [ "$(full)" -ge 2000 ]
check "status says so" grep -q 'no room for new connections' \
	<(lab_ctl status)
finish
