#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod takes another configuration over while clients come and go: what has not
# changed goes on, what has is in force, and what cannot be is refused.
. "$(dirname "$0")/lib.sh"

conf=$LAB_DIR/halod.conf
reload() { lab_ctl config reload; }
change() { sed -i "$1" "$conf"; }
refused() { reload 2>&1 | grep -qE "$1"; }
welcomed() { grep -q 'welcome' "$LAB_DIR/agent-$1.log"; }
# what a client gets from a port
door() {
	lab_exec client curl -s --max-time "$HALO_SLOW" "http://$VIP:$1/"
}
serves() { [ -n "$(door "$1")" ]; }
degraded() { lab_ctl -j status | jq -r '.degraded[]' | grep -q "$1"; }
routes_left() { [ -n "$(routes_of "$1")" ]; }
reload_often() {
	local i
	for i in 1 2 3 4 5 6 7; do
		change 's/^settle = .*/settle = "'"$i"'00 ms";/'
		change 's/"extra"; listen = [0-9]*/"extra"; listen = 9'"$((3 + i % 2))"'01/'
		reload >/dev/null || return
	done
}

LAB_SERVICES='{ name = "extra"; listen = 9301; }' begin "a b c" \
	'settle = "500 ms";' 'reserve = 0;'
join a b c
eventually "three nodes share the routes" spread a=8 b=8 c=8
load_start --subscribers 96 --interval 100 --probes 100
load_say publish on
load_say probe on
lab_wait 2 load_is '.probes > 50'
tags=$(tag_of a)$(tag_of b)$(tag_of c)
load_say planned reload
check "it is taken over again and again under load" reload_often
change 's/profile = "default";/interval = "50 ms";/'
check "so is another interval" reload
lab_wait 3 load_is '.probes > 200'
load_say end
check "no connection ended, none was refused" incident reload \
	'.broken == 0 and .connect_failed == 0'
check "none waited for a retransmission" incident reload \
	".connect_max_ms < $((150 * BUSY))"
check "no node has another life" [ "$tags" = \
	"$(tag_of a)$(tag_of b)$(tag_of c)" ]
check "no agent had to connect again" not grep -qE 'agent away|agent lost' \
	"$LAB_DIR/halod.log"

check "a door of a service that is gone is shut" not serves 9301
load_say forced both
lab_link c down
change 's/^reserve = .*/reserve = 1;/'
check "a reload during a loss is done" reload
eventually "and so is the loss" spread a=12 b=12
lab_wait 10 all_back
load_say end
lab_link c up

cp "$conf" "$LAB_DIR/good"
change 's/^\s*routes = 24/routes = 48/; s/^reserve = .*/reserve = -1;/'
check "an error is told with its line" refused 'halod.conf:[0-9]+: reserve: -1'
change 's/^reserve = .*/reserve = 0;/'
check "so is what cannot change" refused \
	'halod.conf:1: routes: cannot go from 24 to 48'
check "status says that the file is not in force" degraded 'not in force'
rm "$conf"
check "a file that has vanished is told" refused 'No such file'
cp "$LAB_DIR/good" "$conf"
check "a good file is taken over" reload
check "and status is content" not degraded 'not in force'
lab_wait "$SOON" node_is c 'reserve|active|quarantined'
rm "$LAB_DIR/keys/b"
check "without a node's key" reload
eventually "the node is lost at once" node_is b lost
check "by its key" grep -q 'key revoked' "$LAB_DIR/halod.log"
eventually "and its routes are another's" not routes_left b
load_quit
check "no message was lost" load_sum '.lost == 0 and .delivered > 0'
finish
