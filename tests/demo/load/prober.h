/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Newcomers: short connections at a steady rate, each to the next route's
 * browser door: connect, GET /, close. Tells how long a connect took and
 * whether it failed.
 */
#ifndef HALO_DEMO_PROBER_H
#define HALO_DEMO_PROBER_H

#include "score.h"
#include "stream.h"

struct prober;

struct prober *prober_new(const struct target *t, struct score *score,
			  unsigned per_second);
void prober_pause(struct prober *p, bool on);
void prober_free(struct prober *p);

#endif
