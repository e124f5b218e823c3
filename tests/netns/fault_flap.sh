#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A node dies and returns every two seconds, five times. It is kept out for
# longer each time; the nodes that are well, their routes and their clients are
# left in peace, and history tells it.
. "$(dirname "$0")/lib.sh"

history_of() { # KIND EXPRESSION
	lab_ctl -j history --node b | jq -c --arg kind "$1" \
		"[.events[] | select(.kind == \$kind)] | $2"
}

export LAB_AGENTS="interval = \"$((100 * HALO_SLOW)) ms\"; miss = 4;"
begin "a b c" 'reserve = 1;' 'hold-down = "300 ms";' 'hold-down-max = "5 s";'
join a c
eventually "one node serves, one waits" spread a=24
join b
eventually "a second one serves" spread a=12 b=12
mine=$(routes_of a)
load_start --subscribers 48 --interval 100
load_say publish on
load_say forced flapping
for turn in 1 2 3 4 5; do
	lab_link b down
	sleep 1
	[ "$turn" -ne 1 ] || settled=$(version)
	lab_link b up
	sleep 1
done
load_say end
check "the reserve has its routes since the first time" spread a=12 c=12
check "no other has moved" [ "$mine" = "$(routes_of a)" ]
check "and none once more" [ "$(version)" -le $((settled + 1)) ]
check "its own clients were told, no others" \
	incident flapping '.broken == 24 and .back == 24'
check "history tells of its deaths" [ "$(history_of lost length)" -ge 2 ]
check "it was kept out for twice as long each time" [ "$(history_of quarantined \
	'map(.ms) | length >= 2 and . == sort and first <= 300 and
		last >= 2 * first')" = true ]
eventually "in the end it waits in reserve" node_is b reserve
load_quit
finish
