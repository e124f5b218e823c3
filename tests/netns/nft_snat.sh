#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# snat on the nft plane: a client in the nodes' own network, and a node that is a
# client of itself. Who is served, told, held and refused as anybody else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nft_lib.sh"
export HALO_SNAT=1

udp() {
	[ "$(lab_exec "$4" "$HALO_TOOLS/tests/netns/udp_ask" "$1" "$2" 0)" \
		= "$3" ]
}
# peers_of NODE PORT: whom the node sees, each once
peers_of() {
	lab_exec "$1" ss -Htn state established "sport = :$2" |
		awk '{ sub(/:[0-9]+$/, "", $4); gsub(/[][]|::ffff:/, "", $4)
			print $4 }' | sort -u
}
sees() { [ "$(peers_of "$1" "$2")" = "$3" ]; }

# told WHERE ADDRESS: clients there hear of a planned move and of a loss
told() {
	call idle "$2" 8005 20 "$1"
	check "clients on $1 are connected, $2" \
		lab_wait "$SOON" heard idle 'greeted a' 20
	check "their route moves" serve 5 5 2
	check "its flows are ended as planned" order end 11 5 5 planned
	check "they are told" lab_wait 2 heard idle ' reset' 20
	check "and so is the node" lab_wait 2 has_sockets a 8005 0
	hang_up idle
	serve 5 5 1
}
lost() {
	call idle "$1" 8005 20 b
	lab_wait "$SOON" heard idle 'greeted a' 20
	lab_link a down
	order node 1 21 "$(lab_addr c)" "$(lab_addr6 c)" && order apply
	check "a silent node's flows are ended, $1" order end 11 1 12 forced
	check "its neighbours are told" lab_wait 2 heard idle ' reset' 20
	check "and reach the successor" greets "$1" 8005 c b
	hang_up idle
	lab_link a up
	order node 1 11 "$(lab_addr a)" "$(lab_addr6 a)" && order apply
	order end 21 1 12 planned
}

plane_begin c
lab_spawn peer-c c "$PEER" serve c 8001 24
# The lab's switch is the gateway; as other switches it is to change nothing.
for ip in ip ip6; do
	sysctl=net.bridge.bridge-nf-call-${ip}tables
	! lab_exec gateway sysctl -n "$sysctl" >/dev/null 2>&1 ||
		lab_exec gateway sysctl -qw "$sysctl=0"
done
check "the plane opens" open_plane
check "it takes a table" static_table
for to in "$VIP" "$VIP6"; do
	check "a node reaches another through a door, $to" greets "$to" 8013 b a
	check "and itself" greets "$to" 8001 a a
	check "a node that serves nothing does too" greets "$to" 8001 a c
	check "by UDP as well" udp "$to" 7001 a c
	check "itself too" udp "$to" 7001 a a
	check "others are served as ever" greets "$to" 8001 a
	check "the gateway is" greets "$to" 8001 a gateway
done
call near "$VIP" 8002 1 c
call far "$VIP" 8003 1
lab_wait "$SOON" heard near 'greeted a' && lab_wait "$SOON" heard far 'greeted a'
check "the node sees the gateway instead of its neighbour" \
	sees a 8002 "$GATEWAY"
check "and others as they are" sees a 8003 198.18.0.1
hang_up near
hang_up far

told c "$VIP"
told c "$VIP6"
told a "$VIP"
lost "$VIP"
lost "$VIP6"

lab_link a down
call early "$VIP" 8006 3 b
sleep 0.3 # the SYNs go into a dead node; nobody says so
order node 1 21 "$(lab_addr c)" "$(lab_addr6 c)" && order apply
check "a dead node's flows are ended" order end 11 1 12 forced
check "SYNs sent into it reach the successor" \
	lab_wait 2 heard early 'greeted c' 3
check "at once, not by retransmission" within_ms \
	"$(moment driver 'end asked')" "$(moment early greeted)" 50
hang_up early
lab_link a up
order node 1 11 "$(lab_addr a)" "$(lab_addr6 a)" && order apply
order end 21 1 12 planned

check "a route is held" order hold 7 7
call held "$VIP" 8007 3 b
sleep 0.3 # what must not happen has no event to wait for
check "its clients wait" not heard held 'greeted|reset|failed'
check "and are served in the end" order release 7 7
check "by its node" lab_wait 2 heard held 'greeted a' 3
hang_up held

lab_kill peer-a
call turned_away "$VIP" 8009 1 b
check "a refusal is passed on" \
	lab_wait 2 heard turned_away 'failed Connection refused'
check "and told, with who refused at which route" \
	lab_wait 2 heard driver 'event refused tag=11 route=9'
hang_up turned_away
if [ "$HALO_SLOW" -eq 1 ]; then
	call refused "$VIP" 8010 3 c
	lab_wait 1 heard driver "event refused tag=11 route=10 "
	say driver node 1 23 "$(lab_addr b)" "$(lab_addr6 b)"
	say driver apply
	check "refused clients reach the node that serves next" \
		lab_wait 2 heard refused 'greeted b' 3
	check "and have not heard of the refusal" not heard refused failed
	hang_up refused
else
	skip "refusals are averted" \
		"a refusal waits 250 ms, on a slow machine as well"
fi
say driver quit flush
check "it goes" lab_wait "$SOON" heard driver 'quit ok'
finish
