/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table/assign.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define WORD_BITS  64
#define LEAF_WORDS ((ROUTES_MAX + 1) / WORD_BITS)
#define TOP_WORDS  (LEAF_WORDS / WORD_BITS)

/* A set of route ids that gives them back in order: O(ids), whatever N. */
struct sorter {
	uint64_t top[TOP_WORDS]; /* which leaves are not empty */
	uint64_t leaf[LEAF_WORDS];
};

/* Owned by its holder. Slot s was born with pool[born[s]] … pool[born[s + 1]];
 * how much of that it still owns follows from N and n (owned_at). */
struct assign {
	unsigned routes, slots, slots_max;
	struct sorter sorter; /* empty between calls */
	uint32_t *born;	      /* [slots_max + 2]; born[0] unused */
	uint16_t *owner;      /* [routes + 1]; owner[0] unused */
	uint16_t *pool;	      /* [pool_len(routes, slots_max)] */
};

/* The step from n slots to n + 1: each of the n is visited in the order of the
 * rule and gives one route a visit until the quota is full. */
struct step {
	unsigned n;
	unsigned share, extra; /* slots 1..extra own share + 1, others share */
	unsigned first;	       /* donor of the first visit; then downwards */
	unsigned each, more;   /* all give `each`, the first `more` one more */
	unsigned donors;       /* that give anything */
};

struct gift {
	uint16_t donor;
	unsigned count;
	const uint16_t *ids; /* the donor's highest routes, ascending */
};

static void sorter_add(struct sorter *s, uint16_t id)
{
	unsigned leaf = id / WORD_BITS;

	s->leaf[leaf] |= 1ull << id % WORD_BITS;
	s->top[leaf / WORD_BITS] |= 1ull << leaf % WORD_BITS;
}

static unsigned take_lowest_bit(uint64_t *word)
{
	unsigned bit = (unsigned)__builtin_ctzll(*word);

	*word &= *word - 1;
	return bit;
}

/* Moves all ids to out, ascending. */
static void sorter_drain(struct sorter *s, uint16_t *out)
{
	for (unsigned t = 0; t < TOP_WORDS; t++) {
		while (s->top[t]) {
			unsigned leaf =
				t * WORD_BITS + take_lowest_bit(&s->top[t]);
			uint64_t ids = s->leaf[leaf];

			s->leaf[leaf] = 0;
			while (ids)
				*out++ = (uint16_t)(leaf * WORD_BITS +
						    take_lowest_bit(&ids));
		}
	}
}

static size_t pool_len(unsigned routes, unsigned slots)
{
	size_t len = 0;

	for (unsigned s = 1; s <= slots; s++)
		len += routes / s;
	return len;
}

struct assign *assign_new(unsigned routes, unsigned slots_max)
{
	size_t born_size = sizeof(uint32_t) * (slots_max + 2);
	size_t owner_size = sizeof(uint16_t) * (routes + 1);
	size_t head_size = sizeof(struct assign) + born_size + owner_size;
	struct assign *a;

	assert(routes >= 1 && routes <= ROUTES_MAX);
	assert(slots_max >= 1 && slots_max <= NODES_MAX);
	a = malloc(head_size + sizeof(uint16_t) * pool_len(routes, slots_max));
	if (!a)
		return NULL;
	memset(a, 0, head_size); /* the pool is written before it is read */
	a->routes = routes;
	a->slots_max = slots_max;
	a->born = (uint32_t *)(a + 1);
	a->owner = (uint16_t *)(a->born + slots_max + 2);
	a->pool = a->owner + routes + 1;
	return a;
}

struct assign *assign_copy(const struct assign *a)
{
	struct assign *copy = assign_new(a->routes, a->slots_max);

	if (!copy)
		return NULL;
	copy->slots = a->slots;
	memcpy(copy->born, a->born, sizeof(*a->born) * (a->slots + 2));
	memcpy(copy->owner, a->owner, sizeof(*a->owner) * (a->routes + 1));
	memcpy(copy->pool, a->pool, sizeof(*a->pool) * a->born[a->slots + 1]);
	return copy;
}

void assign_free(struct assign *a)
{
	free(a);
}

unsigned assign_routes(const struct assign *a)
{
	return a->routes;
}

