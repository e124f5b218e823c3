#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod's planes beside plain forwarding and what people use today: ROUNDS (5)
# times over, each contender in turn, a second a measurement, so that noise
# meets all of them alike. peers/contenders.sh makes them.
#
#   keepalive  HTTP requests on kept connections     newconn  one a connection
#   bulk       a large file on kept connections      pps      small UDP packets
#   ab         AB_REQUESTS (10000) by ab -c 100, a connection each
#
# Prints `name value unit`, a line a figure; every measurement is left in
# build/bench/peers.raw.
set -u
cd "$(dirname "$0")/../.." || exit 1
readonly BENCH=halopeers$$ ROUNDS=${ROUNDS:-5} SECONDS_EACH=${SECONDS_EACH:-1}
readonly AB_REQUESTS=${AB_REQUESTS:-10000}
readonly CONTENDERS=${CONTENDERS:-forward dnat haproxy nginx nfqueue nft}
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
	truncate -s 64M "$dir/www/big"
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
		--seconds "$SECONDS_EACH" $(watches) "${@:2}"
}

measure_keepalive() { http_load "$1"; }
measure_newconn() { http_load "$1" --close; }
measure_bulk() { http_load "$1" --clients 4 --path /big; }

measure_pps() {
	local before sent
	[[ "$WHO" != haproxy && "$WHO" != nginx ]] || return 0
	before=$(arrived)
	# shellcheck disable=SC2046
	sent=$(lab_exec client "$HALO_TOOLS/tests/bench/udp_flood" \
		--to "$1" --seconds "$SECONDS_EACH" $(watches)) || return
	jq -c ".delivered = $(($(arrived) - before))" <<<"$sent"
}

measure_ab() {
	lab_exec client ab -q -n "$AB_REQUESTS" -c 100 "http://$1:8001/" \
		2>>"$LAB_DIR/ab.log" | awk '
		/^Failed requests/ { failed = $3 }
		/^Time per request.*across/ { ms = $4 }
		END { if (ms == "") exit 1
		      printf "{\"ms\":%s,\"failed\":%d}\n", ms, failed }'
}

# measure KIND CONTENDER ROUND
measure() {
	local line
	line=$(in_lab "$2" "measure_$1" "$(address_of "$2")") || {
		echo "peers: $1 through $2 failed in round $3" >&2
		return
	}
	[ -z "$line" ] || jq -c --arg kind "$1" --arg who "$2" \
		". + {kind: \$kind, who: \$who, round: $3}" <<<"$line" >>"$RAW"
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
	for kind in keepalive newconn bulk pps ab; do
		for who in "${running[@]}"; do
			measure "$kind" "$who" "$round"
		done
	done
done
jq -nr --slurpfile all "$RAW" -f tests/bench/peers/figures.jq
