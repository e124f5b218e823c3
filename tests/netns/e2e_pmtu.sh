#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Path MTU discovery through the gateway: its own "fragmentation needed" is
# translated towards the client and towards the node.
. "$(dirname "$0")/lib.sh"

download() {
	[ "$(lab_exec client curl -gs --max-time 8 "http://$1:8003/big" |
		wc -c)" -eq 200000 ]
}
upload() {
	lab_exec client curl -gsf --max-time 8 -o /dev/null \
		--data-binary "@$LAB_DIR/nginx-a/www/big" "http://$1:9003/pub"
}

# "too big" messages the gateway itself has sent, both families
told() {
	lab_exec gateway awk '/^IcmpMsg: [0-9]/ || /Icmp6OutPktTooBigs/ { n += $NF }
		END { print n + 0 }' /proc/net/snmp /proc/net/snmp6
}

begin "a"
join a
eventually "one node has the routes" spread a=24
for vip in "$VIP" "[$VIP6]"; do
	check "a large answer passes from $vip" download "$vip"
	check "a large request passes to $vip" upload "$vip"
done
before=$(told)
# The hop to the client becomes narrow: the node's segments are too large.
lab_in gateway link set clients mtu 1300
for vip in "$VIP" "[$VIP6]"; do
	check "a narrow link to the client is discovered: $vip" \
		download "$vip"
done
lab_in gateway link set clients mtu 1500
# The hop to the node becomes narrow: the client's segments are too large.
lab_in gateway link set nodes mtu 1300
for vip in "$VIP" "[$VIP6]"; do
	check "a narrow link to the node is discovered: $vip" upload "$vip"
done
check "the gateway had to say it each time" [ $(($(told) - before)) -ge 4 ]
finish
