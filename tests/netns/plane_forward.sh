#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The nfqueue plane by itself, with two workers and a static table: no cluster,
# no agents. Routes 1-12 are served by a, 13-24 by b; route r has TCP door
# 8000+r and UDP door 7000+r. The servers greet with their name and echo.
. "$(dirname "$0")/lib.sh"

readonly QUEUE=5
readonly BULK=$LAB_DIR/bulk
DRIVER=$HALO_BUILD/tests/netns/plane_driver
PEER=$HALO_TOOLS/tests/netns/plane_peer

# background NAME WHERE CMD…: reads lines from say NAME …, writes NAME.log
background() {
	local name=$1 where=$2
	shift 2
	rm -f "$LAB_DIR/$name.in"
	mkfifo "$LAB_DIR/$name.in"
	: >"$LAB_DIR/$name.log"
	ip netns exec "$(lab_ns "$where")" "$@" <>"$LAB_DIR/$name.in" \
		>>"$LAB_DIR/$name.log" 2>&1 &
	echo $! >"$LAB_DIR/$name.pid"
	disown $!
}
# (<>: a reader that is gone must not stop us)
say() { echo "${*:2}" 1<>"$LAB_DIR/$1.in"; }

# heard NAME PATTERN [TIMES]: as many lines, or more
heard() {
	[ "$(grep -cE "$2" "$LAB_DIR/$1.log")" -ge "${3:-1}" ]
}
# microseconds of the last line with PATTERN
moment() { grep -E "$2" "$LAB_DIR/$1.log" | awk 'END { print $1 }'; }

# order COMMAND…: to the driver; succeeds when the driver says ok
order() {
	local before
	before=$(grep -cE "^[0-9]+ $1 ok" "$LAB_DIR/driver.log")
	say driver "$@"
	lab_wait "$SOON" heard driver "^[0-9]+ $1 ok" $((before + 1))
}

open_plane() {
	background driver gateway "$DRIVER" 24 "$VIP" "$VIP6" 2 "$QUEUE" "$@"
	lab_wait "$SOON" heard driver ' open ok'
}

# routes FIRST LAST NODE…
serve() { order route "$1" "$2" "$3" && order apply; }
static_table() {
	order node 1 11 "$(lab_addr a)" "$(lab_addr6 a)" &&
		order node 2 12 "$(lab_addr b)" "$(lab_addr6 b)" &&
		order route 1 12 1 && serve 13 24 2
}

# call NAME ADDRESS PORT [COUNT]: connections that stay open
call() { background "$1" client "$PEER" call "$2" "$3" "${4:-1}"; }
hang_up() { lab_kill "$1"; }

greets() {
	call once "$1" "$2" && lab_wait 3 heard once "greeted $3"
	local status=$?
	hang_up once
	return "$status"
}
nobody_greets() {
	call once "$1" "$2"
	sleep 0.5 # what must not happen has no event to wait for
	not heard once greeted
	local status=$?
	hang_up once
	return "$status"
}
every_door() {
	local r
	for r in 1 12 13 24; do
		greets "$1" $((8000 + r)) "$([ "$r" -le 12 ] && echo a ||
			echo b)" || return
	done
}
udp() {
	[ "$(lab_exec client "$HALO_TOOLS/tests/netns/udp_ask" "$1" "$2" \
		7777)" = "$3" ]
}

# 8 MB to the node and back through an echo, byte for byte
bulk_returns() {
	lab_exec client timeout $((15 * HALO_SLOW)) bash -c "
		exec 3<>/dev/tcp/$1/$2 && read -r _ <&3 || exit
		cat '$BULK' >&3 &
		head -c $((8 << 20)) <&3 | cmp - '$BULK'"
}

# Both ends of the clients' link are narrow (a veth drops what its peer's MTU
# does not allow), yet clients announce what they took before: nodes have to
# discover it.
clients_mtu() {
	lab_in gateway link set clients mtu "$1"
	lab_in client link set eth0 mtu "$1"
	lab_in client route replace 198.18.0.0/24 dev eth0 advmss 1460
	lab_in client -6 route replace fd00:198:18::/64 dev eth0 \
		proto kernel metric 256 advmss 1440
}

