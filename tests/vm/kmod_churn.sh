#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halo.ko comes and goes while packets fly: loaded and unloaded CHURN (200)
# times, namespaces deleted with their tables, flows ended all the while.
. "$(dirname "$0")/kmod_lib.sh"

[ -e "$KO" ] || { skip "halo.ko comes and goes" "it is not built"; exit 0; }
readonly CHURN=${CHURN:-200}

# Datagrams to a door, answers back, and SYNs, until its file is gone.
traffic() {
	while [ -e "$LAB_DIR/traffic" ]; do
		lab_exec client bash -c "for i in {1..40}; do
			echo x >/dev/udp/$VIP/$((7001 + RANDOM % 24))
			echo x >/dev/udp/$VIP6/$((7001 + RANDOM % 24))
			done; timeout 0.2 bash -c '</dev/tcp/$VIP/8001'"
	done >/dev/null 2>&1
}
once() {
	module_load && write_table 1 >/dev/null || return
	tool end tag=11 && tool change from=1 version=1 \
		"$(seat 1 $((20 + RANDOM % 100)) b)"
	module_unload
}
churn() {
	local i
	for ((i = 0; i < CHURN; i++)); do
		once || { echo "  failed at $i"; return 1; }
	done
}
# a namespace of its own, whose table goes with it
vanish() {
	local ns=$LAB-gone
	ip netns add "$ns" && ip -n "$ns" link set lo up &&
		ip -n "$ns" addr add 198.18.9.1/24 dev lo || return
	# shellcheck disable=SC2086
	ip netns exec "$ns" "$TOOL" begin version=1 routes=24 seats=4 \
		vip4=198.18.9.1 service=dns,udp,7001 + \
		add seat=1,5,198.18.9.2 run=1,24,1 + commit || return
	ip netns exec "$ns" bash -c 'for i in {1..2000}; do
		echo x >/dev/udp/198.18.9.1/7005; done' >/dev/null 2>&1 &
	ip netns del "$ns"
	wait $!
}
all_vanish() {
	local i
	for ((i = 0; i < 10; i++)); do
		vanish || return
	done
}

plane_begin
touch "$LAB_DIR/traffic"
traffic &
traffic &
check "it is loaded and unloaded $CHURN times under traffic" churn
check "it is gone" not module_there
check "and loads again" module_load
check "namespaces are deleted with a table each, packets on their way" \
	all_vanish
check "a table is written" write_table 1
rm -f "$LAB_DIR/traffic"
wait
check "and carries" greets "$VIP" 8013 b
check "it unloads with flows" module_unload
finish
