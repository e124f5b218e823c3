// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "genl.h"
#include "selftest.h"

#define BITS_MAX (HALO_ROUTE_BITS / 8)	/* bytes */

struct netlink_range_validation halo_tag_range = {
	.min = 1, .max = HALO_TAG_MAX
};

struct netlink_range_validation halo_seat_range = {
	.min = 1, .max = HALO_SEATS_MAX
};

const struct nla_policy halo_service_policy[HALO_SERVICE_LAST + 1] = {
	[HALO_SERVICE_NAME] = { .type = NLA_NUL_STRING,
				.len = HALO_NAME_MAX - 1 },
	[HALO_SERVICE_PROTOCOL] = { .type = NLA_U8 },
	[HALO_SERVICE_LISTEN] = NLA_POLICY_MIN(NLA_U16, 1),
	[HALO_SERVICE_KEEP] = { .type = NLA_FLAG },
};

const struct nla_policy halo_seat_policy[HALO_SEAT_LAST + 1] = {
	[HALO_SEAT_NUMBER] = NLA_POLICY_MIN(NLA_U16, 1),
	[HALO_SEAT_TAG] = NLA_POLICY_FULL_RANGE(NLA_U32, &halo_tag_range),
	[HALO_SEAT_NODE4] = NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[HALO_SEAT_NODE6] = NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[HALO_SEAT_NAME] = { .type = NLA_NUL_STRING, .len = HALO_NAME_MAX - 1 },
};

static int refuse(struct netlink_ext_ack *extack, const struct nlattr *at,
		  const char *why)
{
	if (extack) {
		extack->_msg = why;
		extack->bad_attr = at;
	}
	return -EINVAL;
}

static bool overlaps(const struct halo_table *t, const struct halo_service *s)
{
	u8 i;

	for (i = 0; i < t->n_services; i++) {
		const struct halo_service *o = &t->services[i];

		if (o->protocol == s->protocol &&
		    abs(o->listen - s->listen) < t->routes)
			return true;
	}
	return false;
}

static int read_service(struct halo_table *t, const struct nlattr *nest,
			struct netlink_ext_ack *extack)
{
	struct nlattr *a[HALO_SERVICE_LAST + 1];
	struct halo_service *s;
	int err = nla_parse_nested(a, HALO_SERVICE_LAST, nest,
				   halo_service_policy, extack);

	if (err)
		return err;
	if (t->n_services == HALO_SERVICES_MAX)
		return refuse(extack, nest, "too many services");
	if (!a[HALO_SERVICE_NAME] || !a[HALO_SERVICE_PROTOCOL] ||
	    !a[HALO_SERVICE_LISTEN])
		return refuse(extack, nest,
			      "a service needs NAME, PROTOCOL and LISTEN");
	s = &t->services[t->n_services];
	nla_strscpy(s->name, a[HALO_SERVICE_NAME], sizeof(s->name));
	s->protocol = nla_get_u8(a[HALO_SERVICE_PROTOCOL]);
	s->listen = nla_get_u16(a[HALO_SERVICE_LISTEN]);
	s->keep = nla_get_flag(a[HALO_SERVICE_KEEP]);
	if (!s->name[0])
		return refuse(extack, nest, "a service's name is empty");
	if (s->protocol != IPPROTO_TCP && s->protocol != IPPROTO_UDP)
		return refuse(extack, a[HALO_SERVICE_PROTOCOL],
			      "a service is TCP or UDP");
	if (s->listen + t->routes - 1 > U16_MAX)
		return refuse(extack, a[HALO_SERVICE_LISTEN],
			      "the last route's door is beyond port 65535");
	if (overlaps(t, s))
		return refuse(extack, a[HALO_SERVICE_LISTEN],
			      "the doors of two services overlap");
	t->n_services++;
	return 0;
}

int halo_read_services(struct halo_table *t, const struct nlattr *nest,
		       struct netlink_ext_ack *extack)
{
	const struct nlattr *at;
	int left, err;

	nla_for_each_nested(at, nest, left) {
		if (nla_type(at) != HALO_ATTR_SERVICE)
			return refuse(extack, at, "SERVICES holds SERVICE only");
		err = read_service(t, at, extack);
		if (err)
			return err;
	}
	return t->n_services ? 0 : refuse(extack, nest, "no service");
}

/* 0, or why it is no address of a node. */
static const char *wrong4(const struct halo_table *t, __be32 a)
{
	if (!a || ipv4_is_multicast(a) || ipv4_is_lbcast(a))
		return "that is no node's address";
	return a == t->vip4 ? "a node has the virtual address" : NULL;
}

