#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nodes join while clients listen and publish: the table follows T(24, n), and
# no message and no newcomer is lost on the way.
. "$(dirname "$0")/lib.sh"

begin "a b c"
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
eventually "all subscribers are back" all_back
load_say end
load_quit
check "no message was lost" load_sum '.lost == 0 and .expected > 200'
check "every message owed was delivered" \
	load_sum '.delivered == .expected'
check "no newcomer was refused" \
	load_sum '.probe_failures == 0 and .probes > 20'
finish
