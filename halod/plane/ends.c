// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/ends.h"

#include <errno.h>
#include <stdlib.h>

#define SIZE_FIRST 64

void ends_init(struct ends *e)
{
	*e = (struct ends){ 0 };
}

void ends_fini(struct ends *e)
{
	free(e->tags);
}

static int grow(struct ends *e)
{
	unsigned size = e->size ? 2 * e->size : SIZE_FIRST;
	uint32_t *tags = calloc(size, sizeof(*tags));

	if (!tags)
		return -ENOMEM;
	for (unsigned i = 0; i < e->count; i++)
		tags[i] = e->tags[(e->head + i) % e->size];
	free(e->tags);
	e->tags = tags;
	e->size = size;
	e->head = 0;
	return 0;
}

int ends_ask(struct ends *e, uint32_t tag)
{
	int err = e->count == e->size ? grow(e) : 0;

	if (!err)
		e->tags[(e->head + e->count++) % e->size] = tag;
	return err;
}

bool ends_next(struct ends *e, uint64_t done, uint64_t resets,
	       struct plane_event *out)
{
	if (!e->count || done <= e->finished)
		return false;
	*out = (struct plane_event){ .type = PLANE_FLOWS_ENDED,
				     .tag = e->tags[e->head],
				     .count = resets - e->resets,
				     .ok = true };
	e->head = (e->head + 1) % e->size;
	e->count--;
	e->finished++;
	e->resets = resets;
	return true;
}
