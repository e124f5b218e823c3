#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halo.ko as a plane of halod: what clusters on it do when a server is killed,
# held, refused and replayed connections included; other scripts when named:
#
#   tests/vm/kmod_plane.sh [NAME…]    default: e2e_refused
cd "$(dirname "$0")/../.." || exit 1
set -u
readonly KO=$HALO_BUILD/kmod/halo.ko
[ -e "$KO" ] || { echo "skip - halo.ko as a plane: it is not built"; exit 0; }
[ $# -gt 0 ] || set -- e2e_refused
export HALO_PLANE=kmod

grep -q '^halo ' /proc/modules ||
	{ modprobe -a nf_defrag_ipv6 nf_reject_ipv4 nf_reject_ipv6 &&
		insmod "$KO"; } ||
	{ echo "not ok - the module loads"; exit 1; }
status=0
for name in "$@"; do
	"tests/netns/$name.sh" || status=1
done
if rmmod halo; then
	echo "ok - and it unloads when halod is gone"
else
	echo "not ok - and it unloads when halod is gone"
	status=1
fi
exit $status
