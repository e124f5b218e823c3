/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the commands on nodes share. Not the commands (commands.h).
 */
#ifndef HALOCTL_NODE_H
#define HALOCTL_NODE_H

#include "haloctl.h"

/* What an order to a node came to, or would come to. */
void node_print_outcome(struct haloctl *ctl, const json_t *answer);

#endif
