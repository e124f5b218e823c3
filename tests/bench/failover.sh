#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Failover as the clients see it, nfqueue plane: the worst of RUNS (10), each
# on a cluster of its own, counted from the moment before the command that
# cuts the cable or kills the server is run. 200 idle SSE subscribers on the
# node that dies, 200 new connections a second. A run in which the other node
# was declared dead too (the machine stood still) is counted and repeated.
#
#   name value unit, a line a figure
set -u
cd "$(dirname "$0")/../.." || exit 1
LAB=halobench$$
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/$LAB.XXXXXX")
. scripts/lab
readonly RUNS=${RUNS:-10}

give_up() {
	echo "failover: $*" >&2
	tail -n 20 "$LAB_DIR"/*.log >&2
	exit 1
}

# One node serves all, the other waits in reserve.
start_cluster() {
	rm -f "$LAB_DIR"/halod.db*
	lab_halod_start || give_up "halod does not start"
	lab_agent_start a
	lab_wait 10 spread a=24 || give_up "a gets no routes"
	lab_agent_start b
	lab_wait 10 node_is b reserve || give_up "b is not in reserve"
	load_start --subscribers 200 --probes 200 ||
		give_up "the subscribers do not connect"
	load_say probe on
	lab_wait 2 load_is '.probes > 50'
}

stop_cluster() {
	load_say quit
	wait "$LOAD_PID" 2>/dev/null
	lab_kill agent-a
	lab_kill agent-b
	lab_kill halod
}

# how often the node that was left alone was declared dead
false_deaths() {
	lab_ctl -j history | jq '[.events[]
		| select(.kind == "lost" and .node == "b")] | length'
}

# fault NAME COMMAND: run it under load; prints the incident, unless this
# machine stood still for so long that the other node seemed dead as well
fault() {
	load_say "forced $1 : $2"
	lab_wait 15 load_is '.broken >= 200 and .connected == 200' ||
		give_up "subscribers do not return ($1)"
	sleep 1.2 # a newcomer whose SYN was lost sends it again after 1 s
	load_say end
	lab_wait 2 grep -q '"incident"' "$LAB_DIR/load.json"
	grep '"incident"' "$LAB_DIR/load.json" >&2
	if [ "$(false_deaths)" -gt 0 ]; then
		echo "$1" >>"$LAB_DIR/disturbed"
	else
		grep '"incident"' "$LAB_DIR/load.json"
	fi
}

# repeat CMD: until RUNS of it were undisturbed, or as many were not
repeat() {
	local done=0 run
	: >"$LAB_DIR/disturbed"
	while [ "$done" -lt "$RUNS" ] &&
		[ "$(wc -l <"$LAB_DIR/disturbed")" -le "$RUNS" ]; do
		run=$("$1") || return
		[ -z "$run" ] || done=$((done + 1))
		printf '%s\n' "$run"
	done
}

# without the connections it believes it still has
restart_server() {
	lab_server_kill a 2>/dev/null # may be dead already
	lab_wait 5 not lab_answers a
	lab_server_start a || give_up "nginx does not start again"
}

run_silent() {
	start_cluster >&2
	fault silent "ip -n $(lab_ns gateway) link set port-a down"
	stop_cluster >&2
	lab_link a up
	restart_server
}

run_killed() {
	start_cluster >&2
	fault killed "$(lab_server_killer a)"
	stop_cluster >&2
	restart_server
}

# worst FIGURE MEMBER UNIT: of the incidents on stdin
worst() {
	jq -rs --arg name "$1" --arg unit "$3" \
		"\"\\(\$name) \\(map(.$2) | max) \\(\$unit)\""
}

figures() {
	local suffix=$1 silent killed
	lab_conf 'reserve = 1;'
	silent=$(repeat run_silent) || exit
	echo "nfqueue_failover_disturbed_runs$suffix" \
		"$(wc -l <"$LAB_DIR/disturbed") count"
	killed=$(repeat run_killed) || exit
	worst "nfqueue_failover_newconn_max_ms$suffix" connect_max_ms ms \
		<<<"$silent"
	worst "nfqueue_failover_newconn_failed$suffix" connect_failed count \
		<<<"$silent"
	worst "nfqueue_failover_idle_reset_max_ms$suffix" broken_last_ms ms \
		<<<"$silent"
	worst "nfqueue_server_kill_reset_max_ms$suffix" broken_last_ms ms \
		<<<"$killed"
	worst "nfqueue_server_kill_refused$suffix" connect_failed count \
		<<<"$killed"
}

# The longest wait of a new connection while half of the routes move, with
# clients that are told.
handover() {
	lab_conf
	lab_consumer_start a
	lab_halod_start || give_up "halod does not start"
	lab_agent_start a
	lab_wait 10 spread a=24 || give_up "a gets no routes"
	load_start --subscribers 200 --probes 200 ||
		give_up "the subscribers do not connect"
	load_say probe on
	load_say planned join
	lab_agent_start b
	lab_wait 10 spread a=12 b=12 || give_up "b does not join"
	lab_wait 10 all_back || give_up "subscribers do not return"
	load_say end
	lab_wait 2 grep -q '"incident"' "$LAB_DIR/load.json"
	grep '"incident"' "$LAB_DIR/load.json"
	stop_cluster >&2
}

trap lab_down EXIT
trap 'exit 130' INT TERM
lab_up a b && lab_keys a b || give_up "the lab cannot be made"
lab_server_start a && lab_server_start b || give_up "nginx does not start"
LAB_PROFILE=fast figures ''
LAB_PROFILE=default figures _default
rm -f "$LAB_DIR"/halod.db*
LAB_PROFILE=default handover | worst handover_max_ms connect_max_ms ms
