/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loss of one node would change in a placement, without changing it.
 * Not for what happens: that is placement_apply() by a batch.
 */
#ifndef HALO_CONTROL_LOSS_H
#define HALO_CONTROL_LOSS_H

#include <stdint.h>

#include "control/placement.h"

struct loss {
	uint32_t routes;   /* it owned */
	uint32_t moved;	   /* routes that would change their node */
	uint32_t takers;   /* nodes that would get some of them */
	node_id successor; /* takes its slot; 0: nobody, the slot goes */
};

/* node is active or in reserve. 0 or -ENOMEM; *out changes on success only. */
int loss_foresee(const struct placement *p, node_id node, struct loss *out);

#endif
