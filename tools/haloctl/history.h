/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What monitor shares with history: events that have happened already.
 */
#ifndef HALOCTL_HISTORY_H
#define HALOCTL_HISTORY_H

#include "haloctl.h"

/* An event as a line: text, or JSON with -j. */
void history_print(struct haloctl *ctl, json_t *event);
/* Prints all stored events after *seq and leaves the last one's there; an
 * exit code. */
int history_catch_up(struct haloctl *ctl, json_int_t *seq);

#endif
