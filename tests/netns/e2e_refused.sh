#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A door that refuses has its node looked at before the client hears of it: the
# refusals of a server that was killed reach nobody, those of a door at which
# nobody listens reach everybody.
. "$(dirname "$0")/lib.sh"

# packets REASON: how many the plane has counted
packets() {
	lab_ctl -j stats | jq --arg reason "$1" \
		'.. | objects | select(.reason? == $reason).count'
}
# all that were held have been decided upon
none_is_held() {
	local held
	held=$(packets refusal-held)
	[ "$held" -gt 0 ] && [ "$held" -eq $(($(packets refusal-averted) + \
		$(packets refusal-passed))) ]
}

export LAB_SERVICES='{ name = "nobody"; listen = 7001; }'
begin "a b" "reserve = 1;"
join a b
eventually "one node serves all, the other waits" spread a=24

check "a door at which nobody listens refuses" \
	exits_with 7 lab_exec client curl -s --max-time "$HALO_SLOW" \
	"http://$VIP:7001/"
check "its refusal had waited for a look at the node" \
	[ "$(packets refusal-held)-$(packets refusal-passed)" = 1-1 ]
eventually "the node is well and keeps its routes" spread a=24

load_start --subscribers 200 --probes 500
load_say probe on
eventually "500 clients a second connect" load_is '.probes > 250'
load_say forced server
lab_server_kill a
eventually "a killed server is a loss" spread b=24
eventually "its subscribers are back" load_is '.back == 200'
load_say end
eventually "it has refused some" none_is_held
title="no client has heard of it"
if [ "$HALO_SLOW" -eq 1 ]; then
	check "$title" [ "$(packets refusal-passed)" -eq 1 ]
else
	skip "$title" "a refusal waits 250 ms, on a slow machine as well"
fi
check "none waited longer than for a retransmission" \
	incident server ".connect_max_ms < 1000 * $HALO_SLOW"
load_quit
finish
