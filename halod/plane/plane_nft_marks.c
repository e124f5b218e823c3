// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_marks.h"

#include "io/conntrack.h"

#define CHUNK 64 /* entries changed at once */

struct moving {
	struct conntrack *ct;
	const struct engine_conf *engine;
	const struct plane_nft_tag *from, *to;
	unsigned count;
	int err;
	struct conntrack_entry entries[CHUNK];
};

static void move_chunk(struct moving *m)
{
	m->err = conntrack_change_marks(m->ct, m->entries, m->count,
					m->from->mask | m->to->mask);
	m->count = 0;
}

static bool move_one(void *arg, const struct conntrack_entry *c)
{
	struct moving *m = arg;
	uint32_t tag = plane_nft_tag_of(m->from, c->mark);

	if (!tag || !engine_door(m->engine, &c->door, c->protocol).found)
		return true;
	m->entries[m->count] = *c;
	m->entries[m->count++].mark = tag << m->to->shift;
	if (m->count == CHUNK)
		move_chunk(m);
	return !m->err;
}

int plane_nft_marks_move(const struct engine_conf *engine,
			 const struct plane_nft_tag *from,
			 const struct plane_nft_tag *to)
{
	struct conntrack_mark all = { 0 };
	struct moving m = { .engine = engine, .from = from, .to = to };
	int err = conntrack_open(&m.ct);

	if (err)
		return err;
	err = conntrack_list(m.ct, &all, move_one, &m);
	if (!err && !m.err && m.count)
		move_chunk(&m);
	conntrack_close(m.ct);
	return err ? err : m.err;
}
