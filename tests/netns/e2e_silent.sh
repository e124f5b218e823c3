#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A machine goes silent: the reserve takes its routes, its clients are told,
# and when it wakes up with its old connections it is cut off from them.
. "$(dirname "$0")/lib.sh"

sleepers() {
	lab_exec b ss -Htn state established '( sport >= :8001 and sport <= :8024 )'
}
# b's server still talks to clients it had: each answer earns it a reset
b_has_no_sleepers() {
	lab_exec b curl -so /dev/null --max-time 1 -d stale \
		"http://127.0.0.1:[9001-9024]/pub"
	[ -z "$(sleepers)" ]
}
quarantined_or_back() { node_is b 'quarantined|reserve|active'; }

begin "a b c d" "reserve = 1;"
join a d
eventually "the second node waits in reserve" node_is d reserve
join b c
eventually "the others share the routes" spread a=8 b=8 c=8
load_start --subscribers 48 --probes 100
load_say probe on
others=$(routes_of a; routes_of c)
load_say forced silent-b
lab_link b down
eventually "it is declared lost" node_is b lost
eventually "the reserve takes all its routes" spread a=8 d=8 c=8
check "no other route moved" [ "$others" = "$(routes_of a; routes_of c)" ]
eventually "its idle clients are told, and are back" \
	load_is '.broken == 16 and .back == 16'
check "every door leads to the node of the table" doors_agree
load_say end
check "no newcomer was refused" incident silent-b '.connect_failed == 0'
check "no newcomer waited for a retransmission" \
	incident silent-b '.connect_max_ms < 2000'
check "half of those told sit behind the home router" \
	incident silent-b '.home_broken == 8'
check "they are told as fast as the others" \
	incident silent-b ".home_broken_last_ms > 0 and
		.home_broken_last_ms - .broken_first_ms < 100 * $HALO_SLOW"
check "its server still believes in them" [ -n "$(sleepers)" ]
lab_link b up
eventually "it returns, and waits" quarantined_or_back
eventually "what it kept of its old connections is reset" b_has_no_sleepers
check "its clients' doors lead elsewhere" doors_agree
load_quit
finish
