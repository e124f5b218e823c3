# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod's part of the failover bench: a lab of two nodes, one serves all, the
# other waits in reserve; runs of one fault each, on a cluster of its own.
# Sourced by ../failover.sh.

readonly FAULT=$HALO_TOOLS/tests/bench/failover/fault
readonly IDLE_FEW=200 IDLE_MANY=10000

# start_cluster SUBSCRIBERS: one node serves all of them
start_cluster() {
	rm -f "$LAB_DIR"/halod.db*
	lab_halod_start || give_up "halod does not start"
	lab_agent_start a
	lab_wait 10 spread a=24 || give_up "a gets no routes"
	lab_agent_start b
	lab_wait 10 node_is b reserve || give_up "b is not in reserve"
	# browsers wait some seconds before they come back
	load_start --subscribers "$1" --probes "$NEWCOMERS" --away 1000 ||
		give_up "the subscribers do not connect"
	load_say probe on
	lab_wait 2 load_is ".probes > $NEWCOMERS / 4"
}

stop_cluster() {
	load_stop
	wait "$LOAD_PID" 2>/dev/null
	lab_kill agent-a KILL
	lab_kill agent-b KILL
	lab_ctl shutdown --flush >/dev/null
	lab_wait 5 not lab_alive halod
	lab_kill halod
}

# how often the node that was left alone was declared dead
false_deaths() {
	lab_ctl -j history | jq '[.events[]
		| select(.kind == "lost" and .node == "b")] | length'
}

# Of SYNs by the clients, as their kernel counts.
syn_retransmits() {
	lab_exec client nstat -asz TcpExtTCPSynRetrans |
		awk '/TCPSynRetrans/ { print $2 }'
}

settled() { load_is ".broken >= $1 and .probes_waiting == 0"; }
now_waiting() {
	load_is true
	grep '"second"' "$LAB_DIR/load.json" | tail -n 1 | jq .probes_waiting
}

# strike FAULT-COMMAND SUBSCRIBERS SECONDS: and wait until all have been told
# and nobody waits for an answer, not longer than that; prints the incident
strike() {
	local before unanswered
	before=$(syn_retransmits)
	load_say "forced fault : $1"
	sleep 0.2 # who connects into the dead node is one who waits by then
	lab_wait "$3" settled "$2"
	unanswered=$(now_waiting)
	load_say end
	lab_wait 2 grep -q '"incident"' "$LAB_DIR/load.json"
	grep '"incident"' "$LAB_DIR/load.json" | jq -c ". + {idle: $2,
		unanswered: $unanswered,
		syn_retransmits: ($(syn_retransmits) - $before)}"
}

# without the connections it believes it still has
restart_server() {
	lab_server_kill a 2>/dev/null # may be dead already
	lab_wait 5 not lab_answers a
	lab_server_start a || give_up "nginx does not start again"
}

fault_silent() { echo "$FAULT cut $(lab_ns gateway) port-a"; }
fault_killed() {
	local master
	master=$(lab_pid nginx-a)
	echo "$FAULT kill $master $(lab_children "$master")"
}

# one_run silent|killed SUBSCRIBERS: the incident; nothing when this machine
# stood still for so long that the other node seemed dead as well
one_run() {
	local incident
	start_cluster "$2" >&2
	incident=$(strike "$("fault_$1")" "$2" "$PATIENCE")
	echo "$1 $HALO_PLANE $LAB_PROFILE $incident" >&2
	if [ "$(false_deaths)" -gt 0 ]; then
		echo "disturbed: node b was declared dead too" >&2
		echo "$1" >>"$LAB_DIR/disturbed"
	else
		echo "$incident"
	fi
	stop_cluster >&2
	lab_link a up
	restart_server >&2
}

# runs COUNT silent|killed SUBSCRIBERS: until so many were undisturbed, or as
# many were not
runs() {
	local count=$1 done=0 run
	: >"$LAB_DIR/disturbed"
	while [ "$done" -lt "$count" ] &&
		[ "$(wc -l <"$LAB_DIR/disturbed")" -le "$count" ]; do
		run=$(one_run "${@:2}") || return
		[ -z "$run" ] || done=$((done + 1))
		printf '%s\n' "$run"
	done
}

# worst NAME EXPRESSION UNIT: the largest of the incidents on stdin
worst() {
	jq -rs --arg name "$1" --arg unit "$3" \
		"\"\\(\$name) \\(map($2) | max) \\(\$unit)\""
}
