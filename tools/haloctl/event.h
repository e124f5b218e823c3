/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One event as a line of text, for monitor, history and node show.
 */
#ifndef HALOCTL_EVENT_H
#define HALOCTL_EVENT_H

#include "haloctl.h"

void event_print(struct haloctl *ctl, const json_t *event);

#endif
