#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halo.ko comes and goes while packets fly: loaded and unloaded CHURN (10; 200
# take a slow guest minutes) times, namespaces deleted with their tables, flows
# ended all the while.
. "$(dirname "$0")/kmod_lib.sh"

[ -e "$KO" ] || { skip "halo.ko comes and goes" "it is not built"; exit 0; }
readonly CHURN=${CHURN:-10}

# Datagrams to doors and SYNs, until its file is gone.
traffic() {
	while [ -e "$LAB_DIR/traffic" ]; do
		flood udp 7001 5000
		flood syn 8001 2000
		lab_exec client timeout 0.2 bash -c "</dev/tcp/$VIP6/8001"
	done >/dev/null 2>&1
}
flood() {
	lab_exec client "$HALO_BUILD/tests/vm/kmod_flood" "$1" 198.18.0.1 \
		"$VIP" $((20000 + RANDOM % 20000)) "$2" 1000 24 "$3"
}
churn() {
	# shellcheck disable=SC2086
	modprobe -a nf_defrag_ipv6 nf_reject_ipv4 nf_reject_ipv6 &&
		lab_exec gateway "$TOOL" churn "$KO" "$CHURN" \
			begin version=1 flows_max=4096 $TABLE + add "$(seat 1 11 a)" \
			"$(seat 2 12 b)" run=1,12,1 run=13,24,2 + commit + end tag=11 forced
}
# A gateway of its own, whose table goes with it while the client floods it.
vanish() {
	local ns=$LAB-gone
	ip netns add "$ns" && ip link add gone netns "$(lab_ns client)" \
		type veth peer name eth0 netns "$ns" || return
	lab_in client addr add 198.18.9.2/24 dev gone
	lab_in client link set dev gone up
	ip -n "$ns" addr add 198.18.9.1/24 dev eth0
	ip -n "$ns" link set dev eth0 up
	ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1
	ip netns exec "$ns" "$TOOL" begin version=1 routes=24 seats=4 \
		vip4=198.18.9.1 service=dns,udp,7001 + \
		add seat=1,5,198.18.9.3 run=1,24,1 + commit || return
	lab_exec client "$HALO_BUILD/tests/vm/kmod_flood" udp 198.18.9.2 \
		198.18.9.1 20000 7001 500 24 20000 >/dev/null 2>&1 &
	lab_wait 5 counted "$ns"
	local status=$?
	ip netns del "$ns"
	wait $!
	return "$status"
}
# packets have made flows there
counted() {
	[ "$(ip netns exec "$1" "$TOOL" stats | tr ' ' '\n' |
		sed -n 's/^new-flow=//p')" -gt 0 ]
}
all_vanish() {
	local i
	for ((i = 0; i < 5; i++)); do
		vanish || return
	done
}

plane_begin
touch "$LAB_DIR/traffic"
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
