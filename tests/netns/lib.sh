# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the end-to-end tests share: a lab of their own, questions to the
# cluster, and a line a test. Sourced; conditions are polled with a deadline.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
LAB=e2e$$
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/halo-$LAB.XXXXXX")
. scripts/lab
passed=0 failed=0 skipped=0

# Forced moves, restarts and detection at the default profile fit into this.
readonly SOON=10

# Figures are the bench's. A test only holds what is done at once apart from
# what waits for a retransmission (1 s), so a busy machine has six times longer.
readonly BUSY=$((HALO_SLOW > 1 ? HALO_SLOW : 6))
# within_ms FROM_US TO_US MS
within_ms() {
	[ -n "$1" ] && [ -n "$2" ] &&
		[ $((($2 - $1) / 1000)) -lt $(($3 * BUSY)) ]
}

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

exits_with() {
	"${@:2}" >/dev/null 2>&1
	[ $? -eq "$1" ]
}

show_logs() {
	local log
	for log in "$LAB_DIR"/*.log "$LAB_DIR/load.json"; do
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
		lab_consumer_start "$node"
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
