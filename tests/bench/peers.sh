#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod's planes beside plain forwarding and what people use today. All run at
# the same time and take turns of a tenth of a second (load/turns.h) until each
# has had SECONDS_EACH (1), ROUNDS (5) times over, so that noise meets all of
# them alike. peers/contenders.sh makes them.
#
#   keepalive  HTTP requests on kept connections     newconn  one a connection
#   bulk       4 MB files on kept connections        pps      small UDP packets
#   ab         ab -c 100, a connection each: AB_REQUESTS (1000000) through
#              AB_FULL (forward nft), 10000 through the others, one by one
#
# Requests and answers are as small as they get, nobody logs: what is measured
# is the way there, with the machine's two cores for client, gateway and server
# together. Plain forwarding tracks no connections.
#
# Prints `name value unit`, a line a figure; every measurement is left in
# build/bench/peers.raw.
set -u
cd "$(dirname "$0")/../.." || exit 1
readonly BENCH=halopeers$$ ROUNDS=${ROUNDS:-5} SECONDS_EACH=${SECONDS_EACH:-1}
readonly AB_REQUESTS=${AB_REQUESTS:-1000000} AB_FULL=${AB_FULL:-forward nft}
readonly LEAD_US=500000 # from the start of the loads to the first turn
readonly CONTENDERS=${CONTENDERS:-forward dnat haproxy nginx nfqueue nft nft65000}
BENCH_DIR=$(mktemp -d "${TMPDIR:-/tmp}/$BENCH.XXXXXX")
chmod 711 "$BENCH_DIR" # nginx looks in
. tests/bench/peers/contenders.sh
readonly RAW=${RAW:-build/bench/peers.raw}
running=()

clean_up() {
	local who
	for who in $CONTENDERS; do
		in_lab "$who" lab_down
	done
	rm -rf "$BENCH_DIR"
}

# What arrives on the flood's ports is counted and goes no further.
start_sink() {
	lab_exec a nft -f - <<-NFT
		table ip sink {
			counter arrived { }
			chain in {
				type filter hook prerouting priority raw;
				udp dport 7001-7024 counter name arrived drop
			}
		}
	NFT
}

arrived() {
	lab_exec a nft -j list counter ip sink arrived |
		jq '.nftables[] | .counter? // empty | .packets'
}

start_server() {
	local dir=$LAB_DIR/nginx-a
	mkdir -p "$dir/www"
	truncate -s 4M "$dir/www/big"
	chmod -R a+rwX "$dir"
	sed "s|@DIR@|$dir|g" "$PEERS/server.conf" >"$dir/nginx.conf"
	lab_spawn nginx-a a nginx -e stderr -p "$dir" -c "$dir/nginx.conf"
	lab_wait 5 lab_exec a curl -fso /dev/null http://127.0.0.1:8024/
}

# prints why when the contender cannot take part
start() {
	lab_up a && start_server && start_sink &&
		"start_$WHO" && return
	tail -qn 1 "$LAB_DIR"/*.log
	return 1
}

# The threads whose time is counted beside the client's own. Softirqs run in
# whichever thread they meet, else in ksoftirqd.
# shellcheck disable=SC2046 # one pid a word
watches() {
	local gateway
	echo "--watch server=$(tids $(with_children "$(lab_pid nginx-a)"))"
	echo "--watch softirq=$(pgrep '^ksoftirqd/' | paste -sd,)"
	gateway=$(tids $(gateway_pids))
	[ -z "$gateway" ] || echo "--watch gateway=$gateway"
}

http_load() {
	# shellcheck disable=SC2046 # one option a word
	lab_exec client "$HALO_TOOLS/tests/bench/http_load" --to "$1" \
		--seconds "$SECONDS_EACH" --turn "$TURN" $(watches) "${@:2}"
}

measure_keepalive() { http_load "$1"; }
measure_newconn() { http_load "$1" --close; }
measure_bulk() { http_load "$1" --clients 4 --path /big; }

measure_pps() {
	local before sent
	before=$(arrived)
	# shellcheck disable=SC2046
	sent=$(lab_exec client "$HALO_TOOLS/tests/bench/udp_flood" \
		--to "$1" --seconds "$SECONDS_EACH" --turn "$TURN" $(watches)) ||
		return
	jq -c ".delivered = $(($(arrived) - before))" <<<"$sent"
}

# What halod takes, in kB; nothing where there is none.
halod_kb() {
	awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid halod)/status" 2>/dev/null
}

run_ab() {
	lab_exec client ab -q -n "$2" -c 100 "http://$1:8001/" \
		2>>"$LAB_DIR/ab.log"
}

measure_ab() {
	local n=10000 before result
	[[ " $AB_FULL " != *" $WHO "* ]] || n=$AB_REQUESTS
	run_ab "$1" 1000 >/dev/null || return
	before=$(halod_kb)
	result=$(run_ab "$1" "$n" | awk '
		/^Failed requests/ { failed = $3 }
		/^Time per request.*across/ { ms = $4 }
		END { if (ms == "") exit 1
		      printf "{\"ms\":%s,\"failed\":%d}\n", ms, failed }') ||
		return
	jq -c ".grown_kb = $(($(halod_kb) + 0 - ${before:-0}))" <<<"$result"
}

# takes_part KIND CONTENDER: small packets go through what is no proxy
takes_part() {
	[[ "$1" != pps || ("$2" != haproxy && "$2" != nginx) ]]
}

# measure KIND CONTENDER ROUND
measure() {
	local line
	line=$(in_lab "$2" "measure_$1" "$(address_of "$2")") &&
		[ -n "$line" ] || {
		echo "peers: $1 through $2 failed in round $3" >&2
		return
	}
	jq -c --arg kind "$1" --arg who "$2" \
		". + {kind: \$kind, who: \$who, round: $3}" <<<"$line"
}

# all_measure KIND ROUND: those that run, in turns. What halod's queue holds at
# the end of a flood takes a while.
all_measure() {
	local who from rest=20 mine=0 those=()
	[ "$1" != pps ] || rest=60
	for who in "${running[@]}"; do
		! takes_part "$1" "$who" || those+=("$who")
	done
	from=$((${EPOCHREALTIME/[.,]/} + LEAD_US))
	for who in "${those[@]}"; do
		TURN=$from,$mine,${#those[@]},$rest
		measure "$1" "$who" "$2" >"$BENCH_DIR/$who.turn" &
		mine=$((mine + 1))
	done
	wait
	for who in "${those[@]}"; do
		cat "$BENCH_DIR/$who.turn"
	done >>"$RAW"
}

scripts/install-deps --bench >&2
trap clean_up EXIT
trap 'exit 130' INT TERM
mkdir -p "$(dirname "$RAW")"
: >"$RAW"
for who in $CONTENDERS; do
	if why=$(in_lab "$who" start 2>&1); then
		running+=("$who")
	else
		echo "skip - $who: $why" >&2
	fi
done
for ((round = 1; round <= ROUNDS; round++)); do
	for kind in keepalive newconn bulk pps; do
		all_measure "$kind" "$round"
	done
done
for who in "${running[@]}"; do
	measure ab "$who" 1 >>"$RAW"
done
jq -nr --slurpfile all "$RAW" -f tests/bench/peers/figures.jq
