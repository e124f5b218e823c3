// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_early.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/units.h"
#include "io/clock.h"

/* A flapping node must not take a CPU: time spent is paid back so many times,
 * and this much may be owed. */
#define SHARE	 10
#define DEBT_MAX (1 * NS_PER_S)

void plane_nft_early_fini(struct plane_nft_early *e)
{
	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++)
		plane_nft_flows_clear(&e->listed[i].flows);
}

static bool is_expected(const struct plane_nft_early *e, uint32_t tag)
{
	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++)
		if (e->expected[i] == tag)
			return true;
	return false;
}

static void forget(struct plane_nft_early *e, uint32_t tag)
{
	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++)
		if (e->expected[i] == tag)
			e->expected[i] = 0;
}

/* A free place, else the one that was taken longest ago. */
static unsigned find_place(struct plane_nft_early *e)
{
	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++)
		if (!e->expected[i])
			return i;
	return e->next++ % PLANE_NFT_EARLY_MAX;
}

void plane_nft_early_expect(struct plane_nft_early *e, uint32_t tag, bool on)
{
	if (!on)
		forget(e, tag);
	else if (!is_expected(e, tag))
		e->expected[find_place(e)] = tag;
}

unsigned plane_nft_early_suspects(const struct table *t,
				  const struct route_bits *held,
				  const struct route_set *routes, uint32_t *out,
				  unsigned max)
{
	bool *passed = calloc(t->seats + 1u, sizeof(*passed));
	unsigned count = 0;

	if (!passed)
		return 0;
	for (unsigned r = 1; r <= t->routes; r++)
		passed[t->seat_of[r]] |= !route_bits_has(held, (uint16_t)r);
	for (uint32_t i = 0; i < routes->count && count < max; i++) {
		uint16_t seat = t->seat_of[routes->ids[i]];

		if (t->seat[seat].tag && !passed[seat])
			out[count++] = t->seat[seat].tag;
		passed[seat] = true;
	}
	free(passed);
	return count;
}

static bool is_stale(const struct plane_nft_early *e, unsigned i)
{
	return e->listed[i].tag && e->listed[i].tag != e->expected[i];
}

static bool is_missing(const struct plane_nft_early *e, unsigned i)
{
	return e->expected[i] && !e->listed[i].tag;
}

bool plane_nft_early_is_due(const struct plane_nft_early *e, uint64_t now_ns)
{
	bool may_list = e->paid_ns <= now_ns + DEBT_MAX;

	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++)
		if (is_stale(e, i) || (may_list && is_missing(e, i)))
			return true;
	return false;
}

static void drop(struct plane_nft_early *e, unsigned i)
{
	e->flows -= e->listed[i].flows.count;
	plane_nft_flows_clear(&e->listed[i].flows);
	e->listed[i].tag = 0;
}

struct listing {
	struct plane_nft_early *early;
	struct plane_nft_flows *flows;
};

/* To its end in any case: a listing that was left costs a new socket. */
static bool note(void *arg, const struct conntrack_entry *c)
{
	struct listing *l = arg;

	if (c->assured && l->early->flows < PLANE_NFT_EARLY_FLOWS_MAX &&
	    !plane_nft_flows_add(l->flows, c))
		l->early->flows++;
	return true;
}

static void pay(struct plane_nft_early *e, uint64_t began_ns, uint64_t now_ns)
{
	if (e->paid_ns < began_ns)
		e->paid_ns = began_ns;
	e->paid_ns += SHARE * (now_ns - began_ns);
}

static int list(struct plane_nft_early *e, unsigned i, uint32_t tag,
		struct conntrack *ct, const struct plane_nft_tag *place)
{
	struct listing l = { e, &e->listed[i].flows };
	const struct conntrack_mark mark = { tag << place->shift, place->mask,
					     true };
	uint64_t began_ns = clock_monotonic_ns();
	int err = conntrack_list(ct, &mark, note, &l);

	e->listed[i].tag = tag;
	pay(e, began_ns, clock_monotonic_ns());
	return err;
}

int plane_nft_early_work(struct plane_nft_early *e, struct conntrack *ct,
			 const struct plane_nft_tag *place)
{
	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++)
		if (is_stale(e, i))
			drop(e, i);
	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++) {
		uint32_t tag = e->expected[i];

		if (tag && !e->listed[i].tag)
			return list(e, i, tag, ct, place);
	}
	return 0;
}

bool plane_nft_early_take(struct plane_nft_early *e, uint32_t tag,
			  struct plane_nft_flows *out)
{
	for (unsigned i = 0; i < PLANE_NFT_EARLY_MAX; i++) {
		uint32_t same = tag;

		if (!tag || e->listed[i].tag != tag)
			continue;
		/* unless the place has become another's meanwhile */
		atomic_compare_exchange_strong(&e->expected[i], &same, 0);
		*out = e->listed[i].flows;
		e->flows -= out->count;
		e->listed[i].flows = (struct plane_nft_flows){ 0 };
		e->listed[i].tag = 0;
		return true;
	}
	return false;
}
