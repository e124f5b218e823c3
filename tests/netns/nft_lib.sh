# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What tests of the nft plane by itself share: a static table without a cluster,
# driven by hand. Routes 1-12 are served by a (tag 11), 13-24 by b (tag 12);
# route r has TCP door 8000+r and UDP door 7000+r. Sourced after lib.sh.

readonly QUEUE=5
DRIVER=$HALO_BUILD/tests/netns/plane_driver
PEER=$HALO_TOOLS/tests/netns/plane_peer
export HALO_PLANE=nft

# background NAME WHERE CMD…: reads lines from say NAME …, writes NAME.log
background() {
	local name=$1 where=$2
	shift 2
	rm -f "$LAB_DIR/$name.in"
	mkfifo "$LAB_DIR/$name.in"
	: >"$LAB_DIR/$name.log"
	# not lab_exec: the pid is to be the program's
	ip netns exec "$(lab_ns "$where")" "$@" <>"$LAB_DIR/$name.in" \
		>>"$LAB_DIR/$name.log" 2>&1 &
	echo $! >"$LAB_DIR/$name.pid"
	disown $!
}
say() { echo "${*:2}" >"$LAB_DIR/$1.in"; }

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
	background driver gateway "$DRIVER" 24 "$VIP" "$VIP6" 1 "$QUEUE" "$@"
	lab_wait "$SOON" heard driver ' open ok'
}
serve() { order route "$1" "$2" "$3" && order apply; }
static_table() {
	order node 1 11 "$(lab_addr a)" "$(lab_addr6 a)" &&
		order node 2 12 "$(lab_addr b)" "$(lab_addr6 b)" &&
		order route 1 12 1 && serve 13 24 2
}

# call NAME ADDRESS PORT [COUNT [WHERE]]: connections that stay open
call() {
	background "$1" "${5:-client}" "$PEER" call "$2" "$3" "${4:-1}"
}
hang_up() { lab_kill "$1"; }
# greets ADDRESS PORT NODE [WHERE]
greets() {
	call once "$1" "$2" 1 "${4:-client}" &&
		lab_wait 3 heard once "greeted $3"
	local status=$?
	hang_up once
	return "$status"
}

# plane_begin [NODE…]: a lab with a and b and their servers, and further nodes
plane_begin() {
	local node
	if [ "$(id -u)" -ne 0 ]; then
		echo "skip - $(basename "$0"): needs root for namespaces"
		echo "0 passed, 0 failed, 1 skipped"
		exit 0
	fi
	trap lab_down EXIT
	trap 'exit 130' INT TERM
	lab_up a b "$@" || give_up "the lab comes up"
	for node in a b; do
		lab_spawn "peer-$node" "$node" "$PEER" serve "$node" 8001 24
		lab_spawn "udp-$node" "$node" \
			"$HALO_TOOLS/tests/netns/udp_who" "$node" 7001 24
		lab_wait "$SOON" heard "peer-$node" ready ||
			give_up "$node serves"
	done
}

# sockets NODE PORT: established ones of the node's door
sockets() {
	lab_exec "$1" ss -Htn state established "sport = :$2" | wc -l
}
has_sockets() { [ "$(sockets "$1" "$2")" -eq "$3" ]; }
# flows_of TAG [ADDRESS]: of IPv4 unless the address is another's
flows_of() {
	local family=ipv4
	case ${2-} in *:*) family=ipv6 ;; esac
	lab_exec gateway conntrack -L -f "$family" \
		-m "$(($1 << 16))/0xffff0000" 2>/dev/null | wc -l
}
has_flows() { [ "$(flows_of "$1" "${3-}")" -eq "$2" ]; }
nft_gateway() { lab_exec gateway nft "$@"; }
