// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/pending.h"

#include <errno.h>
#include <stdlib.h>
#define HASH_NONFATAL_OOM 1 /* else it ends the program */
#include <uthash.h>
#include <utlist.h>

struct pending_source {
	struct addr addr;
	unsigned count;
	struct pending_entry *entries;
	UT_hash_handle hh;
};

struct pending {
	unsigned count;
	struct pending_entry *entries;
	struct pending_source *sources;
};

struct pending *pending_new(void)
{
	return calloc(1, sizeof(struct pending));
}

void pending_free(struct pending *p)
{
	free(p);
}

static struct pending_source *find(const struct pending *p,
				   const struct addr *addr)
{
	struct pending_source *s;

	HASH_FIND(hh, p->sources, addr, sizeof(*addr), s);
	return s;
}

static struct pending_source *need_source(struct pending *p,
					  const struct addr *addr)
{
	struct pending_source *s = find(p, addr);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->addr = *addr;
	HASH_ADD(hh, p->sources, addr, sizeof(s->addr), s);
	if (!s->hh.tbl) {
		free(s);
		return NULL;
	}
	return s;
}

int pending_add(struct pending *p, struct pending_entry *e,
		const struct addr *from, uint64_t now_ns)
{
	struct pending_source *s = need_source(p, from);

	if (!s)
		return -ENOMEM;
	e->source = s;
	e->since_ns = now_ns;
	DL_APPEND(p->entries, e);
	DL_APPEND2(s->entries, e, source_prev, source_next);
	s->count++;
	p->count++;
	return 0;
}

void pending_remove(struct pending *p, struct pending_entry *e)
{
	struct pending_source *s = e->source;

	if (!s)
		return;
	DL_DELETE(p->entries, e);
	DL_DELETE2(s->entries, e, source_prev, source_next);
	e->source = NULL;
	p->count--;
	if (--s->count)
		return;
	HASH_DEL(p->sources, s);
	free(s);
}

unsigned pending_count(const struct pending *p)
{
	return p->count;
}

unsigned pending_count_from(const struct pending *p, const struct addr *from)
{
	const struct pending_source *s = find(p, from);

	return s ? s->count : 0;
}

struct pending_entry *pending_oldest(const struct pending *p,
				     const struct addr *from)
{
	const struct pending_source *s;

	if (!from)
		return p->entries;
	s = find(p, from);
	return s ? s->entries : NULL;
}

struct pending_entry *pending_younger(const struct pending_entry *e,
				      bool same_source)
{
	return same_source ? e->source_next : e->next;
}