kernel_sequence() {
	lab_exec gateway awk -v q="$1" '$1 == q { print $8 }' \
		/proc/net/netfilter/nfnetlink_queue
}
# The server keeps each connection: all at once, as each takes its time to end.
from_many_addresses() {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		lab_exec client curl -gs --http0.9 --max-time "$HALO_SLOW" \
			--interface "198.18.0.$i" "http://$VIP:8001/" &
	done >"$LAB_DIR/many.out"
	wait
	[ "$(grep -cx a "$LAB_DIR/many.out")" -eq 8 ]
}

tables() { lab_exec gateway nft list tables; }
untracked() {
	not grep -q 'dport=80[0-2]' <(lab_exec gateway conntrack -L 2>/dev/null)
}

nodes_table() {
	lab_exec gateway nft list table inet halod 2>/dev/null
}
drifts() { grep -c 'event drift .* ok=1' "$LAB_DIR/driver.log"; }
# meddle COMMAND…: nft's; succeeds when it was noticed
meddle() {
	local before
	before=$(drifts)
	lab_exec gateway nft "$@" || return
	lab_wait "$SOON" heard driver 'event drift .* ok=1' $((before + 1))
}
mark_rule() {
	lab_exec gateway nft -a list chain inet halod output 2>/dev/null |
		awk '/meta mark/ { print $NF }'
}

if [ "$(id -u)" -ne 0 ]; then
	echo "skip - plane_forward: needs root for namespaces"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
trap lab_down EXIT
trap 'exit 130' INT TERM
lab_up a b || give_up "the lab comes up"
head -c $((8 << 20)) /dev/urandom >"$BULK"
for node in a b; do
	lab_spawn "peer-$node" "$node" "$PEER" serve "$node" 8001 24
	lab_spawn "udp-$node" "$node" "$HALO_TOOLS/tests/netns/udp_who" \
		"$node" 7001 24
	lab_wait "$SOON" heard "peer-$node" ready || give_up "$node serves"
done

check "the plane opens" open_plane
call lonely "$VIP" 8001
check "while there are no nodes clients are refused" \
	lab_wait "$SOON" heard lonely 'failed Connection refused'
hang_up lonely
check "it takes a table" static_table
check "TCP doors lead where the table says" every_door "$VIP"
check "so do they over IPv6" every_door "$VIP6"
check "UDP doors too" udp "$VIP" 7001 a
check "and UDP over IPv6" udp "$VIP6" 7024 b
check "merged segments pass in both directions" bulk_returns "$VIP" 8001
check "also over IPv6" bulk_returns "$VIP6" 8013
check "clients of several addresses are served" from_many_addresses
check "by one worker" test "$(kernel_sequence "$QUEUE")" -gt 0
check "and by the other" test "$(kernel_sequence $((QUEUE + 1)))" -gt 0
check "conntrack knows nothing of it" untracked

clients_mtu 1300
check "a narrow link to the client is discovered" bulk_returns "$VIP" 8002
check "over IPv6 too" bulk_returns "$VIP6" 8002
clients_mtu 1500
lab_in gateway link set nodes mtu 1300
check "a narrow link to the node is discovered" bulk_returns "$VIP" 8003
check "over IPv6 as well" bulk_returns "$VIP6" 8003
lab_in gateway link set nodes mtu 1500

call idle "$VIP" 8005 50
check "50 clients stay connected" lab_wait "$SOON" heard idle 'greeted a' 50
check "their route moves" serve 5 5 2
check "its former flows are ended" order end 11 5 5 planned
check "all 50 clients are told" lab_wait 2 heard idle ' reset' 50
check "at once" within_ms "$(moment driver 'end asked')" \
	"$(moment idle reset)" 20
check "the main thread hears that it is done" \
	lab_wait 2 heard driver 'event flows-ended tag=11'
check "new clients of the route reach the other node" greets "$VIP" 8005 b
hang_up idle

