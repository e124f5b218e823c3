#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The server dies under a living agent: a loss. The agent dies beside a living
# server: nothing happens. Both die: a loss.
. "$(dirname "$0")/lib.sh"

begin "a b" "hold-down = \"1s\";" "rejoin = \"$((4 * HALO_SLOW))s\";"
join a b
eventually "two nodes share the routes" spread a=12 b=12
load_start --subscribers 48 --interval 50 --probes 100
load_say publish on
load_say probe on

load_say planned agent
was=$(owners) tag=$(tag_of b)
lab_kill agent-b KILL
eventually "the agent's end is noticed" not connected b
check "its node stays, its routes stay" [ "$was" = "$(owners)" ]
lab_agent_start b
eventually "the agent comes back" connected b
check "and resumes the same life" [ "$tag" = "$(tag_of b)" ]
check "its routes had not moved" [ "$was" = "$(owners)" ]
load_say end
check "no client noticed" \
	incident agent '.broken == 0 and .connect_failed == 0'

load_say forced server
lab_server_kill b
eventually "a killed server is a loss" spread a=24
eventually "its clients are told, and are back" \
	load_is '.broken == 24 and .back == 24'
load_say end
lab_server_start b
eventually "the server back, so is the node" spread a=12 b=12
eventually "all subscribers are back" all_back
load_quit
check "no message was lost outside the loss" load_sum '.lost == 0'

lab_server_kill b
lab_kill agent-b KILL
eventually "agent and server dead: a loss" spread a=24
check "every door leads to the node of the table" doors_agree
finish
