#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Failover as the clients see it, counted from the moment the cable is cut or
# the server killed: idle subscribers on the node that dies, 500 new
# connections a second. The worst of RUNS (20), each on a cluster of its own;
# a run in which the other node was declared dead too (this machine stood
# still) is counted and repeated. SYN retransmissions are those of all clients
# as their kernel counts them (TcpExtTCPSynRetrans of their namespace).
#
# Prints `name value unit`, a line a figure; incidents go to stderr.
#
#   failover_…, server_kill_…    nft plane, 10 ms × 3 (profile fast)
#   …_10k_…                      with 10,000 idle clients
#   default_…                    nft plane, default profile
#   nfqueue_…                    nfqueue plane, 10 ms × 3
#   peer_…                       failover/peers.sh: what others do to them
#   false_deaths_…               failover/false_deaths.sh
#
#   PARTS="silent killed many nfqueue default peers false_deaths"
#   RUNS=20 FEW_RUNS=5 CAP=15 FALSE_DEATH_SECONDS=300
set -u
cd "$(dirname "$0")/../.." || exit 1
LAB=halobench$$
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/$LAB.XXXXXX")
. scripts/lab
readonly RUNS=${RUNS:-20} FEW_RUNS=${FEW_RUNS:-5} NEWCOMERS=500 PATIENCE=5
readonly FALSE_DEATH_SECONDS=${FALSE_DEATH_SECONDS:-300}
for part in halod peers false_deaths; do
	# shellcheck source=/dev/null
	. "tests/bench/failover/$part.sh"
done

give_up() {
	echo "failover: $*" >&2
	tail -n 20 "$LAB_DIR"/*.log >&2
	exit 1
}

# silent PREFIX RUNS: a cable is cut
silent() {
	local incidents
	incidents=$(runs "$2" silent "$IDLE_FEW") || exit
	worst "$1failover_newconn_max_ms" .connect_max_ms ms <<<"$incidents"
	worst "$1failover_newconn_failed" .connect_failed count <<<"$incidents"
	worst "$1failover_answer_max_ms" .answer_max_ms ms <<<"$incidents"
	worst "$1failover_syn_retransmits" .syn_retransmits count \
		<<<"$incidents"
	worst "$1failover_idle_reset_max_ms" .broken_last_ms ms <<<"$incidents"
	worst "$1failover_idle_untold" '(.idle - .broken)' count <<<"$incidents"
	echo "$1failover_disturbed_runs $(wc -l <"$LAB_DIR/disturbed") count"
}

# killed PREFIX RUNS: a server is killed, its agent lives
killed() {
	local incidents
	incidents=$(runs "$2" killed "$IDLE_FEW") || exit
	worst "$1server_kill_failed_conns" .connect_failed count <<<"$incidents"
	worst "$1server_kill_newconn_max_ms" .connect_max_ms ms <<<"$incidents"
	worst "$1server_kill_told_max_ms" .broken_last_ms ms <<<"$incidents"
	worst "$1server_kill_cut_short" .cut_short count <<<"$incidents"
	echo "$1server_kill_disturbed_runs $(wc -l <"$LAB_DIR/disturbed") count"
}

# with PLANE PROFILE CMD…
with() {
	HALO_PLANE=$1 LAB_PROFILE=$2
	lab_conf 'reserve = 1;' 'settle = "50 ms";'
	"${@:3}"
}

many() {
	local incidents
	incidents=$(runs "$1" silent "$IDLE_MANY") || exit
	worst failover_idle_reset_10k_max_ms .broken_last_ms ms <<<"$incidents"
	worst failover_idle_untold_10k '(.idle - .broken)' count <<<"$incidents"
	worst failover_newconn_10k_max_ms .connect_max_ms ms <<<"$incidents"
	echo "failover_disturbed_runs_10k $(wc -l <"$LAB_DIR/disturbed") count"
}

start_lab() {
	local node
	lab_up "$@" && lab_keys "$@" || give_up "the lab cannot be made"
	for node in "$@"; do
		lab_server_start "$node" || give_up "nginx does not start"
	done
}

peers() {
	local fault name
	scripts/install-deps --bench >&2
	for fault in silent killed; do
		for name in haproxy haproxy_tuned nginx nginx_tuned \
			dnat dnat_flush; do
			peer_figures "$name" "$fault"
		done
	done
}

false_deaths_part() {
	lab_down
	mkdir -p "$LAB_DIR"
	start_lab a b c d e f
	with nft fast false_deaths_under_load "$FALSE_DEATH_SECONDS"
}

trap lab_down EXIT
trap 'exit 130' INT TERM
ulimit -n 65536 2>/dev/null
start_lab a b
for part in ${PARTS:-silent killed many nfqueue default peers false_deaths}; do
	case $part in
	silent) with nft fast silent '' "$RUNS" ;;
	killed) with nft fast killed '' "$RUNS" ;;
	many) with nft fast many "$FEW_RUNS" ;;
	nfqueue)
		with nfqueue fast silent nfqueue_ "$FEW_RUNS"
		with nfqueue fast killed nfqueue_ "$FEW_RUNS"
		;;
	default)
		with nft default silent default_ "$FEW_RUNS"
		with nft default killed default_ "$FEW_RUNS"
		;;
	peers) peers ;;
	false_deaths) false_deaths_part ;;
	*) give_up "no part $part" ;;
	esac
done
