#!/bin/bash
modprobe -a nf_defrag_ipv6 nf_reject_ipv4 nf_reject_ipv6 nfnetlink_queue
insmod build/kmod/halo.ko || exit 1
export HALO_PLANE=kmod HALO_BUILD=$PWD/build HALO_SLOW=5
for s in "$@"; do echo "=== $s"; timeout 200 tests/netns/$s.sh 2>&1 ; done
dmesg | grep -E -A25 'BUG|WARNING: |Oops|general protection|refcount' | head -60
