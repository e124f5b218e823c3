// SPDX-License-Identifier: GPL-2.0-or-later
#include "table.h"

#include <linux/atomic.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "selftest.h"

static atomic_t serials;

static void *zeroed(size_t n, size_t size)
{
	if (halo_test_fails())
		return NULL;
	return kvcalloc(n, size, GFP_KERNEL_ACCOUNT);
}

struct halo_table *halo_table_new(u16 routes, u16 seats)
{
	struct halo_table *t = zeroed(1, sizeof(*t));

	if (!t)
		return NULL;
	t->routes = routes;
	t->seats = seats;
	t->seat_of = zeroed(routes + 1, sizeof(*t->seat_of));
	t->seat = zeroed(seats + 1, sizeof(*t->seat));
	if (!t->seat_of || !t->seat) {
		halo_table_free(t);
		return NULL;
	}
	return t;
}

struct halo_table *halo_table_copy(const struct halo_table *t, u16 seats)
{
	struct halo_table *copy = halo_table_new(t->routes, seats);

	if (!copy)
		return NULL;
	memcpy(copy->seat_of, t->seat_of,
	       (t->routes + 1) * sizeof(*t->seat_of));
	memcpy(copy->seat, t->seat,
	       (min(t->seats, seats) + 1) * sizeof(*t->seat));
	memcpy(copy->services, t->services, sizeof(t->services));
	copy->n_services = t->n_services;
	copy->vip4 = t->vip4;
	copy->vip6 = t->vip6;
	copy->flows_max = t->flows_max;
	return copy;
}

void halo_table_free(struct halo_table *t)
{
	if (!t)
		return;
	kvfree(t->nodes4);
	kvfree(t->nodes6);
	kvfree(t->seat);
	kvfree(t->seat_of);
	kvfree(t);
}

static u32 n_places4(const struct halo_table *t)
{
	return t ? 1u << (32 - t->shift4) : 0;
}

static u32 n_places6(const struct halo_table *t)
{
	return t ? 1u << (32 - t->shift6) : 0;
}

/* Whoever is added first wins: those that serve. */
static void add4(struct halo_table *t, __be32 addr, u32 left)
{
	u32 mask = n_places4(t) - 1;
	u32 i = ((__force u32)addr * HALO_GOLDEN) >> t->shift4;

	while (t->nodes4[i].addr && t->nodes4[i].addr != addr)
		i = (i + 1) & mask;
	if (t->nodes4[i].addr)
		return;
	t->nodes4[i].addr = addr;
	t->nodes4[i].left = left;
}

static void add6(struct halo_table *t, const struct in6_addr *addr, u32 left)
{
	u32 mask = n_places6(t) - 1;
	u32 i = halo_place6(addr, t->shift6);

	while (!ipv6_addr_any(&t->nodes6[i].addr) &&
	       !ipv6_addr_equal(&t->nodes6[i].addr, addr))
		i = (i + 1) & mask;
	if (!ipv6_addr_any(&t->nodes6[i].addr))
		return;
	t->nodes6[i].addr = *addr;
	t->nodes6[i].left = left;
}

/* Since when an address of the former table does not serve; now: no longer. */
static u32 left_since(u32 left)
{
	return left ?: (u32)jiffies ?: 1;
}

static bool is_remembered4(const struct halo_node4 *n)
{
	return n->addr && !halo_has_left(n->left);
}

static bool is_remembered6(const struct halo_node6 *n)
{
	return !ipv6_addr_any(&n->addr) && !halo_has_left(n->left);
}

static void add_seats(struct halo_table *t)
{
	u32 i;

	for (i = 1; i <= t->seats; i++) {
		const struct halo_seat *s = &t->seat[i];

		if (s->has[HALO_V4])
			add4(t, s->addr[HALO_V4].ip, 0);
		if (s->has[HALO_V6])
			add6(t, &s->addr[HALO_V6].in6, 0);
	}
}

static void add_former(struct halo_table *t, const struct halo_table *former)
{
	u32 i, n4 = 0, n6 = 0;

	for (i = 0; i < n_places4(former) && n4 < HALO_FORMER_MAX; i++) {
		const struct halo_node4 *n = &former->nodes4[i];

		if (!is_remembered4(n))
			continue;
		add4(t, n->addr, left_since(n->left));
		n4++;
	}
	for (i = 0; i < n_places6(former) && n6 < HALO_FORMER_MAX; i++) {
		const struct halo_node6 *n = &former->nodes6[i];

		if (!is_remembered6(n))
			continue;
		add6(t, &n->addr, left_since(n->left));
		n6++;
	}
}

/* Of places for n addresses, half of them free, two at least. */
static u8 shift_for(u32 n)
{
	return 32 - max(ilog2(roundup_pow_of_two(2 * n + 2)), 1);
}

static void count_former(const struct halo_table *former, u32 n[HALO_FAMILIES])
{
	u32 i;

	for (i = 0; i < n_places4(former); i++)
		n[HALO_V4] += is_remembered4(&former->nodes4[i]);
	for (i = 0; i < n_places6(former); i++)
		n[HALO_V6] += is_remembered6(&former->nodes6[i]);
}

static void count_nodes(const struct halo_table *t,
			const struct halo_table *former, u32 n[HALO_FAMILIES])
{
	u32 i;

	count_former(former, n);
	for (i = 0; i < HALO_FAMILIES; i++)
		n[i] = min_t(u32, n[i], HALO_FORMER_MAX);
	for (i = 1; i <= t->seats; i++) {
		n[HALO_V4] += t->seat[i].has[HALO_V4];
		n[HALO_V6] += t->seat[i].has[HALO_V6];
	}
}

int halo_table_seal(struct halo_table *t, const struct halo_table *former)
{
	u32 n[HALO_FAMILIES] = { 0 };

	count_nodes(t, former, n);
	t->shift4 = shift_for(n[HALO_V4]);
	t->shift6 = shift_for(n[HALO_V6]);
	t->nodes4 = zeroed(n_places4(t), sizeof(*t->nodes4));
	t->nodes6 = zeroed(n_places6(t), sizeof(*t->nodes6));
	if (!t->nodes4 || !t->nodes6)
		return -ENOMEM;
	add_seats(t);
	add_former(t, former);
	do {
		t->serial = atomic_inc_return(&serials);
	} while (!t->serial);
	return 0;
}

struct halo_door halo_table_door(const struct halo_table *t, u8 protocol,
				 __be16 port)
{
	u8 i;

	for (i = 0; i < t->n_services; i++) {
		const struct halo_service *s = &t->services[i];
		int at = ntohs(port) - s->listen;

		if (s->protocol == protocol && at >= 0 && at < t->routes)
			return (struct halo_door){ s, at + 1, i };
	}
	return (struct halo_door){ NULL };
}