static const char *wrong6(const struct halo_table *t, const struct in6_addr *a)
{
	if (ipv6_addr_any(a) || ipv6_addr_is_multicast(a))
		return "that is no node's address";
	return ipv6_addr_equal(a, &t->vip6) ? "a node has the virtual address" :
					      NULL;
}

static int read_addresses(const struct halo_table *t, struct halo_seat *s,
			  struct nlattr **a, struct netlink_ext_ack *extack)
{
	const char *wrong;

	if (a[HALO_SEAT_NODE4]) {
		s->addr[HALO_V4].ip = nla_get_in_addr(a[HALO_SEAT_NODE4]);
		s->has[HALO_V4] = true;
		wrong = wrong4(t, s->addr[HALO_V4].ip);
		if (wrong)
			return refuse(extack, a[HALO_SEAT_NODE4], wrong);
	}
	if (a[HALO_SEAT_NODE6]) {
		s->addr[HALO_V6].in6 = nla_get_in6_addr(a[HALO_SEAT_NODE6]);
		s->has[HALO_V6] = true;
		wrong = wrong6(t, &s->addr[HALO_V6].in6);
		if (wrong)
			return refuse(extack, a[HALO_SEAT_NODE6], wrong);
	}
	return 0;
}

static int read_seat(struct halo_table *t, const struct nlattr *nest,
		     struct netlink_ext_ack *extack)
{
	struct nlattr *a[HALO_SEAT_LAST + 1];
	struct halo_seat s = { 0 };
	u16 number;
	int err = nla_parse_nested(a, HALO_SEAT_LAST, nest, halo_seat_policy,
				   extack);

	if (err)
		return err;
	if (!a[HALO_SEAT_NUMBER])
		return refuse(extack, nest, "a seat needs a NUMBER");
	number = nla_get_u16(a[HALO_SEAT_NUMBER]);
	if (number > t->seats)
		return refuse(extack, a[HALO_SEAT_NUMBER],
			      "a seat beyond SEATS_MAX");
	err = read_addresses(t, &s, a, extack);
	if (err)
		return err;
	if (a[HALO_SEAT_TAG])
		s.tag = nla_get_u32(a[HALO_SEAT_TAG]);
	if (a[HALO_SEAT_NAME])
		nla_strscpy(s.name, a[HALO_SEAT_NAME], sizeof(s.name));
	if (s.tag && !s.has[HALO_V4] && !s.has[HALO_V6])
		return refuse(extack, nest, "a seat with a TAG needs an address");
	if (!s.tag && (s.has[HALO_V4] || s.has[HALO_V6]))
		return refuse(extack, nest, "a seat with an address needs a TAG");
	t->seat[number] = s;
	return 0;
}

int halo_read_seats(struct halo_table *t, const struct nlattr *nest,
		    struct netlink_ext_ack *extack)
{
	const struct nlattr *at;
	int left, err;

	nla_for_each_nested(at, nest, left) {
		if (nla_type(at) != HALO_ATTR_SEAT)
			return refuse(extack, at, "SEATS holds SEAT only");
		err = read_seat(t, at, extack);
		if (err)
			return err;
	}
	return 0;
}

int halo_read_runs(struct halo_table *t, const struct nlattr *attr,
		   struct netlink_ext_ack *extack)
{
	u32 n = nla_len(attr) / sizeof(struct halo_run), i, r;
	struct halo_run run;

	if (nla_len(attr) % sizeof(run))
		return refuse(extack, attr, "RUNS is cut off");
	for (i = 0; i < n; i++) {
		memcpy(&run, nla_data(attr) + i * sizeof(run), sizeof(run));
		if (!run.first || run.first > run.last)
			return refuse(extack, attr, "a run is no range of routes");
		if (run.last > t->routes)
			return refuse(extack, attr, "a run beyond the last route");
		if (run.seat > t->seats)
			return refuse(extack, attr, "a run at a seat beyond SEATS_MAX");
		for (r = run.first; r <= run.last; r++)
			t->seat_of[r] = run.seat;
	}
	return 0;
}

