#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# 2048 agents with TLS, all in one process (scale/swarm.c), against one halod:
# what they cost it, how quickly they may beat, what happens when half of them
# die or all of them come back at once.
#
# Prints `name value unit`, a line a figure; what happened goes to stderr.
#
#   agent_idle_bytes             memory of halod a connected idle agent
#   connect_2048_ms              all connect at once: until the last WELCOME
#   reconnect_2048_ms            the same after a restart of halod
#   mass_failure_ms              1024 of 2048 silent at once: from when the last
#                                is due to be lost until the last of the others
#                                has its routes; 65535 routes, plane nft
#   mass_failure_24_ms           the same with 24 routes
#   agents_2048_interval_ms      the shortest interval at which none is lost
#                                over SCALE_SECONDS; x 3, profile fast
#   agents_2048_…_cpu            of halod, and of the agents, at that interval
#
#   PARTS="idle reconnect interval failure"  SCALE_SECONDS=300
#   SCALE_AGENTS=2048 INTERVALS="100 75 50 40 30 25 20 15 12 10"
set -u
cd "$(dirname "$0")/../.." || exit 1
LAB=haloscale$$
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/$LAB.XXXXXX")
. scripts/lab
. tests/bench/scale/swarm.sh
readonly AGENTS_MAX=${SCALE_AGENTS:-2048} SECONDS_LONG=${SCALE_SECONDS:-300}
readonly INTERVALS=${INTERVALS:-100 75 50 40 30 25 20 15 12 10}
readonly SECONDS_SHORT=${SCALE_SHORT:-10} # to find a candidate

give_up() {
	echo "scale: $*" >&2
	tail -n 20 "$LAB_DIR"/*.log >&2
	exit 1
}

# conf PLANE ROUTES PROFILE INTERVAL_MS [LINE…]
conf() {
	cat >"$LAB_DIR/halod.conf" <<-CONF
		routes = $2;
		virtual-address = [ "$VIP" ];
		services = ( { name = "web"; listen = 1; } );
		agents = {
			listen = "$AGENTS";
			profile = "$3"; interval = "$4 ms";
			keys = "$LAB_DIR/keys";
			node-networks = [ "198.19.0.0/16" ];
		};
		plane = "$1";
		state = "$LAB_DIR/halod.db";
		control = "$CONTROL";
		log-level = "warn";
	CONF
	[ $# -eq 4 ] || printf '%s\n' "${@:5}" >>"$LAB_DIR/halod.conf"
}

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid halod)/status"; }

# ns of CPU of all threads of a process
cpu_ns() { cat "/proc/$1"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f\n", n }'; }

# fresh CONF…: halod on an empty state, nobody connected
fresh() {
	conf "$@"
	rm -f "$LAB_DIR"/halod.db*
	lab_halod_start || give_up "halod does not start"
	swarm_start "$AGENTS_MAX"
}

# halod first: it would ask the server of each agent that is gone.
end() {
	lab_ctl shutdown --flush >/dev/null
	lab_wait 10 not lab_alive halod || give_up "halod does not end"
	swarm_stop
}

all_join() {
	swarm join 60
	[ "$(said joined)" = "$AGENTS_MAX" ] || give_up "not all are admitted"
}

idle() {
	local before
	fresh null 2048 default 200
	before=$(rss_kib)
	all_join
	echo "connect_${AGENTS_MAX}_ms $(said ms) ms"
	swarm stay 3
	echo "agent_idle_bytes" \
		"$((($(rss_kib) - before) * 1024 / AGENTS_MAX)) B"
	end
}

reconnect() {
	fresh nft 2048 default 200
	all_join
	swarm stay 3
	swarm park
	lab_kill halod KILL
	lab_halod_start || give_up "halod does not start again"
	all_join
	echo "reconnect_${AGENTS_MAX}_ms $(said ms) ms"
	swarm stay 3
	[ "$(said lost)" = 0 ] || give_up "agents were lost after a restart"
	end
}

# Nobody joins any more: else half of those who sit would be too many to lose.
sits_still() {
	local left=10
	until [ "$(lab_ctl -j node list |
		jq '[.nodes[] | select(.state == "joining")] | length')" = 0 ]; do
		[ $((left -= 1)) -gt 0 ] || return
		swarm stay 1
	done
}

# failure NAME ROUTES
failure() {
	fresh nft "$2" default 200
	all_join
	swarm stay 5
	sits_still || give_up "the joins do not settle"
	swarm silence $((AGENTS_MAX / 2)) 10
	[ "$(said routes)" = "$2" ] || give_up "routes are not all told"
	[ "$(said lost)" = 0 ] || give_up "the living were lost"
	echo "$1 $(said after_ms) ms"
	end
}

# holds SECONDS: nobody was lost, by either side
holds() {
	swarm stay "$1"
	[ "$(said lost)" = 0 ] && [ "$(said up)" = "$AGENTS_MAX" ]
}

# pace INTERVAL_MS: from now on
pace() {
	conf null 2048 fast "$1"
	lab_ctl config reload >/dev/null || give_up "not reloaded"
	swarm stay 1
}

# Everybody is there, at leisure; then at that pace.
regain() {
	pace 200
	all_join
	swarm stay 3
	pace "$1"
}

# costs SECONDS: does it hold; $halod_ns, $swarm_ns and $beats over it
costs() {
	local status halod
	halod=$(lab_pid halod)
	halod_ns=$(cpu_ns "$halod") swarm_ns=$(cpu_ns "$(swarm_child)")
	holds "$1"
	status=$?
	halod_ns=$(($(cpu_ns "$halod") - halod_ns))
	swarm_ns=$(($(cpu_ns "$(swarm_child)") - swarm_ns))
	beats=$(said beats)
	return $status
}

# ip netns exec becomes the program it runs
swarm_child() {
	local child
	child=$(lab_children "$swarm_pid")
	echo "${child:-$swarm_pid}" | tr -d ' '
}

share() { awk -v n="$1" -v s="$2" 'BEGIN { printf "%.2f", n / s / 1e9 }'; }

report_interval() {
	echo "agents_${AGENTS_MAX}_interval_ms $1 ms"
	echo "agents_${AGENTS_MAX}_halod_cpu" \
		"$(share "$halod_ns" "$SECONDS_LONG") cores"
	echo "agents_${AGENTS_MAX}_agents_cpu" \
		"$(share "$swarm_ns" "$SECONDS_LONG") cores"
	echo "beat_halod_ns $((halod_ns / beats)) ns"
	echo "beat_agent_ns $((swarm_ns / beats)) ns"
}

# Down to the first that does not hold, and up again to one that does for long.
interval() {
	local ms held=()
	fresh null 2048 fast 200
	all_join
	swarm stay 3
	for ms in $INTERVALS; do
		pace "$ms"
		holds "$SECONDS_SHORT" || break
		held=("$ms" "${held[@]}")
	done
	for ms in "${held[@]}"; do
		regain "$ms"
		costs "$SECONDS_LONG" || continue
		report_interval "$ms"
		end
		return
	done
	give_up "no interval of $INTERVALS holds"
}

trap lab_down EXIT
trap 'exit 130' INT TERM
ulimit -n 20000
lab_up a && lab_keys 'n*' || give_up "the lab cannot be made"
for part in ${PARTS:-idle reconnect interval failure}; do
	case $part in
	failure)
		failure mass_failure_ms 65535
		failure mass_failure_24_ms 24
		;;
	*) "$part" ;;
	esac
done
