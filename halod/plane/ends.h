/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to end flows that are still under way, in the order they were made.
 * Workers finish them in that order, each at its own pace.
 */
#ifndef HALO_PLANE_ENDS_H
#define HALO_PLANE_ENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "plane/plane.h"

struct ends {
	uint32_t *tags; /* [size], a ring */
	unsigned size, head, count;
	uint64_t finished; /* requests told as finished, ever */
	uint64_t resets;   /* told so far */
};

void ends_init(struct ends *e);
void ends_fini(struct ends *e);
/* One more; -ENOMEM. */
int ends_ask(struct ends *e, uint32_t tag);
/* The oldest request if it is among the first `done` that were ever made;
 * `resets` is how many clients have been reset altogether. */
bool ends_next(struct ends *e, uint64_t done, uint64_t resets,
	       struct plane_event *out);

#endif
