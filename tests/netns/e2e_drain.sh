#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nodes leave on purpose: drained by the operator, or ended by SIGTERM.
. "$(dirname "$0")/lib.sh"

begin "a b c"
join a b c
eventually "three nodes share the routes" spread a=8 b=8 c=8
load_start --subscribers 48 --interval 50 --probes 100
load_say publish on
load_say probe on
load_say planned drain-b
check "a drain is accepted" lab_ctl node drain b
eventually "the highest slot takes the drained node's place" \
	spread a=12 c=12
eventually "it is told drained" node_is b drained
eventually "all subscribers are back" all_back
check "every door leads to the node of the table" doors_agree
load_say planned undrain-b
check "it may come back" lab_ctl node undrain b
eventually "it gets routes again" spread a=8 b=8 c=8
eventually "all subscribers are back" all_back
load_say end
load_quit
check "no message was lost" load_sum '.lost == 0 and .expected > 200'
check "no newcomer was refused" \
	load_sum '.probe_failures == 0 and .probes > 20'
lab_kill agent-c
eventually "a node that says goodbye leaves at once" spread a=12 b=12
lab_agent_start c --wish reserve
eventually "it comes back into the reserve" node_is c reserve
check "a replacement is rehearsed" \
	jq -e '.moved == 12 and .moves[0].to == "c"' \
	<(lab_ctl -j node replace a c --dry-run)
check "a node in reserve replaces another" lab_ctl node replace a c
eventually "its routes and no others move" spread b=12 c=12
eventually "the former one is drained" node_is a drained
check "every door leads to the node of the table" doors_agree
check "a report is gathered" \
	lab_ctl report "$LAB_DIR/report.txt" --config "$LAB_DIR/halod.conf"
reports() { grep -q "$1" "$LAB_DIR/report.txt"; }
check "with the nodes" reports '"name": "c"'
check "with the history on disk" reports 'moved from=a to=c .*drain\|replacement'
check "without a key" not grep -qFf "$LAB_DIR/keys/a" "$LAB_DIR/report.txt"
check "an unknown node is not found (exit 4)" \
	exits_with 4 lab_ctl node drain nobody
finish
