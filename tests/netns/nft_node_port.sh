#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# node-port on the nft plane: all doors of a service lead to one port on the
# node. Who is served, told, held, refused and adopted as with kept ports.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nft_lib.sh"
readonly NODE_PORT=8888
export HALO_NODE_PORT=$NODE_PORT

udp() {
	[ "$(lab_exec client "$HALO_TOOLS/tests/netns/udp_ask" "$1" "$2" \
		7777)" = "$3" ]
}
# averted ADDRESS PORT: who is refused reaches the next instance, which has the
# former one's address
averted() {
	lab_exec a nft -f - <<-NFT
		table inet full {
			chain c {
				type filter hook input priority filter;
				tcp dport $NODE_PORT reject with tcp reset
			}
		}
	NFT
	call refused "$1" "$2" 3
	lab_wait 1 heard driver \
		"event refused tag=11 route=$(($2 - 8000)) "
	lab_exec a nft delete table inet full
	say driver node 1 23 "$(lab_addr a)" "$(lab_addr6 a)"
	say driver apply
	check "refused clients reach the next instance, $1" \
		lab_wait 2 heard refused 'greeted a' 3
	check "and have not heard of the refusal" not heard refused failed
	hang_up refused
	order node 1 11 "$(lab_addr a)" "$(lab_addr6 a)" && order apply
	order end 23 1 12 planned
}
listens() { lab_exec a ss -Htln "sport = :$NODE_PORT" | grep -q .; }

plane_begin
for node in a b; do
	lab_kill "peer-$node"
	lab_kill "udp-$node"
	lab_spawn "peer-$node" "$node" "$PEER" serve "$node" "$NODE_PORT" 1
	lab_spawn "udp-$node" "$node" "$HALO_TOOLS/tests/netns/udp_who" \
		"$node" "$NODE_PORT" 1
done
lab_wait "$SOON" listens
check "the plane opens" open_plane
check "it takes a table" static_table
for to in "$VIP" "$VIP6"; do
	check "doors lead to one port of a, $to" greets "$to" 8001 a
	check "and of b" greets "$to" 8024 b
	check "UDP doors too" udp "$to" 7001 a
	check "and of b" udp "$to" 7024 b
done
check "a client on the gateway is served" greets "$VIP" 8001 a gateway
check "one port of a client to another door of a is no clash" \
	udp "$VIP" 7002 a

for to in "$VIP" "$VIP6"; do
	call idle "$to" 8005 50
	call stays "$to" 8006 1
	check "clients are connected, $to" \
		lab_wait "$SOON" heard idle 'greeted a' 50
	lab_wait "$SOON" heard stays 'greeted a'
	check "their route moves" serve 5 5 2
	check "its flows are ended as planned" order end 11 5 5 planned
	check "the clients are told" lab_wait 2 heard idle ' reset' 50
	check "the living node too, and no other route's" \
		lab_wait 2 has_sockets a "$NODE_PORT" 1
	hang_up idle
	hang_up stays
	serve 5 5 1
done

call idle "$VIP" 8005 20
lab_wait "$SOON" heard idle 'greeted a' 20
lab_link a down
check "a silent node's seat gets another occupant" \
	order node 1 21 "$(lab_addr b)" "$(lab_addr6 b)"
order apply
check "its flows are ended by force" order end 11 1 12 forced
check "its clients are told" lab_wait 2 heard idle ' reset' 20
check "new ones reach the successor" greets "$VIP" 8005 b
hang_up idle
lab_link a up
order node 1 11 "$(lab_addr a)" "$(lab_addr6 a)" && order apply
order end 21 1 12 planned

lab_link b down
call early "$VIP" 8020 3
call early6 "$VIP6" 8021 3
sleep 0.3 # the SYNs go into a dead node; nobody says so
order node 2 22 "$(lab_addr a)" "$(lab_addr6 a)" && order apply
check "a dead node's flows are ended" order end 12 13 24 forced
check "SYNs sent into it reach the successor" \
	lab_wait 2 heard early 'greeted a' 3
check "over IPv6 too" lab_wait 2 heard early6 'greeted a' 3
check "at once, not by retransmission" within_ms \
	"$(moment driver 'end asked')" "$(moment early greeted)" 50
hang_up early
hang_up early6
lab_link b up
order node 2 12 "$(lab_addr b)" "$(lab_addr6 b)" && order apply
order end 22 13 24 planned

check "a route is held" order hold 7 7
call held "$VIP" 8007 3
sleep 0.3 # what must not happen has no event to wait for
check "its clients wait" not heard held 'greeted|reset|failed'
check "and are served in the end" order release 7 7
check "by its node" lab_wait 2 heard held 'greeted a' 3
hang_up held

lab_kill peer-a
call turned_away "$VIP" 8009 1
check "a refusal is passed on" \
	lab_wait 2 heard turned_away 'failed Connection refused'
check "and told, with who refused at which route" \
	lab_wait 2 heard driver 'event refused tag=11 route=9'
hang_up turned_away
lab_spawn peer-a a "$PEER" serve a "$NODE_PORT" 1
lab_wait "$SOON" greets "$VIP" 8009 a
if [ "$HALO_SLOW" -eq 1 ]; then
	averted "$VIP" 8010
	averted "$VIP6" 8011
else
	skip "refusals are averted" \
		"a refusal waits 250 ms, on a slow machine as well"
fi

call lasting "$VIP" 8001 5
lab_wait "$SOON" heard lasting greeted 5
say driver quit keep
lab_wait "$SOON" heard driver 'quit ok'
check "it starts again and adopts its table" open_plane relearn
static_table
say lasting ping
check "flows go on" lab_wait 2 heard lasting 'echoed ping' 5
say driver quit keep
lab_wait "$SOON" heard driver 'quit ok'
lab_spawn kept-a a "$PEER" serve a 8001 12
HALO_NODE_PORT=0 open_plane relearn
check "without node-port it writes another table" static_table
check "new clients meet the door's own port" greets "$VIP" 8004 a
say lasting ping
check "former ones stay where they are" \
	lab_wait 2 heard lasting 'echoed ping' 10
say driver quit flush
check "it goes" lab_wait "$SOON" heard driver 'quit ok'
finish
