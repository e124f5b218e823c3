#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod is killed by SIGKILL at random moments, KILLS times, while clients work
# and nodes die, leave, return and hand over. Each time it is started again,
# what is under way ends, and then all who have the table must have the same one:
# halod, store, kernel, agents. Routes of a node that is well stay, and so do
# their connections.
#
# SEED replays a choice of what happens when (as far as machines do). The last
# line but the sum is the figure of `make bench`.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/audit_lib.sh"

readonly KILLS=${KILLS:-10} SEED=${SEED:-$((SECONDS + $$))}
# node a is left alone, and with three active nodes these are its own
readonly CALM="1 2 3 4 5 6"

# What is done to node $2, and how it is taken back.
disturb() {
	case $1 in
	cable) lab_link "$2" down ;;
	agent) lab_kill "agent-$2" KILL ;;
	drain) lab_ctl node drain "$2" ;;
	fail) lab_ctl node fail "$2" ;;
	none) ;;
	esac >/dev/null 2>&1
}
restore() {
	case $1 in
	cable) lab_link "$2" up ;;
	agent) lab_agent_start "$2" ;;
	drain | fail) lab_ctl node undrain "$2" ;; # none needed is fine
	esac >/dev/null 2>&1
}

pause_below() { sleep "$((RANDOM % $1))e-3"; }

calm_clients() {
	local route
	for route in $CALM; do
		lab_spawn "calm-$route" client curl -sN \
			-H "Accept: text/event-stream" \
			"http://$VIP:$((8000 + route))/sub"
	done
}
# tell N: number N to the subscribers of node a, by new connections
tell() {
	local route
	for route in $CALM; do
		lab_exec client curl -so /dev/null --max-time "$SOON" \
			-d "round-$1-" "http://$VIP:$((9000 + route))/pub"
	done
}
# heard_all N: of each round once
heard_all() {
	local route
	for route in $CALM; do
		[ "$(grep -c '^data: round-' "$LAB_DIR/calm-$route.log")" \
			-eq "$1" ] || return
	done
}
calm_stay() {
	local route
	for route in $CALM; do
		lab_alive "calm-$route" || return
	done
}

settled() {
	connected a b c d && [ "$(lab_ctl -j node list |
		jq '[.nodes[] | select(.state | IN("active", "reserve"))] |
			length')" -eq 4 ] &&
		lab_ctl -j route list |
		jq -e 'all(.routes[]; .to == null and .node != null)'
}

# one_kill N: prints what the audit found
one_kill() {
	local acts=(cable agent drain fail none) victims=(b c d)
	local act=${acts[RANDOM % 5]} victim=${victims[RANDOM % 3]} early

	early=$((RANDOM % 2))
	echo "  kill $1: $act $victim" >>"$LAB_DIR/kills.log"
	disturb "$act" "$victim"
	pause_below 1200
	lab_kill halod KILL
	[ "$early" -eq 0 ] || restore "$act" "$victim"
	tell "$1" # the kernel alone
	pause_below 150
	lab_halod_start || return
	# what needs halod, or comes when it judges by what it has stored
	if [ "$early" -eq 0 ] || [[ $act =~ drain|fail ]]; then
		pause_below 400
		restore "$act" "$victim"
	fi
	lab_wait $((2 * SOON)) settled || {
		echo "  kill $1 ($act $victim): it does not settle"
		lab_ctl node list
		return 1
	}
	lab_wait 3 audit a b c d || {
		echo "  kill $1 ($act $victim), seed $SEED:"
		audit a b c d
	}
}

export HALO_PLANE=nft LAB_AGENTS='interval = "100 ms"; miss = 8;'
RANDOM=$SEED
echo "# seed $SEED, $KILLS kills"
begin "a b c d" 'reserve = 1;' 'settle = "100 ms";' 'hold-down = "100 ms";' \
	'hold-down-max = "200 ms";' 'restart-grace = "1 s";'
join a b c d
eventually "three nodes serve, one waits" settled
calm_clients
check "all have the same table" lab_wait 3 audit a b c d
load_start --subscribers 48 --interval 50
load_say publish on
consistent=0
for ((kill = 1; kill <= KILLS; kill++)); do
	one_kill "$kill" && consistent=$((consistent + 1))
done
check "store, kernel and agents agree after each of $KILLS kills" \
	[ "$consistent" -eq "$KILLS" ]
a_stayed() {
	! lab_ctl -j history --node a |
		jq -c '.events[] | select(.kind == "lost")' | grep .
}
check "the node that was well was not declared dead" a_stayed
check "none of its connections broke" calm_stay
eventually "and each carried what was said in every round, once" \
	heard_all "$KILLS"
check "every door leads to the node of the table" doors_agree
eventually "all clients are served again" all_back
load_quit
echo "kill9_audit $consistent of_$KILLS"
finish
