#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nodes join while clients listen and publish: the table follows T(24, n), and
# no message and no newcomer is lost on the way.
. "$(dirname "$0")/lib.sh"

# haloctl as a user who may look alone, its sockets where they are by default
as_nobody() {
	unshare -m bash -c 'mount -t tmpfs none /run && mkdir /run/halod &&
		ln -s "$0/halod.sock" "$0/halod-ro.sock" /run/halod/ &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$0/haloctl" "$@"' "$LAB_DIR" "$@"
}
refused_to_nobody() {
	as_nobody "$@" 2>&1 | grep -q 'requests that change nothing'
}

begin "a b c" "control-readonly = \"$LAB_DIR/halod-ro.sock\";"
install -m 755 "$HALO_BUILD/haloctl" "$LAB_DIR" && chmod 711 "$LAB_DIR"
# rights CapEff=… CapBnd=… …: of halod's main thread and of all others
rights() {
	local pid
	pid=$(cat "$LAB_DIR/halod.pid")
	[ "$(sed -n 's/^\(CapEff\|CapPrm\|CapInh\|CapBnd\|NoNewPrivs\):\t/\1=/p' \
		/proc/"$pid"/task/*/status | sort -u)" = \
		"$(printf '%s\n' "$@" | sort)" ]
}
none=0000000000000000 few=000000c000003000 # BPF, PERFMON, NET_ADMIN, NET_RAW
check "no thread keeps a right that it does not need" rights \
	CapEff=$few CapPrm=$few CapInh=$none CapBnd=$none NoNewPrivs=1
check "everybody may look" as_nobody status
check "but not act" exits_with 1 as_nobody cluster freeze
check "and is told why" refused_to_nobody cluster freeze
check "the socket of who may act stays shut" \
	exits_with 3 as_nobody -s "$CONTROL" status
join a
eventually "the first node gets all routes" spread a=24
check "every door leads to it" doors_agree
load_start --subscribers 48 --interval 50 --probes 100
load_say publish on
load_say probe on
load_say planned join-b
join b
eventually "the second node gets the upper half" spread a=12 b=12
load_say planned join-c
join c
eventually "the third gets what T(24, 3) says" spread a=8 b=8 c=8
check "routes are where the design's table has them" \
	[ "$(owners | tr -d '\n')" = aaaaaaaaccccbbbbbbbbcccc ]
check "every door leads to the node of the table" doors_agree
check "over IPv6 too" doors_agree "[$VIP6]"

# A client that is to be found among the others.
client=198.18.0.1:39999
lab_spawn known client curl -sN \
	-H "Accept: text/event-stream" --interface "${client%:*}" \
	--local-port "${client#*:}" "http://$VIP:8001/sub"
is_shown() {
	lab_ctl -j route show 1 | jq -e --arg client "$client" \
		'.routes[0].flows | any(.client == $client and .established
			and .node == "a" and .service == "browser")'
}
is_traced() {
	lab_ctl -j trace "$client" "$VIP:$1" | jq -e ".. | .flow? // empty"
}
eventually "a route's clients are shown" is_shown
check "one is traced to its node" is_traced 8001
check "and to no other door" not is_traced 8002
lab_kill known
eventually "all subscribers are back" all_back
load_say end
load_quit
check "no message was lost" load_sum '.lost == 0 and .expected > 200'
check "every message owed was delivered" \
	load_sum '.delivered == .expected'
check "no newcomer was refused" \
	load_sum '.probe_failures == 0 and .probes > 20'
finish
