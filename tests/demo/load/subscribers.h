/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Browsers: SSE subscribers that reconnect at once, or after a while. Told to
 * reconnect, one opens its next connection first and keeps reading the old one
 * until that ends: so it misses nothing that the former node accepted.
 */
#ifndef HALO_DEMO_SUBSCRIBERS_H
#define HALO_DEMO_SUBSCRIBERS_H

#include "score.h"
#include "stream.h"

struct subscribers;

/* Spread over the routes, round robin. Whose connection breaks stays away for
 * away_ms. NULL: no memory. */
struct subscribers *subscribers_new(const struct target *t, struct score *score,
				    unsigned count, unsigned away_ms);
unsigned subscribers_connected(const struct subscribers *s);
void subscribers_free(struct subscribers *s);

#endif
