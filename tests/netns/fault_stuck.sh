#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A thread that carries packets stands still. halod notices when it has orders
# for it, says so and ends, instead of standing still as well; the next halod
# carries on, and clients have only waited.
. "$(dirname "$0")/lib.sh"

export HALO_PLANE=nfqueue

says() { grep -qE "$2" "$LAB_DIR/$1.log"; }
# halod, and what it ended with
run_halod() {
	# shellcheck disable=SC2016 # for the shell inside
	lab_spawn halod gateway bash -c 'trap "kill \$!" TERM
		"$@" & wait $!; echo "exit status $?"' - \
		"$HALO_BUILD/halod" -c "$LAB_DIR/halod.conf"
	lab_wait 10 lab_ctl -j status
}
halod_process() { lab_children "$(lab_pid halod)"; }

begin "a b"
lab_kill halod
echo 'nfqueue = { queue = 40; workers = 2; };' >>"$LAB_DIR/halod.conf"
run_halod || give_up "halod starts"
join a b
eventually "two nodes share the routes" spread a=12 b=12
load_start --subscribers 48 --interval 100
load_say publish on
eventually "clients are told news" load_is '.delivered > 100'
was=$(owners)

load_say planned stuck
pid=$(halod_process)
lab_spawn stop gateway "$HALO_TOOLS/tests/netns/stop_thread" "${pid// /}" \
	queue-41
eventually "one thread stands still" says stop stopped
lab_ctl status >/dev/null 2>&1 # asks every one
eventually "halod says which one does not answer" \
	says halod 'worker does not answer queue=41'
eventually "and ends, with a failure" says halod 'exit status 1'
check "it said what to do" says halod 'ending why="plane nfqueue does not'
lab_kill halod
lab_halod_start || give_up "halod starts again"
eventually "the nodes return" connected a b
load_say end
check "no route moved" [ "$was" = "$(owners)" ]
check "no connection broke" incident stuck '.broken == 0'
eventually "every door leads to the node of the table" doors_agree
load_quit
check "no message was lost" load_sum '.lost == 0 and .delivered > 0'
finish
