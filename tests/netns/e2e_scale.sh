#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A crowd of agents, all in one process: it connects at once, and comes back at
# once after a restart of halod.
. "$(dirname "$0")/lib.sh"
[ -e tests/bench/scale/swarm.sh ] || {
	echo "skip - $(basename "$0"): the guest of scripts/vm has no swarm"
	exit 0
}
. tests/bench/scale/swarm.sh
readonly crowd=512

all_are_in() { [ "$(said joined)" = "$crowd" ] && [ "$(said refused)" = 0 ]; }
nobody_is_lost() { [ "$(said up)" = "$crowd" ] && [ "$(said lost)" = 0 ]; }

[ "$(id -u)" -eq 0 ] || {
	echo "skip - $(basename "$0"): needs root for namespaces"
	exit 0
}
trap lab_down EXIT
trap 'exit 130' INT TERM
ulimit -n 4096
lab_up a || give_up "the lab cannot be made"
lab_keys 'n*'
LAB_AGENTS='interval = "400 ms";' lab_conf
sed -i 's|"198.19.0.0/24"|"198.19.0.0/16"|' "$LAB_DIR/halod.conf"
lab_halod_start || give_up "halod does not start"
swarm_start "$crowd"

swarm join 30
check "agents that connect at once are all admitted" all_are_in
swarm stay 1
check "and none of them is lost" nobody_is_lost
swarm park
lab_kill halod KILL
lab_halod_start || give_up "halod does not start again"
swarm join 30
check "after a restart they are all admitted at once" all_are_in
swarm_stop
finish
