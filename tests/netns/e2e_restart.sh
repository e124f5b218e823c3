#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod is killed and comes back: table and versions as before, no route
# moves, connections go on.
. "$(dirname "$0")/lib.sh"

not_older() { [ "$(version)" -ge "$1" ]; }

begin "a b c"
join a b c
eventually "three nodes share the routes" spread a=8 b=8 c=8
load_start --subscribers 48 --interval 100 --probes 50
load_say publish on
lab_wait 2 load_is '.published > 24'
lab_ctl -j monitor --since 0 >"$LAB_DIR/monitor.json" 2>/dev/null &
monitor=$!
was=$(owners) version=$(version)
load_say planned restart
lab_kill halod KILL
lab_halod_start || give_up "halod starts again"
check "the table is as it was" [ "$was" = "$(owners)" ]
check "its version did not go backwards" not_older "$version"
eventually "the nodes return" connected a b c
check "history tells the event and how long it took" jq -e \
	'[.events[] | select(.kind == "moved" and .to == "c")][0] |
	.event == "join of c" and .applied_us > 0' \
	<(lab_ctl -j history)
check "no route moved meanwhile" [ "$was" = "$(owners)" ]
check "every door leads to the node of the table" doors_agree
load_say end
check "no subscriber's connection ended" incident restart '.broken == 0'
load_quit
check "no message was lost" load_sum '.lost == 0 and .delivered > 0'
lab_link c down
eventually "a node that dies afterwards is replaced" spread a=12 b=12
saw_all() {
	jq -se 'any(.[]; .notice == "reconnected") and
		([.[].seq | values] | . == [range(1; length + 1)]) and
		any(.[]; .kind == "lost")' "$LAB_DIR/monitor.json"
}
eventually "a monitor goes on over the restart, and misses nothing" saw_all
kill "$monitor"

lab_kill halod
check "a stop leaves the store readable" lab_halod_start
check "with the table of the end" spread a=12 b=12

# The same nodes on a gateway that knows nothing of them.
table=$LAB_DIR/table.json was=$(owners)
lab_ctl table dump >"$table"
version=$(jq .version "$table")
lab_ctl shutdown --flush # no table is left in the kernel either
lab_kill halod
lab_kill agent-a
lab_kill agent-b
rm -f "$LAB_DIR"/halod.db*
lab_halod_start || give_up "a fresh halod starts"
sed 's/"b"/"x"/' "$table" >"$table.bad"
check "a table that was changed on the way is refused" \
	exits_with 1 lab_ctl table load "$table.bad"
check "a table goes to another gateway" lab_ctl table load "$table"
check "with the same owners at once" [ "$was" = "$(owners)" ]
lab_agent_start a
lab_agent_start b
eventually "its nodes come" connected a b
check "and find their routes" [ "$was" = "$(owners)" ]
check "the version went on" not_older "$((version + 1))"
check "every door leads to the node of the table" doors_agree
check "what each loss would move is foreseen" \
	jq -e '[.each[] | .moved] == [12, 12]' \
	<(lab_ctl -j simulate --live --each)
check "a table is not loaded over nodes that serve" \
	exits_with 1 lab_ctl table load "$table"
finish
