# shellcheck shell=bash disable=SC2034 # LAB is for scripts/lab
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The contenders, each in a lab of its own (scripts/lab), all of one shape:
# client, gateway, node a. Sourced by the benches beside this
# directory; BENCH names the labs, BENCH_DIR holds their files.
#
#   forward       the gateway routes, the client addresses the node itself
#   dnat          a one-level nft DNAT map
#   haproxy       HAProxy, mode tcp, a thread
#   nginx         nginx stream, a worker
#   nfqueue, nft  halod's planes
#   nft65000      nft, with a route for every port up to 65000

readonly PEERS=tests/bench/peers

# in_lab CONTENDER CMD…: CMD is a function of scripts/lab or of this file
in_lab() (
	WHO=$1
	LAB=$BENCH-$WHO
	LAB_DIR=$BENCH_DIR/$WHO
	. scripts/lab
	"${@:2}"
)

# fill TEMPLATE [NAME VALUE]…: @NAME@ becomes VALUE
fill() {
	local template=$1 script
	script="s|@DIR@|$LAB_DIR|g; s|@VIP@|$VIP|g; s|@A@|$(lab_addr a)|g"
	shift
	while [ $# -gt 0 ]; do
		script+="; s|@$1@|$2|g"
		shift 2
	done
	sed "$script" "$PEERS/$template"
}

doors() { seq 8001 8024; seq 9001 9024; }

start_dnat() {
	local doors
	doors=$({ seq 7001 7024; doors; } |
		sed "s/\$/ : $(lab_addr a)/" | paste -sd,)
	fill dnat.nft DOORS "$doors" >"$LAB_DIR/dnat.nft"
	lab_exec gateway nft -f "$LAB_DIR/dnat.nft"
}

start_forward() { :; }

door_answers() {
	lab_exec client curl -fso /dev/null --max-time 1 "http://$VIP:8024/"
}

start_haproxy() {
	fill haproxy.cfg >"$LAB_DIR/haproxy.cfg"
	lab_spawn haproxy gateway haproxy -db -q -f "$LAB_DIR/haproxy.cfg"
	lab_wait 5 door_answers
}

start_nginx() {
	local port
	{
		fill nginx-head.conf
		for port in $(doors); do
			fill nginx-door.conf PORT "$port"
		done
		echo '}'
	} >"$LAB_DIR/nginx.conf"
	lab_spawn nginx gateway nginx -e stderr -p "$LAB_DIR" \
		-c "$LAB_DIR/nginx.conf"
	lab_wait 5 door_answers
}

# halod with node a; 7001-7024 are doors for UDP
# start_halod PLANE ROUTES [SED_SCRIPT]: the configuration, edited
start_halod() {
	LAB_SERVICES='{ name = "flood"; listen = 7001; protocol = "udp"; }' \
		HALO_PLANE=$1 lab_conf
	sed -i "${3:-}" "$LAB_DIR/halod.conf"
	lab_keys a && lab_halod_start || return
	lab_agent_start a
	lab_wait 20 spread "a=$2"
}
start_nfqueue() { start_halod nfqueue 24; }
start_nft() { start_halod nft 24; }
start_nft65000() {
	start_halod nft 65000 's/^\( *routes = \).*/\165000;/
		s/listen = 8001/listen = 1/
		s/"app"; listen = 9001;/"all"; listen = 1; protocol = "udp";/
		s/, { name = "flood".*}//'
}

# where the client finds CONTENDER's doors
address_of() {
	if [ "$1" = forward ]; then
		in_lab "$1" lab_addr a
	else
		in_lab "$1" eval 'echo "$VIP"'
	fi
}

# tids PID…: their threads, as --watch of the loads takes them
tids() {
	local pid
	for pid in "$@"; do
		ls "/proc/$pid/task"
	done 2>/dev/null | paste -sd,
}

with_children() { echo "$1" "$(lab_children "$1")"; }

# what CONTENDER runs on the gateway, beside the kernel
gateway_pids() {
	case $WHO in
	haproxy) lab_pid haproxy ;;
	nginx) with_children "$(lab_pid nginx)" ;;
	nfqueue | nft*) lab_pid halod ;;
	esac
}
