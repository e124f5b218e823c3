# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thousands of agents in a lab (swarm.c says what they can be told). Sourced
# after scripts/lab by who has a give_up().

# swarm_start COUNT: agents n0 … in the namespace of node a; `lab_keys 'n*'`
swarm_start() {
	coproc SWARM { lab_exec a "$HALO_TOOLS/tests/bench/scale/swarm" \
		"$AGENTS" "$LAB_DIR/keys/n*" n "$1" \
		2>>"$LAB_DIR/swarm.log"; }
	SWARM_IN=${SWARM[1]} SWARM_OUT=${SWARM[0]}
	swarm_pid=$SWARM_PID
}

# swarm COMMAND…: its answer; also in $answer
swarm() {
	echo "$*" >&"$SWARM_IN"
	read -r -t 600 answer <&"$SWARM_OUT" || give_up "no answer to $*"
	echo "swarm: $*: $answer" >&2
}

# of the last answer
said() { sed -n "s/.*\\b$1=\\([0-9.-]*\\).*/\\1/p" <<<"$answer"; }

swarm_stop() {
	exec {SWARM_IN}>&-
	wait "$swarm_pid"
}
