/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Web applications: one kept-alive connection per route's app door, numbered
 * messages at an even pace. When the connection breaks, what was not answered
 * is published again, and what was answered in the last moment too: the
 * subscribers tell doubles by their number.
 */
#ifndef HALO_DEMO_PUBLISHERS_H
#define HALO_DEMO_PUBLISHERS_H

#include "score.h"
#include "stream.h"

struct publishers;

struct publishers *publishers_new(const struct target *t, struct score *score,
				  unsigned interval_ms);
void publishers_pause(struct publishers *p, bool on);
/* Every message asked for has been answered. */
bool publishers_idle(const struct publishers *p);
void publishers_free(struct publishers *p);

#endif
