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

sed 's/plane = .*/plane = "nfqueue";/; s/listen = 9001/& ; node-port = 80/' \
	"$LAB_DIR/halod.conf" >"$conf"
check "what only the plane nft can do is refused for another" \
	complains ':4: node-port: the plane nft alone'
sed 's/listen = 9001/listen = 8010/' "$LAB_DIR/halod.conf" >"$conf"
check "overlapping port ranges are found" complains ':[0-9]+: .*overlap'
cp "$LAB_DIR/halod.conf" "$LAB_DIR/other.conf"
check "a second halod on the same sockets is refused" start_says 'halod'
other_conf
case $HALO_PLANE in
nfqueue) taken=queue ;;
*) taken='NFLOG [0-9]+ is taken' ;;
esac
check "a number in use is told: $taken" start_says "$taken"
other_conf 's|/other.db|/no/such/dir/other.db|; s|plane = .*|plane = "null";|'
lab_exec gateway timeout 3 "$HALO_BUILD/halod" -c "$LAB_DIR/other.conf" \
	>"$LAB_DIR/degraded.log" 2>&1
check "a state directory that is not there is told" \
	grep -q 'no/such/dir' "$LAB_DIR/degraded.log"

# chosen PLANE WHY: what "auto" is, by the status
chosen() {
	lab_ctl -j status |
		jq -e --arg name "$1" --arg why "$2" '.plane |
			.name == $name and (.why | test("^auto: .*" + $why))'
}
lab_kill halod
sed -i 's/plane = .*/plane = "auto";/' "$LAB_DIR/halod.conf"
lab_halod_start
check "auto is nft where the kernel can, and says so" \
	chosen nft 'NAT maps and conntrack'
lab_kill halod
export HALO_FORCE_NO_NAT=1
lab_halod_start
unset HALO_FORCE_NO_NAT
check "else it is nfqueue, and says what is missing" \
	chosen nfqueue 'switched off by HALO_FORCE_NO_NAT'
sed 's/listen = 9001/& ; node-port = 80/' "$LAB_DIR/halod.conf" \
	>"$LAB_DIR/needs.conf"
needs_nft() {
	HALO_FORCE_NO_NAT=1 timeout 10 ip netns exec "$(lab_ns gateway)" \
		"$HALO_BUILD/halod" -c "$LAB_DIR/needs.conf" 2>&1 |
		grep -q 'has node-port, which the plane nft alone can do'
}
check "for the eye as well" \
	grep -q 'auto: the plane nft cannot be used' <(lab_ctl status)
lab_kill halod
check "unless the configuration needs more than that" needs_nft
finish
