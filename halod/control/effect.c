// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/effect.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EFFECTS_FIRST 64 /* a beat needs one: no growing on that path */
#define CHUNK_FIRST   1024

/* Route ids are handed out from chunks, which never move. */
struct chunk {
	struct chunk *older;
	unsigned used, cap;
	uint16_t ids[];
};

struct effects {
	struct effect *items;
	unsigned count, cap;
	struct chunk *chunk; /* newest and largest */
};

struct effects *effects_new(void)
{
	struct effects *fx = calloc(1, sizeof(*fx));

	if (!fx)
		return NULL;
	if (effects_reserve(fx, EFFECTS_FIRST, 0)) {
		free(fx);
		return NULL;
	}
	return fx;
}

static void free_chunks(struct chunk *c)
{
	while (c) {
		struct chunk *older = c->older;

		free(c);
		c = older;
	}
}

void effects_free(struct effects *fx)
{
	if (!fx)
		return;
	effects_clear(fx);
	free_chunks(fx->chunk);
	free(fx->items);
	free(fx);
}

void effects_clear(struct effects *fx)
{
	for (unsigned i = 0; i < fx->count; i++)
		if (fx->items[i].type == EFFECT_APPLY)
			table_put(fx->items[i].table);
	fx->count = 0;
	if (!fx->chunk)
		return;
	free_chunks(fx->chunk->older);
	fx->chunk->older = NULL;
	fx->chunk->used = 0;
}

unsigned effects_count(const struct effects *fx)
{
	return fx->count;
}

const struct effect *effects_at(const struct effects *fx, unsigned i)
{
	assert(i < fx->count);
	return &fx->items[i];
}

static int reserve_items(struct effects *fx, unsigned n)
{
	unsigned cap = fx->cap ? fx->cap : EFFECTS_FIRST;
	struct effect *items;

	if (fx->cap - fx->count >= n)
		return 0;
	while (cap - fx->count < n)
		cap *= 2;
	items = realloc(fx->items, cap * sizeof(*items));
	if (!items)
		return -ENOMEM;
	fx->items = items;
	fx->cap = cap;
	return 0;
}

static int reserve_ids(struct effects *fx, unsigned n)
{
	unsigned cap = fx->chunk ? fx->chunk->cap : CHUNK_FIRST;
	struct chunk *c;

	if (!n || (fx->chunk && fx->chunk->cap - fx->chunk->used >= n))
		return 0;
	while (cap < n)
		cap *= 2;
	c = malloc(sizeof(*c) + cap * sizeof(c->ids[0]));
	if (!c)
		return -ENOMEM;
	c->older = fx->chunk;
	c->used = 0;
	c->cap = cap;
	fx->chunk = c;
	return 0;
}

int effects_reserve(struct effects *fx, unsigned n, unsigned ids)
{
	int err = reserve_items(fx, n);

	return err ? err : reserve_ids(fx, ids);
}

struct effect *effects_add(struct effects *fx, enum effect_type type)
{
	struct effect *e;

	assert(fx->count < fx->cap);
	e = &fx->items[fx->count++];
	memset(e, 0, sizeof(*e));
	e->type = type;
	return e;
}

uint16_t *effects_ids(struct effects *fx, unsigned count)
{
	uint16_t *ids;

	if (!count)
		return NULL;
	assert(fx->chunk && fx->chunk->cap - fx->chunk->used >= count);
	ids = fx->chunk->ids + fx->chunk->used;
	fx->chunk->used += count;
	return ids;
}

const char *note_kind_name(enum note_kind kind)
{
	static const char *const names[NOTE_KINDS] = {
		[NOTE_JOINED] = "joined",
		[NOTE_RESERVED] = "reserved",
		[NOTE_SUSPECT] = "suspect",
		[NOTE_RECOVERED] = "recovered",
		[NOTE_LOST] = "lost",
		[NOTE_AGENT_AWAY] = "agent-away",
		[NOTE_AGENT_BACK] = "agent-back",
		[NOTE_QUARANTINED] = "quarantined",
		[NOTE_DRAINING] = "draining",
		[NOTE_DRAINED] = "drained",
		[NOTE_UNDRAINED] = "undrained",
		[NOTE_REMOVED] = "removed",
		[NOTE_REFUSED_NODE] = "refused",
		[NOTE_MOVING] = "moving",
		[NOTE_MOVED] = "moved",
		[NOTE_UNOWNED] = "unowned",
		[NOTE_DIVERGED] = "diverged",
		[NOTE_PANIC] = "panic",
		[NOTE_FROZEN] = "frozen",
		[NOTE_THAWED] = "thawed",
		[NOTE_RESTORED] = "restored",
		[NOTE_APPLY_FAILED] = "apply-failed",
		[NOTE_REPAIRED] = "repaired",
		[NOTE_REPAIR_FAILED] = "repair-failed",
	};

	return kind < NOTE_KINDS ? names[kind] : "unknown";
}