int halo_read_route_set(unsigned long **bits, const struct nlattr *attr,
			u16 routes, struct netlink_ext_ack *extack)
{
	const u8 *byte = nla_data(attr);
	int len = nla_len(attr), r, max = min(len, BITS_MAX) * 8;
	unsigned long *made;

	if (len > BITS_MAX)
		return refuse(extack, attr, "ROUTE_SET is longer than 8192 bytes");
	made = halo_test_fails() ? NULL :
		bitmap_zalloc(HALO_ROUTE_BITS, GFP_KERNEL);
	if (!made)
		return -ENOMEM;
	for (r = 0; r < max; r++)
		if (byte[r / 8] >> (r % 8) & 1)
			__set_bit(r, made);
	if (test_bit(0, made) ||
	    find_next_bit(made, HALO_ROUTE_BITS, routes + 1) < HALO_ROUTE_BITS) {
		bitmap_free(made);
		return refuse(extack, attr, "ROUTE_SET has routes that are not there");
	}
	*bits = made;
	return 0;
}

static int put_service(struct sk_buff *skb, const struct halo_service *s)
{
	struct nlattr *nest = nla_nest_start(skb, HALO_ATTR_SERVICE);

	if (!nest || nla_put_string(skb, HALO_SERVICE_NAME, s->name) ||
	    nla_put_u8(skb, HALO_SERVICE_PROTOCOL, s->protocol) ||
	    nla_put_u16(skb, HALO_SERVICE_LISTEN, s->listen) ||
	    (s->keep && nla_put_flag(skb, HALO_SERVICE_KEEP)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

int halo_put_services(struct sk_buff *skb, const struct halo_table *t)
{
	struct nlattr *nest = nla_nest_start(skb, HALO_ATTR_SERVICES);
	u8 i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < t->n_services; i++)
		if (put_service(skb, &t->services[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

int halo_put_route_set(struct sk_buff *skb, const unsigned long *bits,
		       u16 routes)
{
	u32 len = routes / 8 + 1, r;
	struct nlattr *attr;
	u8 *byte;

	if (bitmap_empty(bits, HALO_ROUTE_BITS))
		return 0;
	attr = nla_reserve(skb, HALO_ATTR_ROUTE_SET, len);
	if (!attr)
		return -EMSGSIZE;
	byte = nla_data(attr);
	memset(byte, 0, len);
	for_each_set_bit(r, bits, routes + 1)
		byte[r / 8] |= 1 << (r % 8);
	return 0;
}

static int put_seat(struct sk_buff *skb, const struct halo_seat *s, u16 number)
{
	struct nlattr *nest = nla_nest_start(skb, HALO_ATTR_SEAT);

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u16(skb, HALO_SEAT_NUMBER, number) ||
	    nla_put_u32(skb, HALO_SEAT_TAG, s->tag) ||
	    (s->has[HALO_V4] && nla_put_in_addr(skb, HALO_SEAT_NODE4,
						s->addr[HALO_V4].ip)) ||
	    (s->has[HALO_V6] && nla_put_in6_addr(skb, HALO_SEAT_NODE6,
						 &s->addr[HALO_V6].in6)) ||
	    (s->name[0] && nla_put_string(skb, HALO_SEAT_NAME, s->name))) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

int halo_put_seats(struct sk_buff *skb, const struct halo_table *t, u32 *seat)
{
	struct nlattr *nest = nla_nest_start(skb, HALO_ATTR_SEATS);

	if (!nest)
		return -EMSGSIZE;
	for (; *seat <= t->seats; ++*seat) {
		/* an attribute's length has 16 bits */
		if (skb_tail_pointer(skb) - (u8 *)nest > U16_MAX - 192)
			break;
		if (t->seat[*seat].tag && put_seat(skb, &t->seat[*seat], *seat))
			break;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static struct halo_run run_at(const struct halo_table *t, u32 first)
{
	u32 last = first;

	while (last < t->routes && t->seat_of[last + 1] == t->seat_of[first])
		last++;
	return (struct halo_run){ first, last, t->seat_of[first] };
}

int halo_put_runs(struct sk_buff *skb, const struct halo_table *t, u32 *route)
{
	struct nlattr *attr = nla_reserve(skb, HALO_ATTR_RUNS, 0);
	struct halo_run run;

	if (!attr)
		return -EMSGSIZE;
	while (*route <= t->routes && skb_tailroom(skb) >= 2 * sizeof(run) &&
	       attr->nla_len + sizeof(run) < U16_MAX) {
		run = run_at(t, *route);
		skb_put_data(skb, &run, sizeof(run));
		attr->nla_len += sizeof(run);
		*route = run.last + 1;
	}
	skb_put_zero(skb, nla_padlen(nla_len(attr)));
	return 0;
}
