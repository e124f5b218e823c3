#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Doors come and go while a plane carries packets, on each plane: connections
# of doors that stay lose nothing, new ones connect at once, those of doors that
# are gone are reset, and what is held stays held. PLANES=nft: on that
# alone; ROUNDS (8) of clients.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/nft_lib.sh"

readonly OTHER=198.18.0.101 ROUNDS=${ROUNDS:-8}
readonly BASE="$VIP $VIP6 tcp 8001 udp 7001"

# All that were called have been greeted, and none needed a second SYN.
# swift NAME COUNT
swift() {
	lab_wait "$SOON" heard "$1" greeted "$2" &&
		within_ms "$(grep -m 1 greeted "$LAB_DIR/$1.log" | cut -d' ' -f1)" \
			"$(moment "$1" greeted)" 150
}

# Services come and go beside those in use, while clients connect to these.
under_load() {
	local i
	for ((i = 1; i <= ROUNDS; i++)); do
		call "burst$i" "$VIP" $((8000 + i % 24 + 1)) 60
		# shellcheck disable=SC2086 # a word each
		order doors $BASE $([ $((i % 2)) -eq 0 ] || echo tcp 6001) ||
			return
		swift "burst$i" 60 || return
		hang_up "burst$i"
	done
}

on_plane() {
	HALO_PLANE=$1
	check "$1 opens and takes the table" start_plane
	call lasting "$VIP" 8001 20
	lab_wait "$SOON" heard lasting greeted 20
	# shellcheck disable=SC2086 # a word each
	check "$1 gets a service more" order doors $BASE tcp 6001
	check "and serves it" greets "$VIP" 6001 a
	check "at both addresses" greets "$VIP6" 6014 b
	check "new connections never wait while services come and go" \
		under_load
	# shellcheck disable=SC2086
	order doors $BASE tcp 6001
	order hold 2 2
	call waits "$VIP" 6002
	call gone "$VIP" 6003 5
	lab_wait "$SOON" heard gone greeted 5
	order doors "$VIP" "$VIP6" tcp 8001 udp 7001 tcp 6001 tcp 5001
	call fresh "$VIP" 5002
	sleep 0.3 # what must not happen has no event to wait for
	check "what is held stays held" not heard waits greeted
	check "at new doors, too" not heard fresh greeted
	order release 2 2
	check "and goes on when released" lab_wait 3 heard waits greeted
	check "at new doors, too" lab_wait 3 heard fresh greeted
	hang_up waits
	hang_up fresh
	# shellcheck disable=SC2086
	check "a service goes" order doors $BASE
	check "and its connections with it" lab_wait 2 heard gone ' reset' 5
	say lasting ping
	check "all others have lost nothing" lab_wait 2 heard lasting echoed 20
	check "its doors are shut" not answers_at 6001
	check "the address changes" order doors "$OTHER" "$VIP6" tcp 8001
	check "clients of the former one are told" \
		lab_wait 2 heard lasting ' reset' 20
	check "the new one is served" greets "$OTHER" 8014 b
	say driver quit flush
	check "$1 goes" lab_wait "$SOON" heard driver 'quit ok'
	hang_up lasting
	hang_up gone
}
# (greets waits for long)
answers_at() {
	lab_exec client curl -s --max-time 1 "http://$VIP:$1/" >/dev/null
	[ $? -ne 7 ] # refused
}
start_plane() { open_plane && static_table; }

plane_begin
for node in a b; do
	for port in 6001 5001; do
		lab_spawn "peer-$node-$port" "$node" "$PEER" serve "$node" \
			"$port" 24
	done
done
lab_in gateway addr add "$OTHER/32" dev clients
for plane in ${PLANES:-nfqueue nft}; do
	on_plane "$plane"
done
finish