unsigned assign_slots(const struct assign *a)
{
	return a->slots;
}

static struct step step_from(const struct assign *a, unsigned n)
{
	unsigned quota = a->routes / (n + 1);
	unsigned extra = a->routes % n;

	return (struct step){
		.n = n,
		.share = a->routes / n,
		.extra = extra,
		.first = extra ? extra : n,
		.each = quota / n,
		.more = quota % n,
		.donors = quota < n ? quota : n,
	};
}

/* Sorted by routes owned, then by id, both descending, the donors are
 * first, first - 1, … 1, n, n - 1, … first + 1. */
static struct gift step_gift(const struct assign *a, const struct step *step,
			     unsigned visit)
{
	unsigned donor =
		step->first - visit + (visit < step->first ? 0 : step->n);
	unsigned owned = step->share + (donor <= step->extra);
	unsigned count = step->each + (visit < step->more);

	return (struct gift){
		.donor = (uint16_t)donor,
		.count = count,
		.ids = a->pool + a->born[donor] + owned - count,
	};
}

/* The first slot is born with all routes, from nobody. */
static void bear_first(struct assign *a)
{
	for (unsigned r = 1; r <= a->routes; r++)
		a->pool[r - 1] = (uint16_t)r;
}

static void bear_from_donors(struct assign *a, unsigned slot)
{
	struct step step = step_from(a, slot - 1);

	for (unsigned v = 0; v < step.donors; v++) {
		struct gift gift = step_gift(a, &step, v);

		for (unsigned i = 0; i < gift.count; i++)
			sorter_add(&a->sorter, gift.ids[i]);
	}
	sorter_drain(&a->sorter, a->pool + a->born[slot]);
}

/* Writes the birth list of slot n + 1; who owns what is the caller's. */
static void bear(struct assign *a)
{
	unsigned slot = a->slots + 1;

	if (slot == 1)
		bear_first(a);
	else
		bear_from_donors(a, slot);
	a->born[slot + 1] = a->born[slot] + a->routes / slot;
	a->slots = slot;
}

static void take_possession(struct assign *a, unsigned slot)
{
	struct route_set owned = assign_owned(a, (uint16_t)slot);

	for (unsigned i = 0; i < owned.count; i++)
		a->owner[owned.ids[i]] = (uint16_t)slot;
}

int assign_grow(struct assign *a)
{
	if (a->slots == a->slots_max)
		return -E2BIG;
	bear(a);
	take_possession(a, a->slots);
	return (int)(a->routes / a->slots);
}

/* Owners are written once, at the end. */
static void grow_from_afar(struct assign *a, unsigned slots)
{
	while (a->slots < slots)
		bear(a);
	for (unsigned s = 1; s <= slots; s++)
		take_possession(a, s);
}

int assign_grow_to(struct assign *a, unsigned slots)
{
	if (slots > a->slots_max)
		return -E2BIG;
	if (slots > 2 * a->slots) /* more than N routes would move */
		grow_from_afar(a, slots);
	while (a->slots < slots)
		assign_grow(a);
	return 0;
}

static void give_back(struct assign *a, unsigned slot)
{
	struct step step = step_from(a, slot - 1);

	for (unsigned v = 0; v < step.donors; v++) {
		struct gift gift = step_gift(a, &step, v);

		for (unsigned i = 0; i < gift.count; i++)
			a->owner[gift.ids[i]] = gift.donor;
	}
}

int assign_shrink(struct assign *a)
{
	unsigned slot = a->slots;

	if (!slot)
		return -ENOENT;
	if (slot == 1)
		memset(a->owner, 0, sizeof(*a->owner) * (a->routes + 1));
	else
		give_back(a, slot);
	a->slots = slot - 1;
	return (int)(a->routes / slot);
}

uint16_t assign_owner(const struct assign *a, uint16_t route)
{
	assert(route >= 1 && route <= a->routes);
	return a->owner[route];
}

struct route_set assign_owned(const struct assign *a, uint16_t slot)
{
	assert(slot >= 1 && slot <= a->slots);
	return (struct route_set){
		.ids = a->pool + a->born[slot],
		.count = a->routes / a->slots + (slot <= a->routes % a->slots),
	};
}
