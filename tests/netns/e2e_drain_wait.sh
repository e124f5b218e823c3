#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a drain waits for: connections that handover = keep lets live on are
# counted down, by route; the wait ends with the last of them, or at the
# deadline, which ends what is left. Without keep they end with the switch.
. "$(dirname "$0")/lib.sh"

# hold NAME ROUTE: a client that stays connected
hold() {
	lab_spawn "held-$1" client curl -sNH "Accept: text/event-stream" \
		--interface 198.18.0.1 "http://$VIP:$((8000 + $2))/sub"
}
flows() { lab_ctl -j node show "$1" | jq -e ".nodes[0].flows $2" >/dev/null; }
wait_begin() {
	lab_ctl -j node drain "$@" >"$LAB_DIR/wait.json" 2>"$LAB_DIR/wait.err" &
	WAIT=$!
}
wait_ended() { ! kill -0 "$WAIT" 2>/dev/null; }
wait_exit() {
	wait "$WAIT"
	[ $? -eq "$1" ]
}
said() { jq -es "$1" "$LAB_DIR/wait.json" >/dev/null; }

begin "a b c"
# browsers may stay where they are; the config names it for one service
lab_kill halod
sed -i 's/name = "browser";/& handover = "keep";/' "$LAB_DIR/halod.conf"
lab_halod_start || give_up "halod starts with handover = keep"
join a b
eventually "two nodes share the routes" spread a=12 b=12
hold one 13
hold two 13
hold three 24
eventually "three connections are counted" flows b '== 3'
check "a rehearsal shows them by route" [ "$(lab_ctl -j node drain b --dry-run |
	jq -c .flow_routes)" = \
	'[{"route":13,"flows":2},{"route":24,"flows":1}]' ]
check "as a table, too" grep -q '^ *13  *2$' <(lab_ctl node drain b --dry-run)
wait_begin b --wait --deadline 60s
eventually "the routes leave, the connections stay" spread a=24
eventually "the wait shows what is left" said '.[-1].flows == 3'
lab_kill held-one
eventually "and counts it down" said '.[-1].flows == 2'
check "the node is draining meanwhile" node_is b draining
lab_kill held-two
lab_kill held-three
eventually "with the last of them the wait is over" wait_ended
check "it succeeded (exit 0)" wait_exit 0
check "and said so" said '.[-1] | .state == "drained" and .done'
check "long before the deadline" node_is b drained

check "the node may come back" lab_ctl node undrain b
eventually "and gets routes" spread a=12 b=12
hold four 13
eventually "a connection is there" flows b '== 1'
wait_begin b --wait --deadline 2s
eventually "at the deadline the wait is over" wait_ended
check "successfully" wait_exit 0
eventually "the connection was ended" not lab_alive held-four
eventually "none is left" flows b '== 0'

check "the node may come back" lab_ctl node undrain b
eventually "and gets routes" spread a=12 b=12
hold five 13
eventually "a connection is there" flows b '== 1'
wait_begin b --wait --deadline 60s
eventually "the drain begins" node_is b draining
lab_link b down
eventually "a node that dies meanwhile ends the wait" wait_ended
check "with a failure (exit 1)" wait_exit 1
check "that says why" grep -q 'lost' "$LAB_DIR/wait.err"
lab_link b up
lab_kill held-five KILL
finish
