#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# halod killed by SIGKILL at 200 random moments (KILLS=…): after how many of
# them store, kernel and agents agree (tests/netns/audit_kill9.sh).
cd "$(dirname "$0")/../.." || exit 1
KILLS=${KILLS:-200} tests/netns/audit_kill9.sh | tee /dev/stderr |
	grep '^kill9_audit '
exit "${PIPESTATUS[0]}"
