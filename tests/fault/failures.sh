#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# System calls and allocations of halod fail, at each place once
# (tests/fault/fail_nth.c), while it starts and while it works: nodes are
# drained and lost, requests answered, the configuration read anew. It goes on,
# or ends and says why; it never crashes, and afterwards all tables agree.
#
# ROUNDS: how often it is started; 0 goes on until no new place is met (soak).
. "$(dirname "$0")/../netns/lib.sh"
. "$(dirname "$0")/../netns/audit_lib.sh"

readonly ROUNDS=${ROUNDS:-12}
readonly SHIM=$HALO_TOOLS/tests/fault/fail_nth.so
readonly FAIL="$LAB_DIR/fail"

inject() { printf %s "$1" | dd of="$FAIL.on" conv=notrunc status=none; }
places() { wc -l <"$FAIL.log"; }

# failing_halod: as lab_halod_start, and its exit status stays to be asked for
failing_halod() {
	: >"$FAIL.halod"
	ip netns exec "$(lab_ns gateway)" setarch -R env LD_PRELOAD="$SHIM" \
		FAIL_CONTROL="$FAIL.on" FAIL_SITES="$FAIL.sites" \
		FAIL_LOG="$FAIL.log" FAIL_GAP_MS=5 \
		"$HALO_BUILD/halod" -c "$LAB_DIR/halod.conf" \
		>"$FAIL.halod" 2>&1 </dev/null &
	echo $! >"$LAB_DIR/halod.pid"
}
answers_or_ended() {
	! lab_alive halod || timeout 1 "$HALO_BUILD/haloctl" -s "$CONTROL" \
		-j status
}
ask() { timeout 1 "$HALO_BUILD/haloctl" -s "$CONTROL" -j "$@"; }

work() {
	ask node drain b
	ask node list
	ask history
	kill -HUP "$(lab_pid halod)"
	sleep 0.4
	ask node undrain b
	lab_link c down
	ask table dump
	ask stats
	ask route why 7
	sleep 0.7
	lab_link c up
	ask status
	true # what was not answered is made up for, or judged, later
} >/dev/null 2>&1

# ended_well: by itself, with a line that says why
ended_well() {
	local pid status
	pid=$(lab_pid halod)
	wait "$pid"
	status=$?
	rm -f "$LAB_DIR/halod.pid"
	# 3 is libnftables': it writes a line and ends the program
	[[ $status =~ ^[013]$ ]] && { [ "$status" -eq 0 ] ||
		[ -s "$FAIL.halod" ]; } && return
	echo "  halod ended with status $status; what failed last:"
	tail -n 3 "$FAIL.log" | sed 's/^/  /'
	tail -n 3 "$FAIL.halod" | sed 's/^/  /'
	return 1
}

# while_it_starts, while_it_works: one life of halod
while_it_starts() {
	inject 1
	failing_halod
	lab_wait "$SOON" answers_or_ended || {
		echo "  it neither answers nor ends: $(tail -n 1 "$FAIL.log")"
		return 1
	}
}
while_it_works() {
	inject 0
	failing_halod
	lab_wait "$SOON" settled || return
	inject 1
	work
}
settled() {
	connected a b c && lab_ctl -j route list |
		jq -e 'all(.routes[]; .to == null and .node != null)'
}
# Nothing fails any more: what is left of it gets over it.
recovers() {
	inject 0
	if lab_alive halod; then
		ask node undrain b >/dev/null 2>&1
		lab_wait $((2 * SOON)) settled && lab_wait "$SOON" audit a b c ||
			{ tail -n 5 "$FAIL.log"; tail -n 20 "$FAIL.halod"
			audit a b c; return 1; }
		inject 1
		kill "$(lab_pid halod)"
	fi
	ended_well
}
agrees_again() {
	lab_halod_start && ask node undrain b >/dev/null 2>&1
	lab_wait $((2 * SOON)) settled && lab_wait "$SOON" audit a b c
}

export HALO_PLANE=nft LAB_AGENTS='interval = "100 ms"; miss = 5;'
[ -e "$SHIM" ] || {
	echo "skip - failures: $SHIM is not built"
	exit 0
}
begin "a b c" 'reserve = 1;' 'settle = "50 ms";' 'hold-down = "100 ms";' \
	'hold-down-max = "200 ms";' 'restart-grace = "1 s";'
: >"$FAIL.log"
: >"$FAIL.on"
inject 0
join a b c
eventually "two nodes serve, one waits" settled
lab_kill halod
bad=0 round=0 calm=0
while [ "$round" -lt "$ROUNDS" ] ||
	{ [ "$ROUNDS" -eq 0 ] && [ "$calm" -lt 6 ]; }; do
	round=$((round + 1)) before=$(places)
	how=while_it_starts
	[ $((round % 3)) -ne 0 ] || how=while_it_works
	"$how" && recovers || {
		echo "  round $round, $how"
		bad=$((bad + 1))
		lab_kill halod KILL
	}
	[ "$(places)" -eq "$before" ] && calm=$((calm + 1)) || calm=0
done
echo "# $(places) places failed in $round lives"
check "halod gets over each failure, or ends and says why" [ "$bad" -eq 0 ]
inject 0
check "all tables agree in the end" agrees_again
finish
