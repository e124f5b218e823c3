#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What does not belong on the agent port and the control socket is refused
# with a line in the log, and the nodes do not notice.
. "$(dirname "$0")/lib.sh"

readonly agents_port=${AGENTS##*:}

# bytes of stdin to the agent port, from node c
throw() {
	lab_exec c timeout 2 bash -c \
		"cat >/dev/tcp/$GATEWAY/$agents_port" 2>/dev/null
	true
}
undisturbed() { lab_alive halod && spread a=12 b=12; }
memory_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid halod)/status"; }
refusals() { grep -c 'agent refused peer=198.19.0.13' "$LAB_DIR/halod.log"; }
refused_since() { [ "$(refusals)" -gt "$1" ]; }
# an agent on node c that should not get in
stranger() {
	lab_spawn stranger c "$HALO_BUILD/halo-agent" --gateway "$AGENTS" \
		--events "$LAB_DIR/stranger.sock" "$@"
}
# 500 connections that say nothing, for two seconds
crowd() {
	lab_exec c timeout 5 bash -c "
		for i in {1..500}; do
			exec {fd}<>/dev/tcp/$GATEWAY/$agents_port || break
		done 2>/dev/null
		sleep 2"
	true
}

begin "a b c"
join a b
eventually "two nodes share the routes" spread a=12 b=12
was=$(version)

head -c 100000 /dev/urandom | throw
check "random bytes disturb nobody" undisturbed
printf '\x16\x03\x01\xff\xff' | throw
check "a truncated handshake disturbs nobody" undisturbed
printf 'GET / HTTP/1.1\r\n\r\n' | throw
check "another protocol disturbs nobody" undisturbed

before=$(memory_kib)
crowd
check "500 connections that say nothing disturb nobody" undisturbed
check "and take little memory" \
	[ $(($(memory_kib) - before)) -lt 40000 ]

head -c 32 /dev/zero | od -v -An -tx1 | tr -d ' \n' >"$LAB_DIR/wrong"
chmod 600 "$LAB_DIR/wrong"
refused=$(refusals)
stranger --name c --key "$LAB_DIR/wrong"
eventually "a wrong key is told in the log" refused_since "$refused"
check "and does not register" not node_is c '.+'
lab_kill stranger

refused=$(refusals)
stranger --name d --key "$LAB_DIR/keys/c"
eventually "a name that is not the key's is told in the log" \
	refused_since "$refused"
check "and does not register" not node_is d '.+'
lab_kill stranger

stranger --name a --key "$LAB_DIR/keys/a"
eventually "a second agent of a living name is refused" \
	grep -q 'another live agent' "$LAB_DIR/stranger.log"
lab_kill stranger

stranger --name c --key "$LAB_DIR/keys/c" --address 203.0.113.9
eventually "an address outside node-networks is refused" \
	grep -q '203\.0\.113\.9' "$LAB_DIR/halod.log"
lab_kill stranger
check "the nodes did not notice" undisturbed

printf '{"cmd":"no such"}\nnot json\n' |
	timeout 2 curl -s --unix-socket "$CONTROL" telnet://halod/ >/dev/null
head -c 200000 /dev/zero |
	timeout 2 curl -s --unix-socket "$CONTROL" telnet://halod/ >/dev/null
check "the control socket survives the same" undisturbed
check "nothing of this made a new table" [ "$was" = "$(version)" ]
finish
