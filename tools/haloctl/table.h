/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The running table as the daemon tells it, whole and of one moment.
 */
#ifndef HALOCTL_TABLE_H
#define HALOCTL_TABLE_H

#include "haloctl.h"

/* An object with routes, version, slots, reserve_wanted, nodes; a new
 * reference. 0, or an exit code after telling why not. */
int table_ask(struct haloctl *ctl, json_t **out);

#endif
