#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# When routes leave a node its agent ends exactly their connections there,
# before the gateway switches; the others are not touched. With
# --no-end-sockets, or without the capability, the gateway's resets do it.
. "$(dirname "$0")/lib.sh"

# sockets NODE FIRST LAST: accepted at these routes' doors from elsewhere
sockets() {
	lab_exec "$1" ss -Htn state established \
		"( sport >= $((8000 + $2)) and sport <= $((8000 + $3)) )" \
		"or ( sport >= $((9000 + $2)) and sport <= $((9000 + $3)) )" |
		awk '!/127.0.0.1/ { print $(NF - 1), $NF }' | sort
}
none_left() { [ -z "$(sockets "$@")" ]; }
ended_by() { grep -q 'connections ended' "$LAB_DIR/agent-$1.log"; }

begin "a b c"
lab_agent_start a --check tcp:9001,interval=50ms
eventually "the first node gets all routes" spread a=24
load_start --subscribers 96
stayed=$(sockets a 1 12)
lab_spawn local a curl -sNH "Accept: text/event-stream" \
	http://127.0.0.1:8020/sub
join b
eventually "the second node gets the upper half" spread a=12 b=12
check "no connection of a moved route is left on the node" none_left a 13 24
check "those of routes that stay are the same as before" \
	[ "$stayed" = "$(sockets a 1 12)" ]
check "there were some of both" [ -n "$stayed" ]
check "it was the agent who ended them" ended_by a
check "a client on the node itself was left alone" lab_alive local
eventually "all subscribers are back" all_back
lab_kill local

lab_kill agent-a KILL
lab_spawn agent-a a setpriv --bounding-set -all --inh-caps -all \
	"$HALO_BUILD/halo-agent" --gateway "$AGENTS" --name a \
	--key "$LAB_DIR/keys/a" --events "$LAB_DIR/agent-a.sock" \
	--address "$(lab_addr a)" --address "$(lab_addr6 a)" --check listen:8001
eventually "its agent is back, without capabilities" connected a
check "which it says once" [ "$(grep -c 'CAP_NET_ADMIN' \
	"$LAB_DIR/agent-a.log")" = 1 ]
lab_kill agent-b KILL
lab_agent_start b --no-end-sockets
eventually "and that of b, told not to end any" connected b
before=$(grep -c 'connections ended' "$LAB_DIR"/agent-[ab].log)
join c
eventually "the third node gets its routes" spread a=8 b=8 c=8
eventually "all subscribers are back" all_back
eventually "the gateway's resets ended the connections on a" none_left a 9 12
eventually "and on b" none_left b 21 24
check "no agent did" [ "$before" = \
	"$(grep -c 'connections ended' "$LAB_DIR"/agent-[ab].log)" ]
load_say end
load_quit
finish
