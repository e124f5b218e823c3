# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the end-to-end tests share: a lab of their own, questions to the
# cluster, and a line a test. Sourced; conditions are polled with a deadline.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
LAB=e2e$$
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/halo-$LAB.XXXXXX")
. scripts/lab
HALO_TOOLS=$(realpath -m "${HALO_TOOLS:-$HALO_BUILD}")
passed=0 failed=0 skipped=0

# Forced moves, restarts and detection at the default profile fit into this.
readonly SOON=10

# check TITLE CMD…: a test
check() {
	local title=$1
	shift
	if "$@"; then
		echo "ok - $title"
		passed=$((passed + 1))
	else
		echo "not ok - $title"
		echo "  failed: $*"
		failed=$((failed + 1))
	fi
}

# eventually TITLE CMD…: the same, once CMD succeeds within SOON
eventually() {
	check "$1" lab_wait "$SOON" "${@:2}"
}

skip() {
	echo "skip - $1: $2"
	skipped=$((skipped + 1))
}

not() { ! "$@"; }

exits_with() {
	"${@:2}" >/dev/null 2>&1
	[ $? -eq "$1" ]
}

show_logs() {
	local log
	for log in "$LAB_DIR"/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/}"
		tail -n 25 "$log"
	done
}

# Ends the lab, says the sum; what a sanitizer wrote fails the run.
finish() {
	local name
	trap - EXIT
	load_stop
	for name in "$LAB_DIR"/agent-*.pid "$LAB_DIR"/halod.pid; do
		[ -e "$name" ] && lab_kill "$(basename "$name" .pid)"
	done
	check "no program was found at fault by a sanitizer" \
		not grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' \
		"$LAB_DIR"/*.log
	[ "$failed" -eq 0 ] || show_logs
	lab_down
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

give_up() {
	failed=$((failed + 1))
	echo "not ok - $*"
	finish
}

# begin NODES [SETTING…]: the lab, its keys, servers, and halod
begin() {
	local nodes=$1 node
	shift
	if [ "$(id -u)" -ne 0 ]; then
		echo "skip - $(basename "$0"): needs root for namespaces"
		echo "0 passed, 0 failed, 1 skipped"
		exit 0
	fi
	trap lab_down EXIT
	trap 'exit 130' INT TERM
	# shellcheck disable=SC2086 # one node a word
	lab_up $nodes && lab_keys $nodes || give_up "the lab comes up"
	lab_conf "$@"
	for node in $nodes; do
		lab_server_start "$node" || give_up "nginx starts on $node"
	done
	lab_halod_start || give_up "halod starts"
}

# join NODE…: one after the other, each until it is known
join() {
	local node
	for node in "$@"; do
		lab_agent_start "$node"
		lab_wait "$SOON" node_is "$node" 'active|reserve' ||
			give_up "$node joins"
	done
}

# Questions to the cluster.
node_state() {
	lab_ctl -j node list |
		jq -r --arg n "$1" '.nodes[] | select(.name == $n) | .state'
}
node_is() { [[ "$(node_state "$1")" =~ ^($2)$ ]]; }

# is the agent of each connected
connected() {
	local node
	for node in "$@"; do
		lab_ctl -j node show "$node" | jq -e '.node.connected' || return
	done
}
tag_of() { lab_ctl -j node show "$1" | jq -r '.node.tag'; }

owners() { lab_ctl -j route list | jq -r '.routes[].node // "-"'; }
owner() { owners | sed -n "$1p"; }
routes_of() { owners | awk -v n="$1" '$1 == n { print NR }'; }
version() { lab_ctl -j status | jq -r .version; }

# spread a=12 b=12: that many routes each, none elsewhere, none moving
spread() {
	local want
	want=$(printf '%s\n' "$@" | sort)
	[ "$(owners | sort | uniq -c | awk '{ print $2 "=" $1 }')" = "$want" ] &&
		not moving
}
moving() {
	lab_ctl -j route list | jq -e '[.routes[] | select(.to)] != []'
}

# What a client sees: which node answers a door.
answer() {
	lab_exec client curl -gs --max-time 3 "http://${2:-$VIP}:$1/"
}
# every door of both services is answered by the node the table names
doors_agree() {
	local route=0 node
	while read -r node; do
		route=$((route + 1))
		[ "$(answer $((8000 + route)) "${1:-$VIP}")" = "$node" ] &&
			[ "$(answer $((9000 + route)) "${1:-$VIP}")" = "$node" ] ||
			return 1
	done < <(owners)
}

# The clients' load (tests/demo/halo_load.c), as a coprocess.
load_start() {
	coproc LOAD { lab_exec client "$HALO_TOOLS/tests/demo/halo_load" \
		--vip "$VIP" --source 198.18.0.1 --sources 8 "$@" \
		2>>"$LAB_DIR/load.log" | tee "$LAB_DIR/load.json"; }
	LOAD_IN=${LOAD[1]}
	lab_wait "$SOON" load_is '.connected == .subscribers' ||
		give_up "all subscribers connect"
}
load_say() { echo "$*" >&"$LOAD_IN"; }
# the latest line it wrote, judged by a jq expression
load_is() {
	[ -s "$LAB_DIR/load.json" ] &&
		grep '"second"' "$LAB_DIR/load.json" | tail -n 1 | jq -e "$1"
}
# the line about an incident, judged
incident() {
	lab_wait 2 grep -q "\"incident\":\"$1\"" "$LAB_DIR/load.json"
	grep "\"incident\":\"$1\"" "$LAB_DIR/load.json" | jq -e "$2"
}
# ends the load; its summary is judged by load_sum
load_quit() {
	load_say quit
	lab_wait 10 grep -q '"summary"' "$LAB_DIR/load.json"
}
load_sum() { grep '"summary"' "$LAB_DIR/load.json" | jq -e "$1"; }
load_stop() {
	[ -z "${LOAD_PID:-}" ] || kill "$LOAD_PID" 2>/dev/null
}
