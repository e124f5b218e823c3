/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The running table as a simulation begins with it: who sits in which slot,
 * who waits in reserve. Asked from the daemon; nothing is changed there.
 */
#ifndef HALOCTL_LIVE_H
#define HALOCTL_LIVE_H

#include "control/simulate.h"
#include "haloctl.h"

/* start borrows the two lists. Zero at first; live_fini() it. */
struct live {
	struct simulate_start start;
	char (*slots)[NODE_NAME_MAX], (*in_reserve)[NODE_NAME_MAX];
};

/* 0, or an exit code after telling why. */
int live_ask(struct haloctl *ctl, struct live *out);
void live_fini(struct live *live);

#endif