check "a route is held" order hold 6 6
call held "$VIP" 8006 5
sleep 0.3 # what must not happen has no event to wait for
check "its new clients wait" not heard held 'greeted|reset|failed'
check "the route moves meanwhile" serve 6 6 2
check "the hold ends" order release 6 6
check "those who waited reach the new node" \
	lab_wait 2 heard held 'greeted b' 5
check "at once, not by retransmission" within_ms \
	"$(moment driver 'release ok')" "$(moment held greeted)" 50
hang_up held

lab_link b down
call early "$VIP" 8020 5
sleep 0.3 # the SYNs go into a dead node; nobody says so
check "SYNs into a dead node are not answered" \
	not heard early 'greeted|reset|failed'
check "its routes are given away" serve 13 24 1
check "its flows are ended by force" order end 12 13 24 forced
check "the SYNs reach the new node" lab_wait 2 heard early 'greeted a' 5
check "replayed at once, not by retransmission" within_ms \
	"$(moment driver 'end asked')" "$(moment early greeted)" 50
hang_up early
lab_link b up

call lasting "$VIP" 8001 10
call lasting6 "$VIP6" 8001 10
lab_wait "$SOON" heard lasting greeted 10
check "connections are there before a restart" \
	lab_wait "$SOON" heard lasting6 greeted 10
say driver quit keep
lab_wait "$SOON" heard driver 'quit ok'
check "the rules outlive the program" grep -q halod <(tables)
check "nothing passes without it" nobody_greets "$VIP" 8001
say lasting ping
check "it starts again" open_plane relearn
check "and takes the table it had" static_table
check "what was said meanwhile arrives" \
	lab_wait "$SOON" heard lasting 'echoed ping' 10
say lasting6 ping
check "connections survive over IPv6 too" \
	lab_wait "$SOON" heard lasting6 'echoed ping' 10
check "none was reset" not heard lasting 'reset|closed|failed'
lab_kill driver KILL
check "after a crash it starts again" open_plane relearn
check "with its table" static_table
check "its rules are there once" \
	test "$(tables | grep -c halod)" -eq 1
say lasting ping
check "connections survive a crash" \
	lab_wait "$SOON" heard lasting 'echoed ping' 20
hang_up lasting
hang_up lasting6

check "changes of its own were no news" not heard driver 'event drift'
check "a node that somebody adds is noticed" \
	meddle add element inet halod nodes4 '{ 198.18.77.7 }'
check "and forgotten" not grep -q 198.18.77.7 <(nodes_table)
check "a node that somebody removes is noticed" \
	meddle delete element inet halod nodes4 "{ $(lab_addr a) }"
check "and known again" grep -q "$(lab_addr a)" <(nodes_table)
check "a rule that somebody replaces is noticed" meddle replace rule \
	inet halod output handle "$(mark_rule)" meta mark 0x1 notrack
check "and is as before" grep -q 'mark 0x48616c6f notrack' <(nodes_table)
before=$(drifts)
lab_exec gateway nft 'add table inet other
	add set inet other s { type ipv4_addr; }
	add element inet other s { 198.18.77.7 }
	add chain inet other c
	add rule inet other c counter'
order node 3 13 198.18.77.8 fd00:198:18::77:8 && order apply
check "neither tables of others nor a new node are drift" \
	test "$(drifts)" -eq "$before"
check "rules that were flushed are noticed and written again" \
	meddle flush ruleset
check "and doors lead to nodes again" every_door "$VIP"
check "also over IPv6, with the nodes known again" every_door "$VIP6"

background second gateway "$DRIVER" 24 "$VIP" "$VIP6" 1 "$QUEUE"
check "a queue that is taken is told" lab_wait "$SOON" \
	heard second 'NFQUEUE 5 is taken by another program'
check "and the first user goes on" greets "$VIP" 8001 a
background weak gateway setpriv --reuid 65534 --clear-groups \
	"$DRIVER" 24 "$VIP" "$VIP6" 1 9
check "missing rights are told" lab_wait "$SOON" \
	heard weak 'needs CAP_NET_ADMIN'

say driver stats
say driver quit flush
check "it goes" lab_wait "$SOON" heard driver 'quit ok'
check "and its rules with it when told so" not grep -q halod <(tables)
finish
