#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How packets get to halod where the kernel has both ways: nft's queue
# statement is chosen, xtables' NFQUEUE when it is forced, and doors work as
# well over either.
. "$(dirname "$0")/../netns/lib.sh"

queued_by() {
	lab_ctl -j status |
		jq -e --arg by "$1" '.plane.detail | startswith($by)' >/dev/null
}
# how many rules hold a kernel module; nft cannot show xtables' rules
users_of() { awk -v m="$1" '$1 == m { print $3 }' /proc/modules; }
restart() { lab_kill halod && lab_halod_start; }

export HALO_PLANE=nfqueue
begin "a b"
join a b
eventually "two nodes share the routes" spread a=12 b=12
check "halod says that it uses nft's queue statement" queued_by 'nft queue'
check "and so it does" [ "$(users_of nft_queue)" -gt 0 ]
check "every door leads to the node of the table" doors_agree

export HALO_FORCE_XT_NFQUEUE=1
check "it starts again, forced to the other way" restart
check "halod says that it uses xtables' NFQUEUE" queued_by 'xt NFQUEUE'
check "and so it does, the module loaded by the kernel itself" \
	[ "$(users_of xt_NFQUEUE)" -gt 0 ]
eventually "the nodes return" connected a b
check "every door leads to the node of the table" doors_agree
check "over IPv6 too" doors_agree "[$VIP6]"

unset HALO_FORCE_XT_NFQUEUE
check "it starts again, free to choose" restart
check "halod says that it uses nft's queue statement" queued_by 'nft queue'
check "nothing is left of the other way" [ "$(users_of xt_NFQUEUE)" -eq 0 ]
check "every door leads to the node of the table" doors_agree
finish
