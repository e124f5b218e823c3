# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The same faults and clients with what people use today in halod's place on
# the gateway: node a serves, node b is the backup. Sourced by ../failover.sh.
#
#   haproxy         its own defaults for checks (2 s, 3 times)
#   haproxy_tuned   inter 10ms fall 3 on-marked-down shutdown-sessions
#   nginx           stream, its defaults
#   nginx_tuned     stream, proxy_connect_timeout 50ms
#   dnat            a map of doors; a checker that knows after 10 ms × 3 and
#                   switches the map in one transaction
#   dnat_flush      the same, and it deletes the node's conntrack entries
#
# A proxy accepts a connection whatever becomes of the nodes: so newcomers wait
# for the first byte of a node's answer.

readonly PEERS=tests/bench/peers CAP=${CAP:-15}

# fill TEMPLATE [NAME VALUE]…: @NAME@ becomes VALUE
fill() {
	local script="s|@DIR@|$LAB_DIR|g; s|@VIP@|$VIP|g; s|@A@|$(lab_addr a)|g
		s|@B@|$(lab_addr b)|g"
	local template=$1
	shift
	while [ $# -gt 0 ]; do
		script+="; s|@$1@|$2|g"
		shift 2
	done
	sed "$script" "$template"
}
doors() { seq 8001 8024; seq 9001 9024; }

# haproxy_with CHECK…
haproxy_with() {
	fill tests/bench/failover/haproxy.cfg CHECK "$*" >"$LAB_DIR/haproxy.cfg"
	lab_spawn peer gateway haproxy -db -q -f "$LAB_DIR/haproxy.cfg"
}
start_haproxy() { haproxy_with check; }
start_haproxy_tuned() {
	haproxy_with check inter 10ms fall 3 on-marked-down shutdown-sessions
}

# nginx_with [SETTING;]
nginx_with() {
	local port
	{
		fill "$PEERS/nginx-head.conf"
		echo "$*"
		for port in $(doors); do
			fill tests/bench/failover/nginx-door.conf PORT "$port"
		done
		echo '}'
	} >"$LAB_DIR/nginx.conf"
	lab_spawn peer gateway nginx -e stderr -p "$LAB_DIR" \
		-c "$LAB_DIR/nginx.conf"
}
start_nginx() { nginx_with; }
start_nginx_tuned() { nginx_with 'proxy_connect_timeout 50ms;'; }

# elements NODE: of the map, all doors to it
elements() { doors | sed "s/\$/ : $(lab_addr "$1")/" | paste -sd,; }

# An nft that is there already: to start one takes as long as detection.
start_dnat() {
	fill "$PEERS/dnat.nft" DOORS "$(elements a)" >"$LAB_DIR/dnat.nft"
	lab_exec gateway nft -f "$LAB_DIR/dnat.nft" || return
	mkfifo "$LAB_DIR/switch" 2>/dev/null
	lab_spawn peer gateway sh -c "exec nft -i <>'$LAB_DIR/switch'"
	echo "flush map ip peers doors; add element ip peers doors { $(
		elements b) }" >"$LAB_DIR/switch.nft"
}
start_dnat_flush() { start_dnat; }
stop_dnat() { lab_exec gateway nft delete table ip peers; }
stop_dnat_flush() { stop_dnat; }
# the checker's part, in the command of the fault
react_dnat() { echo "; sleep 0.03; cat $LAB_DIR/switch.nft >$LAB_DIR/switch"; }
react_dnat_flush() {
	react_dnat
	echo "; ip netns exec $(lab_ns gateway) conntrack -D -d $VIP -r $(
		lab_addr a) >/dev/null 2>&1"
}

defined() { declare -F "$1" >/dev/null; }

door_answers() {
	lab_exec client curl -fso /dev/null --max-time 1 "http://$VIP:8024/"
}

# peer_run NAME silent|killed: the incident
peer_run() {
	local command
	"start_$1" >&2 && lab_wait 5 door_answers || give_up "$1 does not start"
	command="$("fault_$2")"
	! defined "react_$1" || command+=$("react_$1" | paste -sd' ')
	load_start --subscribers "$IDLE_FEW" --probes "$NEWCOMERS" \
		--away 60000 --patience $((CAP + 5)) ||
		give_up "the subscribers do not connect through $1"
	load_say probe on
	lab_wait 2 load_is ".probes > $NEWCOMERS / 4"
	strike "$command" "$IDLE_FEW" "$CAP"
	load_stop
	wait "$LOAD_PID" 2>/dev/null
	lab_kill peer
	! defined "stop_$1" || "stop_$1" >&2
	lab_exec gateway conntrack -F >/dev/null 2>&1
	lab_link a up
	restart_server >&2
}

# what came within CAP seconds, and how much never did
peer_figures() {
	local name=$1 fault=$2 incident
	incident=$(peer_run "$name" "$fault") || exit
	echo "$fault $name $incident" >&2
	jq -r --arg p "peer_${name}_$fault" --argjson cap "${CAP}000" '
		(.idle - .broken) as $untold | .unanswered as $never
		| "\($p)_answer_max_ms \(if $never > 0 then $cap
			else .answer_max_ms end) ms",
		  "\($p)_answer_never \($never) count",
		  "\($p)_newconn_failed \(.connect_failed) count",
		  "\($p)_newconn_broken \(.cut_short) count",
		  "\($p)_syn_retransmits \(.syn_retransmits) count",
		  "\($p)_told_max_ms \(if $untold > 0 then $cap
			else .broken_last_ms end) ms",
		  "\($p)_told_never \($untold) count"' <<<"$incident"
}
