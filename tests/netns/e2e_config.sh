#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod -t finds everything that is wrong in one run; what cannot start says
# in one line what to do.
. "$(dirname "$0")/lib.sh"

conf=$LAB_DIR/bad.conf
complains() { "$HALO_BUILD/halod" -t -c "$conf" 2>&1 | grep -qE "$1"; }
# the one line a start that fails says
start_says() {
	local out
	out=$(timeout 10 ip netns exec "$(lab_ns gateway)" \
		"$HALO_BUILD/halod" -c "$LAB_DIR/other.conf" 2>&1) && return 1
	grep -qiE "$1" <<<"$out"
}
other_conf() {
	sed "s|halod.sock|other.sock|; s|halod.db|other.db|; s|:7460|:7461|
		$1" "$LAB_DIR/halod.conf" >"$LAB_DIR/other.conf"
}

begin "a"
check "the lab's configuration is valid" \
	lab_exec gateway "$HALO_BUILD/halod" -t -c "$LAB_DIR/halod.conf"
cat >"$conf" <<-CONF
	routes = 0;
	virtual-address = [ "nonsense" ];
	services = ( { name = "a"; listen = 8001; },
	             { name = "b"; listen = 70000; } );
	colour = "red";
CONF
check "wrong values fail the check" exits_with 1 \
	"$HALO_BUILD/halod" -t -c "$conf"
check "N = 0, with its line" complains 'bad\.conf:1: .*routes'
check "a bad address, with its line" complains 'bad\.conf:2: .*address'
check "a port beyond 65535, with its line" complains 'bad\.conf:4: .*(listen|port)'
check "an unknown setting, with its line" complains 'bad\.conf:5: .*colour'

sed 's/listen = 9001/listen = 8010/' "$LAB_DIR/halod.conf" >"$conf"
check "overlapping port ranges are found" complains ':[0-9]+: .*overlap'
cp "$LAB_DIR/halod.conf" "$LAB_DIR/other.conf"
check "a second halod on the same sockets is refused" start_says 'halod'
other_conf
case $HALO_PLANE in
nft) taken='NFLOG [0-9]+ is taken' ;;
*) taken=queue ;;
esac
check "a number in use is told: $taken" start_says "$taken"
other_conf 's|/other.db|/no/such/dir/other.db|; s|plane = .*|plane = "null";|'
lab_exec gateway timeout 3 "$HALO_BUILD/halod" -c "$LAB_DIR/other.conf" \
	>"$LAB_DIR/degraded.log" 2>&1
check "a state directory that is not there is told" \
	grep -q 'no/such/dir' "$LAB_DIR/degraded.log"
finish
