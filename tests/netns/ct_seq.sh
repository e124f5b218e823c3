#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sequence numbers out of conntrack: idle clients behind a plain DNAT are reset
# by packets that they must accept, all at once; and so are their servers.
. "$(dirname "$0")/lib.sh"

DRIVER=$HALO_BUILD/tests/netns/ct_seq_driver
PEER=$HALO_TOOLS/tests/netns/idle_peer
readonly DOOR=8001

said() { grep -qE "$2" "$LAB_DIR/$1.log"; }
moment() { awk -v p="$2" '$0 ~ p { print $1 }' "$LAB_DIR/$1.log"; }
figure() { grep -oE "$2=[0-9]+" "$LAB_DIR/$1.log" | tail -n 1 | cut -d= -f2; }

# took FIRST LAST: milliseconds between two moments
took() { echo $((($2 - $1 + 500) / 1000)); }
# phases WHAT…: when the driver was so far
phases() {
	local what
	for what in "$@"; do
		printf "%s=%d " "$what" "$(took "$(moment driver open)" \
			"$(moment driver " $what")")"
	done
}

# The rules a plane has, without a plane: 0x68616c6f is the driver's mark.
rules() {
	lab_exec gateway nft -f - <<-NFT
		table inet ct_seq {
			chain doors {
				type nat hook prerouting priority dstnat
				ip daddr $VIP tcp dport $DOOR dnat ip to $(lab_addr a)
				ip6 daddr $VIP6 tcp dport $DOOR dnat ip6 to $(lab_addr6 a)
			}
			chain untracked {
				type filter hook output priority raw
				meta mark 0x68616c6f notrack
			}
		}
	NFT
}

# connect ADDRESS COUNT: that many idle connections
connect() {
	rm -f "$LAB_DIR"/{server,client,driver}.log
	lab_spawn server a "$PEER" serve "$DOOR" "$2"
	lab_wait "$SOON" said server ready || return
	lab_spawn client client "$PEER" call "$1" "$DOOR" "$2"
	lab_wait $((2 * SOON)) said client idle
}

drive() {
	lab_exec gateway "${@:2}" "$DRIVER" "$1" "$DOOR" >"$LAB_DIR/driver.log"
}
unsupported() {
	drive "$VIP" "$@"
	[ $? -eq 3 ]
}
all_reset() { said "$1" "ended greeted=$2 resets=$2 others=0"; }

# told_in MS ADDRESS COUNT: everything that is promised of as many clients
told_in() {
	local limit=$1 count=$3 what="$3 clients of $2"
	check "$what are idle" connect "$2" "$count"
	check "$what: their flows are read and they are told" drive "$2"
	check "$what: each was found" test "$(figure driver found)" = "$count"
	check "$what: none was that is not there" \
		test "$(figure driver mistaken)" = 0
	check "$what: each was reset" lab_wait "$SOON" all_reset client "$count"
	check "$what: so was each server" lab_wait "$SOON" all_reset server "$count"
	check "$what: at once" within_ms \
		"$(moment driver open)" "$(moment client ended)" "$limit"
	echo "# $what, ms since the program could ask: $(
		phases listed read deleted told) ended=$(
		took "$(moment driver open)" "$(moment client ended)")"
}

if [ "$(id -u)" -ne 0 ]; then
	echo "skip - ct_seq: needs root for namespaces"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
trap lab_down EXIT
trap 'exit 130' INT TERM
lab_up a && rules || give_up "the lab comes up"

check "where it cannot work, it says so" \
	unsupported env HALO_FORCE_NO_CT_SEQ=1
check "and why" said driver '^unsupported .+'
drive "$VIP"
if [ $? -eq 3 ]; then
	skip "clients are told" "$(sed 's/^unsupported //' "$LAB_DIR/driver.log")"
	finish
fi
check "missing rights are told" \
	unsupported setpriv --reuid 65534 --clear-groups
check "by name" said driver '^unsupported refused .*needs CAP_BPF'
told_in 100 "$VIP" 200
told_in 100 "$VIP6" 200
# a slow guest has 150 s for all of this
told_in 500 "$VIP" $((HALO_SLOW > 1 ? 2000 : 10000))
finish
