#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Failover on the nft plane by hand: who is told, who is held, whose SYN is sent
# again, with and without a conntrack that picks up flows in the middle.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nft_lib.sh"

# told LOOSE ADDRESS [held]: idle clients of a node that turns silent, with its
# routes held before that is taken for certain; and of one that lives
told() {
	local loose=$1 to=$2 held=${3:-} what former
	what="tcp_loose=$loose, $to${held:+, held}"
	lab_exec gateway sysctl -qw \
		net.netfilter.nf_conntrack_tcp_loose="$loose"
	call idle "$to" 8005 200
	check "200 clients are connected, $what" \
		lab_wait "$SOON" heard idle 'greeted a' 200
	check "the kernel has their flows by tag" has_flows 11 200 "$to"
	lab_link a down
	if [ -n "$held" ]; then
		order hold 1 12
		sleep 0.05 # their flows are looked for meanwhile
	fi
	check "their node's seat gets another occupant" occupy 1 21 b
	former=$(moment driver 'end asked')
	answers=$(flowless)
	check "the lost instance's flows are ended" order end 11 1 12 forced
	[ -z "$held" ] || order release 1 12
	check "all 200 idle clients are told" lab_wait 2 heard idle ' reset' 200
	answers=$(($(flowless) - answers))
	is_told_once "$former" || answers=
	check "at once" within_ms "$(moment driver 'end asked')" \
		"$(moment idle reset)" 50
	check "the main thread hears of it" lab_wait 2 \
		heard driver 'event flows-ended tag=11 .*count=200'
	check "no flow is left" has_flows 11 0 "$to"
	check "new clients reach the successor" greets "$to" 8005 b
	hang_up idle
	lab_link a up
	check "what the lost node still has is reset when it speaks" \
		speaks_into_void
	check "and it comes back" occupy 1 11 a
	order end 21 1 12 planned
}
# is_told_once FORMER: all are told once more 600 ms after they have been for the
# first time, and so are those of the end before it.
is_told_once() {
	[ $(($(moment driver 'end asked') - ${1:-0})) -gt 800000 ] && [ "$(awk '{ print int($1 * 1000) }' /proc/uptime)" -lt \
		$(($(moment driver 'end asked') / 1000 + 600)) ]
}
# Segments of no flow that the gateway has answered.
flowless() {
	nft_gateway -j list counter inet halod flowless |
		jq '.nftables[] | .counter // empty | .packets'
}
detail_says() {
	say driver stats
	lab_wait "$SOON" heard driver "by=.*$1"
}
# drained ADDRESS: clients of a node that lives hear of a planned move
drained() {
	call drained "$1" 8006 20
	check "clients are connected, $1" \
		lab_wait "$SOON" heard drained 'greeted a' 20
	check "their route moves" serve 6 6 2
	check "its flows are ended as planned" order end 11 6 6 planned
	check "the clients are told" lab_wait 2 heard drained ' reset' 20
	check "and the living node too" lab_wait 2 has_sockets a 8006 0
	hang_up drained
	serve 6 6 1
}
occupy() {
	order node "$1" "$2" "$(lab_addr "$3")" "$(lab_addr6 "$3")" &&
		order apply
}
# The node's sockets outlived its silence: a segment of any earns a reset.
speaks_into_void() {
	lab_exec a ss -K state established 'sport = :8005' >/dev/null 2>&1
	has_sockets a 8005 0
}

plane_begin
check "the plane opens" open_plane
check "it takes a table" static_table
exact=
detail_says 'told by SYN/ACK' || exact=yes
for to in "$VIP" "$VIP6"; do
	told 1 "$to"
	[ -z "$exact" ] || [ -z "$answers" ] || check "none had to be asked where he was" \
		[ "$answers" -eq 0 ]
	told 0 "$to" held
	drained "$to"
done

call bystander "$VIP" 8001 3
check "a client of another route is connected" \
	lab_wait "$SOON" heard bystander 'greeted a' 3
check "its neighbours' route is ended" order end 11 2 3 planned
say bystander ping
check "it goes on" lab_wait 2 heard bystander 'echoed ping' 3

check "a route is held" order hold 7 7
call held "$VIP" 8007 5
call held6 "$VIP6" 8007 5
sleep 0.3 # what must not happen has no event to wait for
check "its new clients wait" not heard held 'greeted|reset|failed'
check "clients of other routes do not" greets "$VIP" 8008 a
check "the route moves meanwhile" serve 7 7 2
check "the hold ends" order release 7 7
check "those who waited reach the new node" \
	lab_wait 2 heard held 'greeted b' 5
