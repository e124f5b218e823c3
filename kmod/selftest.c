// SPDX-License-Identifier: GPL-2.0-or-later
#include "selftest.h"

#include <linux/module.h>
#include <linux/random.h>
#include <net/ipv6.h>

#include "table.h"

#define ROUNDS	300
#define ROUTES	97
#define SEATS	13
#define POOL	40	/* addresses, of which some are nodes' */

static int fail_at;
module_param(fail_at, int, 0644);
MODULE_PARM_DESC(fail_at, "the allocation of a table that fails, from now on: 1, 2, …");

static bool selftest = true;
module_param(selftest, bool, 0444);
MODULE_PARM_DESC(selftest, "check the table at load (default yes)");

bool halo_test_fails(void)
{
	return fail_at > 0 && !--fail_at;
}

/* What a table should say, looked up the slow way. */
struct naive {
	u16 tag[ROUTES + 1];
	bool node4[POOL], node6[POOL], ever4[POOL], ever6[POOL];
};

static __be32 address4(u32 i)
{
	return htonl(0xc6130000 + i * 0x101);
}

static struct in6_addr address6(u32 i)
{
	struct in6_addr a = { .s6_addr = { 0xfd } };

	a.s6_addr32[3] = htonl(i * 0x10001);
	return a;
}

static u32 below(u32 n)
{
	return get_random_u32() % n;
}

static void sit(struct halo_table *t, u16 seat)
{
	struct halo_seat *s = &t->seat[seat];
	u32 i = below(POOL);

	*s = (struct halo_seat){ .tag = below(3) ? 1 + below(HALO_TAG_MAX) : 0 };
	if (!s->tag)
		return;
	s->has[HALO_V4] = below(2);
	s->has[HALO_V6] = !s->has[HALO_V4] || below(2);
	if (s->has[HALO_V4])
		s->addr[HALO_V4].ip = address4(i);
	if (s->has[HALO_V6])
		s->addr[HALO_V6].in6 = address6(i);
}

static void change(struct halo_table *t)
{
	u32 i;

	for (i = 0; i < 5; i++)
		sit(t, 1 + below(t->seats));
	for (i = 0; i < 30; i++)
		t->seat_of[1 + below(t->routes)] = below(t->seats + 1);
}

static void model(struct naive *m, const struct halo_table *t)
{
	u32 i, s;

	for (i = 1; i <= ROUTES; i++)
		m->tag[i] = t->seat[t->seat_of[i]].tag;
	for (i = 0; i < POOL; i++) {
		m->node4[i] = m->node6[i] = false;
		for (s = 1; s <= t->seats; s++) {
			struct in6_addr a = address6(i);

			m->node4[i] |= t->seat[s].has[HALO_V4] &&
				t->seat[s].addr[HALO_V4].ip == address4(i);
			m->node6[i] |= t->seat[s].has[HALO_V6] &&
				ipv6_addr_equal(&t->seat[s].addr[HALO_V6].in6,
						&a);
		}
		m->ever4[i] |= m->node4[i];
		m->ever6[i] |= m->node6[i];
	}
}

static bool agrees(const struct naive *m, const struct halo_table *t)
{
	u32 i;

	for (i = 1; i <= ROUTES; i++) {
		const struct halo_seat *seat = halo_table_seat(t, i);

		if (m->tag[i] != (seat ? seat->tag : 0))
			return false;
	}
	for (i = 0; i < POOL; i++) {
		struct in6_addr a = address6(i);

		if (halo_table_is_node4(t, address4(i)) != m->ever4[i] ||
		    halo_table_is_node6(t, &a) != m->ever6[i])
			return false;
	}
	return !halo_table_is_node4(t, htonl(0x01020304));
}

static struct halo_door naive_door(const struct halo_table *t, u8 protocol,
				   u16 port)
{
	u32 i, r;

	for (i = 0; i < t->n_services; i++)
		for (r = 1; r <= t->routes; r++)
			if (t->services[i].protocol == protocol &&
			    t->services[i].listen + r - 1 == port)
				return (struct halo_door){ &t->services[i], r,
							   i };
	return (struct halo_door){ NULL };
}

static bool doors_agree(struct halo_table *t)
{
	u32 port;

	t->services[0] = (struct halo_service){ .listen = 8001,
						.protocol = IPPROTO_TCP };
	t->services[1] = (struct halo_service){ .listen = 8050,
						.protocol = IPPROTO_UDP };
	t->services[2] = (struct halo_service){ .listen = U16_MAX - ROUTES + 1,
						.protocol = IPPROTO_TCP };
	t->n_services = 3;
	for (port = 0; port <= U16_MAX; port++) {
		u8 protocol = port % 2 ? IPPROTO_TCP : IPPROTO_UDP;
		struct halo_door is = halo_table_door(t, protocol, htons(port));
		struct halo_door should = naive_door(t, protocol, port);

		if (is.service != should.service || is.route != should.route)
			return false;
	}
	return true;
}

/* A chain of tables, each a change of the one before. */
static bool tables_agree(void)
{
	struct halo_table *t = halo_table_new(ROUTES, SEATS), *next;
	struct naive *m = kzalloc(sizeof(*m), GFP_KERNEL);
	bool fine = t && m && !halo_table_seal(t, NULL);
	u32 i;

	for (i = 0; fine && i < ROUNDS; i++) {
		next = halo_table_copy(t, SEATS);
		fine = next;
		if (!fine)
			break;
		change(next);
		model(m, next);
		fine = !halo_table_seal(next, t) && agrees(m, next) &&
		       next->serial != t->serial;
		halo_table_free(t);
		t = next;
	}
	fine = fine && doors_agree(t);
	halo_table_free(t);
	kfree(m);
	return fine;
}

int halo_selftest(void)
{
	if (!selftest)
		return 0;
	if (!tables_agree()) {
		pr_err("halo: selftest: the table is not what it should be\n");
		return -EINVAL;
	}
	pr_info("halo: selftest: the table agrees with the naive one\n");
	return 0;
}
