#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One agent, two halods: both know the node, a dead one concerns only itself,
# and a goodbye is said to both.
. "$(dirname "$0")/lib.sh"
LAB_OTHER=$GATEWAY:7461

# the second: a table of its own that it only keeps in mind, same keys
other_start() {
	(
		AGENTS=$LAB_OTHER CONTROL=$LAB_DIR/other.sock HALO_PLANE=null
		lab_conf
		sed "s|$LAB_DIR/halod.db|$LAB_DIR/other.db|" \
			"$LAB_DIR/halod.conf" >"$LAB_DIR/other.conf"
	)
	lab_conf
	lab_spawn other gateway "$HALO_BUILD/halod" -c "$LAB_DIR/other.conf"
	lab_wait 10 other_ctl -j status
}
other_ctl() { "$HALO_BUILD/haloctl" -s "$LAB_DIR/other.sock" "$@"; }
other_is() { (CONTROL=$LAB_DIR/other.sock && node_is a "$1"); }
lost() { grep -c "gateway-lost gateway=$1" "$LAB_DIR/agent-a.log"; }

begin a
other_start || give_up "a second halod starts"
lab_agent_start a --gateway "$LAB_OTHER"
eventually "the first gateway has the node" node_is a active
eventually "so has the second" other_is active
check "each tells of its own routes" \
	[ "$(grep -oE 'assigned gateway=[^ ]+' "$LAB_DIR/agent-a.log" |
		sort -u | wc -l)" = 2 ]
lab_kill other KILL
eventually "the second one's death is told" grep -q "gateway-lost gateway=$LAB_OTHER" \
	"$LAB_DIR/agent-a.log"
check "the first one goes on with the node" node_is a active
check "and was never lost" [ "$(lost "$AGENTS")" = 0 ]
rm -f "$LAB_DIR/other.pid"
lab_spawn other gateway "$HALO_BUILD/halod" -c "$LAB_DIR/other.conf"
reconnected() {
	[ "$(grep -c "connected gateway=$LAB_OTHER" \
		"$LAB_DIR/agent-a.log")" -ge 2 ]
}
eventually "the second one is found again" reconnected
eventually "and has the node" other_is active
lab_kill agent-a
eventually "a goodbye is said to the first" \
	grep -q 'goodbye' <(lab_ctl history)
eventually "and to the second" grep -q 'goodbye' <(other_ctl history)
lab_kill other
finish
