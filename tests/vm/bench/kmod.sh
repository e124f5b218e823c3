#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In a guest that counts instructions (scripts/bench-vm): what a packet costs
# the gateway, by halo.ko and by its peers, over what it costs to be received
# and dropped there. The VIP is not on the link: the kernel caches no route of a
# raw socket there. Lines `bench NAME VALUE UNIT`.
#
#   client ── gateway ── node         198.18.0.1 ── .254, 198.19.0.1
#                                     ── 198.19.0.11
cd "$(dirname "$0")/../../.." || exit 1
set -u
readonly FLOOD=build/tests/vm/kmod_flood TOOL=build/tests/vm/kmod_tool
readonly VIP=198.18.1.100 CLIENT=198.18.0.1 NODE=198.19.0.11
readonly N=${BENCH_PACKETS:-6000} WARM=300

say() { echo "bench $*"; }
in_ns() { ip netns exec "$@"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }

wire() {
	local ns
	for ns in client gateway node; do
		ip netns add "$ns"
		ip -n "$ns" link set lo up
		in_ns "$ns" sysctl -qw net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0
	done
	ip link add eth0 netns client type veth peer name c netns gateway
	ip link add eth0 netns node type veth peer name n netns gateway
	ip -n client addr add $CLIENT/24 dev eth0
	ip -n gateway addr add 198.18.0.254/24 dev c
	ip -n gateway addr add $VIP/32 dev c
	ip -n gateway addr add 198.19.0.1/16 dev n
	ip -n node addr add $NODE/16 dev eth0
	for ns in "client eth0" "gateway c" "gateway n" "node eth0"; do
		# shellcheck disable=SC2086
		set -- $ns
		ip -n "$1" link set dev "$2" up
	done
	ip -n client route add default via 198.18.0.254
	ip -n node route add default via 198.19.0.1
	in_ns gateway sysctl -qw net.ipv4.ip_forward=1
	# nothing answers: neighbours are told, what arrives is dropped
	neighbour client eth0 198.18.0.254 gateway c
	neighbour node eth0 198.19.0.1 gateway n
	neighbour gateway c $CLIENT client eth0
	neighbour gateway n $NODE node eth0
	drop_at node eth0
	drop_at client eth0
}
# neighbour WHERE DEVICE ADDRESS ITS-NAMESPACE ITS-DEVICE
neighbour() {
	ip -n "$1" neigh replace "$3" dev "$2" nud permanent lladdr \
		"$(in_ns "$4" cat "/sys/class/net/$5/address")"
}
drop_at() {
	in_ns "$1" nft "add table netdev d; add chain netdev d in {
		type filter hook ingress device $2 priority 0; policy drop; }"
}
undrop() { in_ns "$1" nft delete table netdev d; }

# flood udp|syn TO FLOWS DOORS COUNT [PORT]
flood() {
	in_ns client "$FLOOD" "$1" $CLIENT "$2" "${6:-40000}" 1001 "$3" "$4" \
		"$5"
}
reply() {
	in_ns node "$FLOOD" udp "${2:-$CLIENT}" $NODE 40000 1001 "$1" 24 "$3" \
		reply
}
# over TO FLOWS DOORS: established, the base taken off
over() {
	flood udp "$1" "$2" "$3" $((WARM + $2)) >/dev/null
	echo $(($(flood udp "$1" "$2" "$3" "$N") - base))
}
# fresh PORT DOORS: SYNs, each of a new connection, the base taken off
fresh() { echo $(($(flood syn $VIP "$N" "$2" "$N" "$1") - base_syn)); }

# halo ROUTES FIRST-DOOR
halo() {
	in_ns gateway "$TOOL" flush
	in_ns gateway "$TOOL" begin version=1 routes="$1" seats=1 vip4=$VIP \
		service=u,udp,"$2" service=t,tcp,"$2" + \
		add seat=1,5,$NODE run=1,"$1",1 + commit
}
same() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", b / a }'; }

