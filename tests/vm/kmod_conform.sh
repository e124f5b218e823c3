#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The plane kmod gives the answers that nfqueue gives, in a random sequence of
# moves, holds and losses. Takes minutes in the guest: run when it is named.
cd "$(dirname "$0")/../.." || exit 1
PLANES="nfqueue kmod" STEPS=${STEPS:-4} exec tests/vm/kmod_plane.sh conform
