/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of routes as bits: constant-time membership for every packet. For
 * walking a set in order there is struct route_set.
 */
#ifndef HALO_PACKET_ROUTE_BITS_H
#define HALO_PACKET_ROUTE_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/route_set.h"
#include "base/units.h"

struct route_bits {
	uint64_t word[ROUTES_MAX / 64 + 1];
};

static inline bool route_bits_has(const struct route_bits *b, uint16_t route)
{
	return b->word[route / 64] >> (route % 64) & 1;
}

static inline void route_bits_add(struct route_bits *b, uint16_t route)
{
	b->word[route / 64] |= 1ull << (route % 64);
}

static inline void route_bits_remove(struct route_bits *b, uint16_t route)
{
	b->word[route / 64] &= ~(1ull << (route % 64));
}

static inline void route_bits_add_set(struct route_bits *b,
				      const struct route_set *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		route_bits_add(b, s->ids[i]);
}

static inline void route_bits_remove_set(struct route_bits *b,
					 const struct route_set *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		route_bits_remove(b, s->ids[i]);
}

static inline void route_bits_merge(struct route_bits *b,
				    const struct route_bits *other)
{
	for (size_t i = 0; i < ARRAY_SIZE(b->word); i++)
		b->word[i] |= other->word[i];
}

static inline void route_bits_fill(struct route_bits *b)
{
	memset(b, 0xff, sizeof(*b));
}

#endif
