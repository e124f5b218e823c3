#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The planes give the same answers: a random sequence of moves, holds and
# losses, the same for each, and what clients saw after every step. The
# transcripts are compared line by line; the first is checked against the table
# as well. SEED repeats a run, STEPS (6) is its length, PLANES (nfqueue nft) are
# compared with the first of them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nft_lib.sh"

# A slow guest needs 150 s for six steps: there it is run with STEPS alone.
if [ "$HALO_SLOW" -gt 1 ] && [ -z "${STEPS:-}" ]; then
	skip "the planes give the same answers" "slow machine, STEPS not given"
	lab_down
	exit 0
fi
read -ra planes <<<"${PLANES:-nfqueue nft}"
readonly SEED=${SEED:-$((SRANDOM % 32768))} STEPS=${STEPS:-6}
readonly ANSWERED='(greeted [ab]|reset|closed|failed .*)'

# script: the steps, a line each: KIND FIRST LAST SEAT, and two doors to look at
script() {
	local step kind first last
	RANDOM=$SEED
	for ((step = 0; step < STEPS; step++)); do
		kind=$((step < 3 ? step : RANDOM % 3))
		first=$((RANDOM % 20 + 1))
		last=$((first + RANDOM % 4))
		echo "$kind $first $last $((RANDOM % 2 + 1))" \
			"$((RANDOM % 24 + 1)) $((RANDOM % 24 + 1))"
	done
}

# The node of a route by the table as it should be, which is kept in seat_of.
node_of() { case ${seat_of[$1]} in 1) echo a ;; 2) echo b ;; esac; }
tell() { echo "$*" >>"$transcript"; }
# does the same to the plane and to seat_of
assign() {
	local r
	for ((r = $1; r <= $2; r++)); do
		seat_of[r]=$3
	done
	serve "$1" "$2" "$3"
}

# the answers that a call has had, without when, in order of the alphabet
answers_to() {
	grep -oE "$ANSWERED" "$LAB_DIR/$1.log" | sort | uniq -c | xargs
}
# who greets: ADDRESS ROUTE
tcp_door() {
	call once "$1" $((8000 + $2))
	lab_wait "$SOON" heard once "$ANSWERED"
	answers_to once
	hang_up once
}
udp_door() {
	lab_exec client "$HALO_TOOLS/tests/netns/udp_ask" "$1" \
		$((7000 + $2)) 0 || echo silence
}
look() {
	local vip
	for vip in "$VIP" "$VIP6"; do
		tell "  route $1 at $vip: tcp $(tcp_door "$vip" "$1")" \
			"udp $(udp_door "$vip" "$1")"
		[ "$(udp_door "$vip" "$1")" = "$(node_of "$1")" ] ||
			tell "  NOT what the table says: $(node_of "$1")"
	done
}
stray() {
	lab_exec client "$HALO_TOOLS/tests/netns/stray_segment" "$@"
}

# One client of the first route that goes, one that stays, over each family.
planned() {
	local first=$1 last=$2 seat=$3 old=${seat_of[$1]} stays=$(($2 + 1))
	local name
	call old4 "$VIP" $((8000 + first)) 3
	call old6 "$VIP6" $((8000 + first)) 3
	call stays "$VIP" $((8000 + stays)) 3
	for name in old4 old6 stays; do
		lab_wait "$SOON" heard "$name" greeted 3
	done
	assign "$first" "$last" "$seat"
	order end $((10 + old)) "$first" "$last" planned
	lab_wait 2 heard old4 ' reset' 3
	lab_wait 2 heard old6 ' reset' 3
	for name in old4 old6 stays; do
		tell "  $name: $(answers_to "$name")"
		hang_up "$name"
	done
}

held() {
	order hold "$1" "$2"
	call waits4 "$VIP" $((8000 + $1)) 3
	call waits6 "$VIP6" $((8000 + $2)) 3
	sleep 0.3 # what must not happen has no event to wait for
	tell "  held: $(answers_to waits4) $(answers_to waits6)"
	assign "$1" "$2" "$3"
	order release "$1" "$2"
	lab_wait "$SOON" heard waits4 "$ANSWERED" 3
	lab_wait "$SOON" heard waits6 "$ANSWERED" 3
	tell "  released: $(answers_to waits4) $(answers_to waits6)"
	hang_up waits4
	hang_up waits6
}

# Refused at once or after no-node-hold: when is the plane's own affair.
unowned() {
	assign "$1" "$2" 0
	tell "  nobody's: $(tcp_door "$VIP" "$1") $(tcp_door "$VIP6" "$2")"
	assign "$1" "$2" "$3"
}

step() {
	tell "$*"
	case $1 in
	0) planned "$2" "$3" $((3 - seat_of[$2])) ;;
	1) held "$2" "$3" "$4" ;;
	2) unowned "$2" "$3" "$4" ;;
	esac
	look "$2"
	look "$5"
	look "$6"
	tell "  a stray segment: $(stray "$VIP" $((8000 + $5)))" \
		"$(stray "$VIP6" $((8000 + $6)))"
}

# transcribe PLANE
transcribe() {
	local kind first last seat one other r
	local -a seat_of=(0)
	for ((r = 1; r <= 24; r++)); do
		seat_of[r]=$((r <= 12 ? 1 : 2))
	done
	seat_of[25]=0
	transcript=$LAB_DIR/transcript-$1
	HALO_PLANE=$1
	: >"$transcript"
	check "$1 opens and takes the table" start_plane
	while read -r kind first last seat one other; do
		step "$kind" "$first" "$last" "$seat" "$one" "$other"
	done < <(script)
	say driver quit flush
	check "$1 goes" lab_wait "$SOON" heard driver 'quit ok'
	check "$1 has answered as the table says" \
		not grep -E 'NOT|silence' "$transcript"
}
start_plane() { open_plane && static_table; }
as_the_first() {
	diff "$LAB_DIR/transcript-${planes[0]}" "$LAB_DIR/transcript-$1"
}
says() { grep -qE "$1" "$LAB_DIR/transcript-${planes[0]}"; }

plane_begin
echo "seed $SEED: SEED=$SEED $0"
for plane in "${planes[@]}"; do
	transcribe "$plane"
done
for plane in "${planes[@]:1}"; do
	check "$plane has given the same answers as ${planes[0]} (seed $SEED)" \
		as_the_first "$plane"
done
check "a planned move has reset old connections of both families" \
	says '^  old6: 3 greeted [ab] 3 reset'
check "and left its neighbour's alone" says '^  stays: 3 greeted [ab]$'
check "nobody was answered while held" says '^  held:[[:space:]]*$'
check "and all by one node afterwards" \
	says '^  released: 3 greeted [ab] 3 greeted [ab]'
check "an unowned door has refused" \
	says "^  nobody's: 1 failed Connection refused"
check "a stray segment has been reset" says 'stray segment: reset reset'
finish
