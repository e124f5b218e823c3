/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Newcomers: short connections at a steady rate, each to the next route's
 * browser door: connect, GET /, close. Tells how long a connect and its answer
 * took and whether they failed.
 */
#ifndef HALO_DEMO_PROBER_H
#define HALO_DEMO_PROBER_H

#include "score.h"
#include "stream.h"

struct prober;

/* One that has no answer after patience_s gives up. NULL: no memory. */
struct prober *prober_new(const struct target *t, struct score *score,
			  unsigned per_second, unsigned patience_s);
void prober_pause(struct prober *p, bool on);
/* How many have been waiting for an answer for longer than this. */
unsigned prober_waiting(const struct prober *p, uint64_t longer_ns);
void prober_free(struct prober *p);

#endif