bench_halo() {
	local one many
	modprobe -a nf_defrag_ipv6 nf_reject_ipv4 nf_reject_ipv6
	insmod build/kmod/halo.ko || return
	halo 24 1001
	one=$(over $VIP 1 24)
	many=$(over $VIP 1000 24)
	say kmod_instr_established "$one" instructions
	say kmod_instr_ratio "$(ratio "$one" "$plain")" ratio
	say kmod_instr_1000_flows_vs_1 "$(same "$one" "$many")" ratio
	many=$(reply 1 $CLIENT $WARM >/dev/null; reply 1 $CLIENT "$N")
	say kmod_instr_reply $((many - base_reply)) instructions
	say kmod_reply_instr_ratio \
		"$(ratio $((many - base_reply)) "$plain_reply")" ratio
	halo_new=$(fresh 20000 24)
	say kmod_instr_newconn "$halo_new" instructions
	halo 65000 1
	many=$(over $VIP 1 24)
	say kmod_instr_65000_routes_vs_24 "$(same "$one" "$many")" ratio
	many=$(over $VIP 1000 24)
	say kmod_instr_65000_routes_1000_flows_vs_1 "$(same "$one" "$many")" \
		ratio
	in_ns gateway "$TOOL" flush
	bench_table
	rmmod halo
}
available() { awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo; }
bench_table() {
	local us before
	in_ns gateway "$TOOL" big 1 65535 2000 >/dev/null
	before=$(available)
	us=$(in_ns gateway "$TOOL" big 2 65535 2000)
	say kmod_replace_65535_add "$(awk '/add_us/ { print $2 }' <<<"$us")" us
	say kmod_replace_65535_commit \
		"$(awk '/commit_us/ { print $2 }' <<<"$us")" us
	say kmod_replace_65535_memory_growth $((before - $(available))) kB
	in_ns gateway "$TOOL" flush
}

bench_ipvs() {
	local door one new
	modprobe -a ip_vs ip_vs_rr || return
	in_ns gateway sysctl -qw net.ipv4.vs.conntrack=0
	for door in {1001..1024}; do
		echo "-A -u $VIP:$door -s rr"
		echo "-a -u $VIP:$door -r $NODE:$door -m"
		echo "-A -t $VIP:$door -s rr"
		echo "-a -t $VIP:$door -r $NODE:$door -m"
	done | in_ns gateway ipvsadm -R
	one=$(over $VIP 1 24)
	new=$(fresh 20000 24)
	say ipvs_instr_ratio "$(ratio "$one" "$plain")" ratio
	say ipvs_instr_newconn "$new" instructions
	say kmod_newconn_instr_vs_ipvs "$(ratio "$halo_new" "$new")" ratio
	in_ns gateway ipvsadm -C
	rmmod ip_vs_rr ip_vs
}
bench_nft() {
	local one
	in_ns gateway nft -f - <<-END
	table ip n {
		chain p { type nat hook prerouting priority -100;
			ip daddr $VIP udp dport 1001-1024 dnat to $NODE
			ip daddr $VIP tcp dport 1001-1024 dnat to $NODE
		}
	}
	END
	one=$(over $VIP 1 24)
	say nft_dnat_instr_ratio "$(ratio "$one" "$plain")" ratio
	say nft_dnat_instr_newconn "$(fresh 20000 24)" instructions
	in_ns gateway nft delete table ip n
}
bench_conntrack() {
	in_ns gateway nft "add table ip f; add chain ip f c { type filter hook \
		forward priority 0; }; add rule ip f c ct state invalid drop"
	say conntrack_instr_ratio "$(ratio "$(over $NODE 1 24)" "$plain")" ratio
	in_ns gateway nft delete table ip f
}

wire
drop_at gateway c
flood udp $NODE 1 24 $WARM >/dev/null
base=$(flood udp $NODE 1 24 "$N")
base_syn=$(flood syn $NODE 1 24 "$N")
undrop gateway
drop_at gateway n
reply 1 $CLIENT $WARM >/dev/null
base_reply=$(reply 1 $CLIENT "$N")
undrop gateway
plain=$(over $NODE 1 24)
reply 1 $CLIENT $WARM >/dev/null
plain_reply=$(($(reply 1 $CLIENT "$N") - base_reply))
say base_instr "$base" instructions
say plain_instr "$plain" instructions
halo_new=0
bench_halo
bench_ipvs
bench_nft
bench_conntrack
