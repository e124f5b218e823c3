#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The nft plane's table outlives the program, is adopted, and is written again
# when others meddle with it; clients on the gateway itself are served.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nft_lib.sh"

udp() {
	[ "$(lab_exec "${4:-client}" "$HALO_TOOLS/tests/netns/udp_ask" \
		"$1" "$2" 0)" = "$3" ]
}
# The table with its handles: they change when an object is made anew.
portrait() {
	nft_gateway -a list table inet halod 2>/dev/null |
		grep -vE 'packets|expires|elements = |^[[:space:]]+0x'
}
unchanged() { [ "$(portrait)" = "$before" ]; }
drifts() { lab_wait 3 heard driver 'event drift .*ok=1' "$1"; }
marks_are() {
	lab_exec gateway conntrack -L -p tcp --dport "$1" 2>/dev/null |
		grep -q "mark=$2 "
}

# What the cluster would say after a restart.
same_table() { static_table && serve 2 2 2; }

plane_begin
check "the plane opens" open_plane
check "it takes a table" static_table
check "a client on the gateway is served" greets "$VIP" 8001 a gateway
check "over IPv6 too" greets "$VIP6" 8013 b gateway
check "also by UDP" udp "$VIP" 7001 a gateway
call local "$VIP" 8002 5 gateway
check "clients on the gateway stay connected" \
	lab_wait "$SOON" heard local 'greeted a' 5
check "their route moves" serve 2 2 2
check "its flows are ended" order end 11 2 2 planned
check "they are told" lab_wait 2 heard local ' reset' 5
hang_up local
check "a route is held" order hold 3 3
call waiting "$VIP" 8003 2 gateway
sleep 0.3 # what must not happen has no event to wait for
check "clients on the gateway wait" not heard waiting 'greeted|reset|failed'
check "the hold ends" order release 3 3
check "they are served" lab_wait 2 heard waiting 'greeted a' 2
hang_up waiting

# lost_on_gateway ADDRESS: what clients on the gateway notice of a silent node
lost_on_gateway() {
	call local "$1" 8004 5 gateway
	check "clients on the gateway are connected, $1" \
		lab_wait "$SOON" heard local 'greeted a' 5
	lab_link a down
	call early "$1" 8005 3 gateway
	sleep 0.3 # the SYNs go into a dead node; nobody says so
	order node 1 21 "$(lab_addr b)" "$(lab_addr6 b)" && order apply
	check "a silent node's flows are ended" order end 11 1 12 forced
	check "its clients on the gateway are told" \
		lab_wait 2 heard local ' reset' 5
	check "and those who knocked reach the successor" \
		lab_wait 2 heard early 'greeted b' 3
	check "at once, not by retransmission" within_ms \
		"$(moment driver 'end asked')" "$(moment early greeted)" 50
	hang_up local
	hang_up early
	lab_link a up
	order node 1 11 "$(lab_addr a)" "$(lab_addr6 a)" && order apply
	order end 21 1 12 planned
}
lost_on_gateway "$VIP"
lost_on_gateway "$VIP6"

nft_gateway -f - <<-NFT
	table inet other {
		chain c {
			type filter hook prerouting priority -150; policy accept;
			tcp dport 8004 ct state new ct mark set 0x5
		}
	}
NFT
call marked "$VIP" 8004 1
check "a flow that another has marked is served" \
	lab_wait "$SOON" heard marked 'greeted a'
check "and keeps the other's bits" marks_are 8004 $((11 << 16 | 5))
hang_up marked
nft_gateway delete table inet other

call lasting "$VIP" 8001 10
call lasting6 "$VIP6" 8001 10
check "connections are there before a restart" \
	lab_wait "$SOON" heard lasting greeted 10
lab_wait "$SOON" heard lasting6 greeted 10
before=$(portrait)
say driver quit keep
lab_wait "$SOON" heard driver 'quit ok'
say lasting ping
check "flows go on without the program" \
	lab_wait 2 heard lasting 'echoed ping' 10
check "new clients too" greets "$VIP" 8014 b
check "it starts again" open_plane relearn
check "and adopts the table without touching it" unchanged
check "it is told the table it has" same_table
check "which changes nothing" unchanged
say lasting6 ping
check "flows go on over IPv6" lab_wait 2 heard lasting6 'echoed ping' 10
lab_kill driver KILL
say lasting ping
check "flows go on after a crash" \
	lab_wait 2 heard lasting 'echoed ping' 20
check "it starts once more" open_plane relearn
check "and nothing has changed" unchanged
check "it is told its table once more" same_table
check "a route moves" serve 14 14 1
check "new clients follow" greets "$VIP" 8014 a

say driver quit keep
lab_wait "$SOON" heard driver 'quit ok'
export HALO_CT_MARK_MASK=0x00ffff00 HALO_NO_NODE_HOLD_MS=300
check "it starts with tags elsewhere in the marks" open_plane relearn
check "a flow's tag is there now" marks_are 8001 $((11 << 8))
check "it is told its table" same_table
serve 14 14 1
say lasting ping
check "flows have gone on" lab_wait 2 heard lasting 'echoed ping' 30
call moved "$VIP" 8012 2
lab_wait "$SOON" heard moved 'greeted a' 2
check "a new flow has its tag there" marks_are 8012 $((11 << 8))
say driver quit keep
lab_wait "$SOON" heard driver 'quit ok'
export HALO_CT_MARK_MASK=0x0ffff000
check "it starts with tags elsewhere once more" open_plane relearn
check "and can end a flow of former days" order end 11 12 12 planned
check "whose clients are told" lab_wait 2 heard moved ' reset' 2
hang_up moved
check "a route is held, and nobody releases it" order hold 12 12
call given_up "$VIP" 8012 1
check "its client is refused" \
	lab_wait 3 heard given_up 'failed Connection refused'
check "when the configuration says" within_ms "$(moment driver 'hold ok')" \
	"$(moment given_up failed)" 400
hang_up given_up
order release 12 12
same_table
serve 14 14 1

nft_gateway delete table inet halod
check "a deleted table is noticed and written again" drifts 1
check "new clients are served" greets "$VIP" 8014 a
say lasting ping
check "flows have survived" lab_wait 2 heard lasting 'echoed ping' 40
nft_gateway flush map inet halod doors4
check "doors that are gone are noticed" drifts 2
check "and led somewhere again" greets "$VIP" 8014 a
nft_gateway flush ruleset
check "so is a flushed ruleset" drifts 3
check "and its doors" greets "$VIP6" 8020 b
nft_gateway add table inet other
nft_gateway delete table inet other
sleep 0.3
check "other tables are none of our business" \
	not heard driver 'event drift' 4
check "none was reset" not heard lasting 'reset|closed|failed'

background second gateway "$DRIVER" 24 "$VIP" "$VIP6" 1 "$QUEUE"
check "a log group that is taken is told" lab_wait "$SOON" \
	heard second 'NFLOG 5 is taken by another program'
background weak gateway setpriv --reuid 65534 --clear-groups \
	"$DRIVER" 24 "$VIP" "$VIP6" 1 9
check "missing rights are told" lab_wait "$SOON" \
	heard weak 'needs CAP_NET_ADMIN'
say driver quit flush
check "it goes" lab_wait "$SOON" heard driver 'quit ok'
check "and its table with it when told so" \
	not grep -q halod <(nft_gateway list tables)
finish