check "at once" within_ms "$(moment driver 'release ok')" \
	"$(moment held greeted)" 50
check "over IPv6 too" lab_wait 2 heard held6 'greeted b' 5
hang_up held
hang_up held6

check "a route is held and nobody releases it" order hold 8 8
call refused "$VIP" 8008 3
check "its clients are refused in the end" \
	lab_wait 5 heard refused 'failed Connection refused' 3
hang_up refused
driver=$(lab_pid driver)
kill -STOP "$driver"
check "a stopped program's hold ends by itself" \
	lab_wait 5 greets "$VIP" 8008 a
kill -CONT "$driver"
order release 8 8

lab_link b down
call early "$VIP" 8020 5
call early6 "$VIP6" 8021 5
sleep 0.3 # the SYNs go into a dead node; nobody says so
check "SYNs into a dead node are not answered" \
	not heard early 'greeted|reset|failed'
check "its seat gets another occupant" occupy 2 22 a
check "its flows are ended by force" order end 12 13 24 forced
check "the SYNs reach the successor" lab_wait 2 heard early 'greeted a' 5
check "replayed at once, not by retransmission" within_ms \
	"$(moment driver 'end asked')" "$(moment early greeted)" 50
check "over IPv6 too" lab_wait 2 heard early6 'greeted a' 5
hang_up early
hang_up early6
lab_link b up

lab_kill peer-a
call turned_away "$VIP" 8009 1
check "a killed server's refusal is passed on" \
	lab_wait 2 heard turned_away 'failed Connection refused'
check "and told, with who refused" \
	lab_wait 2 heard driver 'event refused tag=11 route=9'
hang_up turned_away
# averted ADDRESS PORT: who is refused reaches the successor
averted() {
	local port=$2
	call refused "$1" "$port" 5
	lab_wait 1 heard driver "event refused tag=11 route=$((port - 8000)) "
	say driver node 1 23 "$(lab_addr b)" "$(lab_addr6 b)"
	say driver apply
	check "refused clients reach the node that serves next, $1" \
		lab_wait 2 heard refused 'greeted b' 5
	check "and have not heard of the refusal" not heard refused failed
	hang_up refused
	occupy 1 11 a
	order end 23 1 12 planned
}
if [ "$HALO_SLOW" -eq 1 ]; then
	averted "$VIP" 8010
	averted "$VIP6" 8011
else
	skip "refusals are averted" \
		"a refusal waits 250 ms, on a slow machine as well"
fi
lab_spawn peer-a a "$PEER" serve a 8001 24
lab_wait "$SOON" greets "$VIP" 8009 a

check "no route has a node" serve 1 24 0
call nobody "$VIP" 8003 2
sleep 0.3
check "clients wait for one" not heard nobody 'greeted|reset|failed'
check "a node comes" serve 1 24 1
check "they reach it" lab_wait 2 heard nobody 'greeted a' 2
hang_up nobody
say driver stats
say driver quit flush
check "it goes" lab_wait "$SOON" heard driver 'quit ok'
check "its flows with it" has_flows 11 0

export HALO_FORCE_NO_NFT_LOG=1
check "it opens where nft cannot log" open_plane
check "and takes a table then" static_table
check "it says what it lacks" detail_says 'no SYN journal: kernel without nft log'
check "and serves" greets "$VIP" 8001 a
say driver quit flush
lab_wait "$SOON" heard driver 'quit ok'
unset HALO_FORCE_NO_NFT_LOG

export HALO_FORCE_NO_CT_SEQ=1 HALO_FORCE_NO_NFLOG=1
check "it opens where the kernel lacks NFLOG and BTF" open_plane
check "and takes a table" static_table
check "it says that there is no journal" detail_says 'no SYN journal'
check "and how clients are told" detail_says 'told by SYN/ACK: switched off'
told 1 "$VIP"
check "each was asked where he was" [ "${answers:-200}" -ge 200 ]
told 0 "$VIP6"
drained "$VIP"
drained "$VIP6"
lab_link b down
call early "$VIP" 8020 5
sleep 0.3
check "a dead node's seat gets another occupant" occupy 2 22 a
check "its flows are ended" order end 12 13 24 forced
check "clients reach the successor when they try again" \
	lab_wait 3 heard early 'greeted a' 5
hang_up early
lab_link b up
say driver quit flush
check "it goes as well" lab_wait "$SOON" heard driver 'quit ok'
finish
