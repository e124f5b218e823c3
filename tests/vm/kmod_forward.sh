#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halo.ko carries packets: TCP, UDP and ICMP errors of both families through
# three namespaces, by a table that is written by hand.
. "$(dirname "$0")/kmod_lib.sh"

[ -e "$KO" ] || { skip "halo.ko carries packets" "it is not built"; exit 0; }
readonly BULK=$LAB_DIR/bulk

udp() {
	[ "$(lab_exec client "$HALO_TOOLS/tests/netns/udp_ask" "$1" "$2" \
		7777)" = "$3" ]
}
every_door() {
	local vip
	for vip in "$VIP" "$VIP6"; do
		greets "$vip" 8001 a && greets "$vip" 8012 a &&
			greets "$vip" 8013 b && greets "$vip" 8024 b || return
		udp "$vip" 7001 a && udp "$vip" 7024 b || return
	done
}
stray() {
	[ "$(lab_exec client "$HALO_TOOLS/tests/netns/stray_segment" \
		"$@")" = reset ]
}
# 2 MB to the node and back through an echo, byte for byte
bulk_returns() {
	lab_exec client timeout $((15 * HALO_SLOW)) bash -c "
		exec 3<>/dev/tcp/$1/$2 && read -r _ <&3 || exit
		cat '$BULK' >&3 &
		head -c $((2 << 20)) <&3 | cmp - '$BULK'"
}
clients_mtu() {
	lab_in gateway link set clients mtu "$1"
	lab_in client link set eth0 mtu "$1"
	lab_in client route replace 198.18.0.0/24 dev eth0 advmss 1460
	lab_in client -6 route replace fd00:198:18::/64 dev eth0 \
		proto kernel metric 256 advmss 1440
}
counted() { [ "$(count "$1")" -ge "$2" ]; }
no_conntrack() { [ -z "$(lab_exec gateway conntrack -L 2>/dev/null)" ]; }
move() {
	tool change from="$1" version="$2" "seat=1,21,$(lab_addr b),$(lab_addr6 b)"
}

module_load || { check "the module loads" false; exit 1; }
plane_begin
head -c $((2 << 20)) /dev/urandom >"$BULK"
check "a table is written" write_table 1
check "every door of both families leads to its node, TCP and UDP" every_door
check "a client on the gateway reaches a node" greets "$VIP" 8001 a gateway
check "and by IPv6" greets "$VIP6" 8024 b gateway
check "a stray segment is reset" stray "$VIP" 8005
check "a stray segment is reset, IPv6" stray "$VIP6" 8005
check "bulk comes back byte for byte" bulk_returns "$VIP" 8002
check "bulk comes back byte for byte, IPv6" bulk_returns "$VIP6" 8020
clients_mtu 1400
check "nodes discover a narrow path" bulk_returns "$VIP" 8003
check "nodes discover a narrow path, IPv6" bulk_returns "$VIP6" 8021
clients_mtu 1500
check "nothing of it is tracked" no_conntrack

call idle "$VIP" 8001 20
call idle6 "$VIP6" 8001 20
lab_wait "$SOON" heard idle greeted 20
check "idle clients are there" lab_wait "$SOON" heard idle6 greeted 20
check "one change moves the seat" move 1 2
tool events 1 20 >"$LAB_DIR/events.log" &
lab_wait "$SOON" heard events listening
check "the flows of the lost instance are ended" tool end tag=11 forced
check "each client is told" lab_wait "$SOON" heard idle ' reset' 20
check "each client is told, IPv6" lab_wait "$SOON" heard idle6 ' reset' 20
check "an event says so" lab_wait "$SOON" heard events \
	'^ended tag=11 forced=1 ended=4[0-9] told_clients=4[0-9]'
check "the doors lead to the other node" greets "$VIP" 8001 b

held_count() { tool attend alive=10000 queue=77 && tool hold set=5; }
check "a route is held" held_count
call waits "$VIP" 8005
check "a SYN to it is queued" lab_wait 5 counted held 1
check "and it is released" tool release
check "then the client gets through" lab_wait "$SOON" heard waits 'greeted b'
check "flush" tool flush
check "nothing is left in the namespace" refuses "no table" stats
check "it unloads" module_unload
finish
