#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A machine goes silent under 500 new connections a second on the nft plane: no
# client sends its SYN twice. How fast is the bench's.
HALO_PLANE=nft
. "$(dirname "$0")/lib.sh"

# of all clients, as their kernel counts
syn_retransmits() {
	lab_exec client nstat -asz TcpExtTCPSynRetrans |
		awk '/TCPSynRetrans/ { print $2 }'
}
nobody_waits() { load_is '.probes_waiting == 0 and .probes > 1000'; }

[ "$HALO_SLOW" -eq 1 ] || {
	echo "skip - no SYN is sent twice: 1 s is soon over on a slow machine"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}
# a SYN is sent again after 1 s: detection must be done long before, also on a
# busy machine
LAB_PROFILE=fast LAB_AGENTS='interval = "50 ms"; miss = 8;'
begin "a b" "reserve = 1;"
join a b
eventually "the second node waits in reserve" node_is b reserve
load_start --subscribers 48 --probes 500
load_say probe on
eventually "500 clients a second connect" load_is '.probes > 250'
before=$(syn_retransmits)
load_say "forced silent : $HALO_TOOLS/tests/bench/failover/fault cut $(
	lab_ns gateway) port-a"
eventually "the reserve takes over" spread b=24
eventually "idle clients are told" load_is '.broken == 48'
eventually "and all who came meanwhile are answered" nobody_waits
check "none of them sent his SYN twice" [ "$(syn_retransmits)" = "$before" ]
load_say end
check "none was refused" incident silent '.connect_failed == 0'
load_quit
finish
