/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static_assert(sizeof(struct flow_key) ==
		      sizeof(struct addr) + 1 + 2 * sizeof(uint16_t),
	      "a key is hashed and compared as bytes");

/* An idle SSE client is a working one: established flows live as long as
 * conntrack's do. A timeout a state makes each list's order that of expiry. */
static const struct {
	uint64_t timeout_ns;
	bool yields; /* gives way before any flow that works */
} rules[FLOW_STATES] = {
	[FLOW_SYN_SENT] = { 60 * NS_PER_S, true },
	[FLOW_SYN_RECEIVED] = { 60 * NS_PER_S, true },
	[FLOW_RELEARNED] = { 60 * NS_PER_S, true },
	[FLOW_ESTABLISHED] = { 5 * 86400 * NS_PER_S, false },
	[FLOW_CLOSING] = { 60 * NS_PER_S, true },
	[FLOW_UDP_NEW] = { 30 * NS_PER_S, true },
	[FLOW_UDP] = { 180 * NS_PER_S, false },
};

struct idle_list {
	uint32_t oldest, newest;
};

struct flow_table {
	struct flow *flows;
	uint32_t *buckets; /* [mask + 1] */
	uint32_t mask;
	uint32_t max, count;
	uint32_t span;	     /* slots ever used */
	uint32_t first_free; /* chained by .chain */
	uint64_t seed;
	struct idle_list idle[FLOW_STATES];
};

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio */
	return h ^ h >> 29;
}

static uint32_t *bucket(const struct flow_table *t, const struct flow_key *key)
{
	uint64_t word[(sizeof(*key) + 7) / 8] = { 0 };
	uint64_t h = t->seed;

	memcpy(word, key, sizeof(*key));
	for (size_t i = 0; i < ARRAY_SIZE(word); i++)
		h = mix(h, word[i]);
	return &t->buckets[mix(h, h >> 32) >> 16 & t->mask];
}

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t n = 1;

	while (n < at_least)
		n *= 2;
	return n;
}

struct flow_table *flow_table_new(unsigned max, uint32_t seed)
{
	struct flow_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max;
	t->mask = power_of_two(max) - 1;
	t->seed = mix(0x243f6a8885a308d3ull, seed); /* pi */
	t->first_free = FLOW_NONE;
	t->flows = calloc(max, sizeof(*t->flows));
	t->buckets = malloc((t->mask + 1ull) * sizeof(*t->buckets));
	if (!t->flows || !t->buckets) {
		flow_table_free(t);
		return NULL;
	}
	memset(t->buckets, 0xff, (t->mask + 1ull) * sizeof(*t->buckets));
	memset(t->idle, 0xff, sizeof(t->idle));
	return t;
}

void flow_table_free(struct flow_table *t)
{
	if (!t)
		return;
	free(t->buckets);
	free(t->flows);
	free(t);
}

uint32_t flow_index(const struct flow_table *t, const struct flow *f)
{
	return (uint32_t)(f - t->flows);
}

struct flow *flow_find(const struct flow_table *t, const struct flow_key *key)
{
	uint32_t i = *bucket(t, key);

	while (i != FLOW_NONE && memcmp(&t->flows[i].key, key, sizeof(*key)))
		i = t->flows[i].chain;
	return i == FLOW_NONE ? NULL : &t->flows[i];
}

static void list_append(struct flow_table *t, struct flow *f)
{
	struct idle_list *list = &t->idle[f->state];
	uint32_t i = flow_index(t, f);

	f->newer = FLOW_NONE;
	f->older = list->newest;
	*(f->older == FLOW_NONE ? &list->oldest : &t->flows[f->older].newer) =
		i;
	list->newest = i;
}

static void list_remove(struct flow_table *t, struct flow *f)
{
	struct idle_list *list = &t->idle[f->state];

	*(f->older == FLOW_NONE ? &list->oldest : &t->flows[f->older].newer) =
		f->newer;
	*(f->newer == FLOW_NONE ? &list->newest : &t->flows[f->newer].older) =
		f->older;
}

static struct flow *take_free(struct flow_table *t)
{
	struct flow *f;

	if (t->first_free == FLOW_NONE)
		return &t->flows[t->span++];
	f = &t->flows[t->first_free];
	t->first_free = f->chain;
	return f;
}

struct flow *flow_add(struct flow_table *t, const struct flow_key *key,
		      enum flow_state state, uint64_t now_ns)
{
	uint32_t *head = bucket(t, key);
	struct flow *f;

	assert(!flow_table_is_full(t));
	f = take_free(t);
	*f = (struct flow){ .key = *key,
			    .state = (uint8_t)state,
			    .last_ns = now_ns,
			    .chain = *head };
	*head = flow_index(t, f);
	list_append(t, f);
	t->count++;
	return f;
}

void flow_remove(struct flow_table *t, struct flow *f)
{
	uint32_t *at = bucket(t, &f->key);
	uint32_t i = flow_index(t, f);

	while (*at != i)
		at = &t->flows[*at].chain;
	*at = f->chain;
	list_remove(t, f);
	f->state = FLOW_FREE;
	f->chain = t->first_free;
	t->first_free = i;
	t->count--;
}

void flow_touch(struct flow_table *t, struct flow *f, enum flow_state state,
		uint64_t now_ns)
{
	if (f->state == state && now_ns - f->last_ns < FLOW_TOUCH_GRAIN_NS)
		return;
	list_remove(t, f);
	f->state = (uint8_t)state;
	f->last_ns = now_ns;
	list_append(t, f);
}

bool flow_table_is_full(const struct flow_table *t)
{
	return t->count == t->max;
}

unsigned flow_table_count(const struct flow_table *t)
{
	return t->count;
}

unsigned flow_table_max(const struct flow_table *t)
{
	return t->max;
}

static struct flow *oldest(const struct flow_table *t, int state)
{
	uint32_t i = t->idle[state].oldest;

	return i == FLOW_NONE ? NULL : &t->flows[i];
}

static struct flow *idlest(const struct flow_table *t, bool yields)
{
	struct flow *found = NULL;

	for (int state = FLOW_FREE + 1; state < FLOW_STATES; state++) {
		struct flow *f = oldest(t, state);

		if (f && rules[state].yields == yields &&
		    (!found || f->last_ns < found->last_ns))
			found = f;
	}
	return found;
}

struct flow *flow_victim(const struct flow_table *t)
{
	struct flow *f = idlest(t, true);

	return f ? f : idlest(t, false);
}

struct flow *flow_expired(const struct flow_table *t, uint64_t now_ns)
{
	for (int state = FLOW_FREE + 1; state < FLOW_STATES; state++) {
		struct flow *f = oldest(t, state);

		if (f && now_ns - f->last_ns >= rules[state].timeout_ns)
			return f;
	}
	return NULL;
}

uint32_t flow_table_span(const struct flow_table *t)
{
	return t->span;
}

struct flow *flow_at(const struct flow_table *t, uint32_t index)
{
	struct flow *f = &t->flows[index];

	return f->state == FLOW_FREE ? NULL : f;
}
