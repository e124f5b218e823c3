/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/held.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NONE	     UINT32_MAX
#define SOURCES	     4096 /* counters; clients that share one share its cap */
#define SOURCE_SHARE 4	  /* one client's address may take 1/4 */

/* Equal pieces of memory, handed out and taken back. */
struct pool {
	uint8_t *memory;
	uint8_t **free;
	unsigned n_free;
	size_t size;
};

struct held {
	unsigned max, count, per_source_max;
	uint32_t seed;
	uint32_t mask;
	uint32_t *buckets; /* by flow key, chained */
	struct held_packet *packets;
	uint32_t *free;
	uint32_t oldest, newest;
	struct pool syns, datagrams;
	uint32_t of_source[SOURCES];
};

static int pool_init(struct pool *pool, unsigned n, size_t size)
{
	pool->size = size;
	pool->memory = malloc(n * size);
	pool->free = calloc(n, sizeof(*pool->free));
	if (!pool->memory || !pool->free)
		return -ENOMEM;
	for (; pool->n_free < n; pool->n_free++)
		pool->free[pool->n_free] = pool->memory + pool->n_free * size;
	return 0;
}

static void pool_fini(struct pool *pool)
{
	free(pool->memory);
	free(pool->free);
}

static uint32_t hash(uint32_t seed, const void *data, size_t len)
{
	const uint8_t *byte = data;
	uint32_t h = seed ^ 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ byte[i]) * 16777619u;
	return h ^ h >> 15;
}

static uint32_t *bucket(struct held *h, const struct flow_key *key)
{
	return &h->buckets[hash(h->seed, key, sizeof(*key)) & h->mask];
}

static uint32_t *source(struct held *h, const struct flow_key *key)
{
	uint32_t i = hash(h->seed, &key->client, sizeof(key->client));

	return &h->of_source[i % SOURCES];
}

static int allocate(struct held *h)
{
	unsigned buckets = h->mask + 1;

	h->packets = calloc(h->max, sizeof(*h->packets));
	h->free = calloc(h->max, sizeof(*h->free));
	h->buckets = malloc(buckets * sizeof(*h->buckets));
	if (!h->packets || !h->free || !h->buckets)
		return -ENOMEM;
	memset(h->buckets, 0xff, buckets * sizeof(*h->buckets));
	for (unsigned i = 0; i < h->max; i++)
		h->free[i] = h->max - 1 - i;
	if (pool_init(&h->syns, h->max, HELD_SYN_MAX))
		return -ENOMEM;
	return pool_init(&h->datagrams,
			 h->max < HELD_DATAGRAMS ? h->max : HELD_DATAGRAMS,
			 HELD_DATAGRAM_MAX);
}

struct held *held_new(unsigned max, uint32_t seed)
{
	struct held *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->max = max;
	h->seed = seed;
	h->per_source_max = (max + SOURCE_SHARE - 1) / SOURCE_SHARE;
	h->oldest = h->newest = NONE;
	while (h->mask < max)
		h->mask = h->mask * 2 + 1;
	if (allocate(h)) {
		held_free(h);
		return NULL;
	}
	return h;
}

void held_free(struct held *h)
{
	if (!h)
		return;
	pool_fini(&h->datagrams);
	pool_fini(&h->syns);
	free(h->buckets);
	free(h->free);
	free(h->packets);
	free(h);
}

/* From packet i on, along its bucket's chain. */
static struct held_packet *find_from(struct held *h, uint32_t i,
				     const struct flow_key *key)
{
	while (i != NONE && memcmp(&h->packets[i].key, key, sizeof(*key)))
		i = h->packets[i].chain;
	return i == NONE ? NULL : &h->packets[i];
}

struct held_packet *held_find(struct held *h, const struct flow_key *key)
{
	return find_from(h, *bucket(h, key), key);
}

static bool is_waiting(struct held *h, const struct flow_key *key, uint32_t seq)
{
	struct held_packet *w = held_find(h, key);

	while (w && w->seq != seq)
		w = find_from(h, w->chain, key);
	return w;
}

static struct pool *pool_for(struct held *h, size_t len)
{
	return len <= HELD_SYN_MAX ? &h->syns : &h->datagrams;
}

static void append(struct held *h, uint32_t i)
{
	struct held_packet *w = &h->packets[i];
	uint32_t *head = bucket(h, &w->key);

	w->chain = *head;
	*head = i;
	w->newer = NONE;
	w->older = h->newest;
	*(w->older == NONE ? &h->oldest : &h->packets[w->older].newer) = i;
	h->newest = i;
	++*source(h, &w->key);
}

int held_add(struct held *h, const struct packet *p, const struct flow_key *key,
	     uint16_t route, uint32_t seq)
{
	struct pool *pool = pool_for(h, p->len);
	struct held_packet *w;
	uint32_t i;

	if (p->len > HELD_DATAGRAM_MAX)
		return -EMSGSIZE;
	/* Datagrams have no number that tells a repeated one. */
	if (key->protocol == IPPROTO_TCP && is_waiting(h, key, seq))
		return -EEXIST;
	if (h->count == h->max || !pool->n_free ||
	    *source(h, key) >= h->per_source_max)
		return -ENOSPC;

	i = h->free[h->max - 1 - h->count++];
	w = &h->packets[i];
	*w = (struct held_packet){
		.key = *key, .route = route, .seq = seq, .packet = *p
	};
	w->packet.data = pool->free[--pool->n_free];
	memcpy(w->packet.data, p->data, p->len);
	append(h, i);
	return 0;
}

struct held_packet *held_next(struct held *h, const struct held_packet *after)
{
	uint32_t i = after ? after->newer : h->oldest;

	return i == NONE ? NULL : &h->packets[i];
}

void held_remove(struct held *h, struct held_packet *w)
{
	struct pool *pool = pool_for(h, w->packet.len);
	uint32_t i = (uint32_t)(w - h->packets);
	uint32_t *at = bucket(h, &w->key);

	while (*at != i)
		at = &h->packets[*at].chain;
	*at = w->chain;
	*(w->older == NONE ? &h->oldest : &h->packets[w->older].newer) =
		w->newer;
	*(w->newer == NONE ? &h->newest : &h->packets[w->newer].older) =
		w->older;
	--*source(h, &w->key);
	pool->free[pool->n_free++] = w->packet.data;
	h->free[h->max - h->count--] = i;
}

unsigned held_count(const struct held *h)
{
	return h->count;
}
