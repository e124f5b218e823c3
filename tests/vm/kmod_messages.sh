#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What halo.ko takes and refuses over netlink: a table read back as it was
# written, each bad message with its text and without effect, memory that fails
# at each step, messages made by chance, no privilege, two namespaces.
. "$(dirname "$0")/kmod_lib.sh"

[ -e "$KO" ] || { skip "halo.ko takes messages" "it is not built"; exit 0; }

# The table as read: one line, what may differ by time taken out.
as_read() {
	tool table | sed 's/^table//; s/ alive=[0-9]*//' | tr -d '\n'
	echo
}
reads_back() {
	local said
	said=$(as_read)
	[[ $said == *" version=1 routes=24 seats=4 "* ]] &&
		[[ $said == *" vip4=$VIP vip6=$VIP6 "* ]] &&
		[[ $said == *" service=web,tcp,8001 service=dns,udp,7001 "* ]] &&
		[[ $said == *" $(seat 1 11 a) $(seat 2 12 b) run=1,12,1 run=13,24,2" ]]
}
unchanged() { [ "$(as_read)" = "$before" ]; }
# bad TITLE TEXT ARGUMENT…: refused with this text, and nothing has changed
bad() {
	local title=$1 text=$2
	shift 2
	check "refused: $title" refuses "$text" "$@"
}
new() { echo "begin version=2 $*"; }
unprivileged() {
	lab_exec gateway setpriv --reuid=65534 --clear-groups "$TOOL" "$@" |
		grep -q 'refused: Operation not permitted'
}
# Fails the 1st, 2nd … allocation until the table is written without a failure.
each_allocation_may_fail() {
	local n
	for ((n = 1; n < 40; n++)); do
		echo "$n" >/sys/module/halo/parameters/fail_at
		if write_table 1 >/dev/null; then
			echo 0 >/sys/module/halo/parameters/fail_at
			echo "  failed at $((n - 1)) allocations"
			[ "$n" -gt 5 ]
			return
		fi
		"$@" || return
	done
	return 1
}
nothing_there() { [ -z "$(tool table)" ] && refuses "no table" stats; }
replaced_fails() {
	local n
	for ((n = 1; n < 40; n++)); do
		echo "$n" >/sys/module/halo/parameters/fail_at
		if tool change from=1 version=1 run=1,2,1 >/dev/null; then
			echo 0 >/sys/module/halo/parameters/fail_at
			[ "$n" -gt 3 ]
			return
		fi
		unchanged || return
	done
	return 1
}
module_load || { check "the module loads" false; exit 1; }
check "its own test of the table went well" \
	grep -q 'halo: selftest: the table agrees' <(dmesg)
plane_begin
check "without a table there is none to read" nothing_there
check "each allocation of a first table may fail, and leaves nothing" \
	each_allocation_may_fail nothing_there
check "the table is read back as it was written" reads_back
before=$(as_read)
check "each allocation of a change may fail, and leaves the old table" \
	replaced_fails
check "which is as it was" unchanged

# shellcheck disable=SC2046 disable=SC2086
{
bad "a table without routes" "needs ROUTES, SEATS_MAX and SERVICES" \
	$(new seats=1 vip4=$VIP service=a,tcp,1)
bad "a table without an address" "needs VIP4 or VIP6" \
	$(new routes=2 seats=1 service=a,tcp,1)
bad "0.0.0.0 as the virtual address" "VIP4 is no address" \
	$(new routes=2 seats=1 vip4=0.0.0.0 service=a,tcp,1)
bad "no routes" "out of range" $(new routes=0 seats=1 vip4=$VIP service=a,tcp,1)
bad "a door beyond 65535" "beyond port 65535" \
	$(new routes=24 seats=1 vip4=$VIP service=a,tcp,65520)
bad "doors that overlap" "overlap" \
	$(new routes=24 seats=1 vip4=$VIP service=a,tcp,80 service=b,tcp,90)
bad "a service of ICMP" "TCP or UDP" \
	$(new routes=24 seats=1 vip4=$VIP service=a,1,80)
bad "a service without a port" "needs NAME, PROTOCOL and LISTEN" \
	$(new routes=24 seats=1 vip4=$VIP service=a,tcp)
bad "more flows than the module allows" "FLOWS_MAX is not between" \
	$(new routes=2 seats=1 vip4=$VIP service=a,tcp,1 flows_max=4000000000)
bad "a table without a version" "needs a VERSION" begin routes=2
bad "an attribute of another command" "Unsupported attribute" commit tag=5
bad "an unknown attribute" "Unknown attribute type" commit raw=900,00
bad "a cut number" "invalid attribute length" change raw=6,01 from=1
bad "a change of another version" "another version is there" \
	change from=7 version=8
bad "a change without its base" "FROM_VERSION is missing" change version=8
bad "a route beyond the last" "beyond the last route" \
	change from=1 version=2 run=20,25,1
bad "a range backwards" "no range of routes" change from=1 version=2 run=5,4,1
bad "a seat that is not there" "beyond SEATS_MAX" \
	change from=1 version=2 run=1,1,5
bad "a seat without addresses" "needs an address" \
	change from=1 version=2 seat=1,5
bad "a seat without a tag" "needs a TAG" \
	change from=1 version=2 seat=1,0,198.19.0.11
bad "a node at the virtual address" "has the virtual address" \
	change from=1 version=2 seat=1,5,$VIP
bad "a node at 0.0.0.0" "no node's address" \
	change from=1 version=2 seat=1,5,0.0.0.0
bad "fewer seats than are in use" "takes away a seat" \
	change from=1 version=2 seats=1
bad "runs that are cut off" "RUNS is cut off" \
	change from=1 version=2 raw=17,0102
bad "a commit of nothing" "TABLE_BEGIN first" commit
bad "a hold of route 0" "not there" hold set=0
bad "a hold beyond the last route" "not there" hold set=25
bad "a hold of nothing" "needs a ROUTE_SET" hold
bad "an end without a tag" "needs a TAG" end forced
bad "a tag beyond the last" "out of range" end tag=65535
bad "attendance for ever" "out of range" attend alive=100000
}
check "after all that the table is as it was" unchanged
check "a refused part ends the transaction" refuses "beyond the last" \
	begin from=1 version=2 + add run=1,25,1
check "so that nothing is left to commit" refuses "TABLE_BEGIN first" commit
check "without CAP_NET_ADMIN nothing is read" unprivileged table
check "and nothing is changed" unprivileged flush
check "the table is as it was" unchanged

in_client() { lab_exec client "$TOOL" "$@"; }
check "another namespace has no table" [ -z "$(in_client table)" ]
check "65,535 routes are written and read back" in_client big 7 65535 2000
check "and once more over it" in_client big 8 65535 2000
check "the first namespace's is as it was" unchanged
check "the other's is flushed" in_client flush

for seed in "$RANDOM" "$RANDOM"; do
	check "messages by chance do no harm (seed $seed)" \
		tool fuzz "$seed" "${FUZZ_COUNT:-1000}"
done
tool flush
check "a table is written after that" write_table 1
check "and carries" greets "$VIP" 8013 b
check "it unloads" module_unload
finish
