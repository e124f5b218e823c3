// SPDX-License-Identifier: GPL-2.0-or-later
#include "pipe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

struct pipe_piece {
	struct pipe_piece *next;
	uint64_t at_ns;
	size_t len;
	uint8_t *data;
};

void pipe_put(struct pipe *p, const void *data, size_t len, uint64_t at_ns)
{
	struct pipe_piece *piece = calloc(1, sizeof(*piece));

	assert(piece);
	piece->data = malloc(len + 1);
	assert(piece->data);
	if (len)
		memcpy(piece->data, data, len);
	piece->len = len;
	piece->at_ns = at_ns > p->last_at ? at_ns : p->last_at;
	p->last_at = piece->at_ns;
	if (p->last)
		p->last->next = piece;
	else
		p->first = piece;
	p->last = piece;
}

uint64_t pipe_due(const struct pipe *p)
{
	return p->first ? p->first->at_ns : TIME_NEVER;
}

uint8_t *pipe_take(struct pipe *p, size_t *len)
{
	struct pipe_piece *piece = p->first;
	uint8_t *data = piece->data;

	*len = piece->len;
	p->first = piece->next;
	if (!p->first)
		p->last = NULL;
	free(piece);
	return data;
}

void pipe_fini(struct pipe *p)
{
	size_t len;

	while (p->first)
		free(pipe_take(p, &len));
}
