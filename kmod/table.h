/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table in the kernel: which node instance serves each route, what is a
 * door, whose packets are a node's. Immutable once published, replaced by
 * pointer; it knows no flows and no netlink.
 *
 * Built by one owner: new or copy, then set, then seal, then published.
 */
#ifndef HALO_TABLE_H
#define HALO_TABLE_H

#include <linux/jiffies.h>
#include <linux/netfilter.h>
#include <net/ipv6.h>

#include "uapi/halo.h"

/* After that the address may be another machine's. */
#define HALO_FORMER_KEEP (600 * HZ)
#define HALO_FORMER_MAX	 16384	/* of each family */

enum { HALO_V4, HALO_V6, HALO_FAMILIES };

static inline unsigned int halo_index(u8 family)
{
	return family == NFPROTO_IPV4 ? HALO_V4 : HALO_V6;
}

struct halo_service {
	char name[HALO_NAME_MAX];
	u16 listen;
	u8 protocol;
	bool keep;
};

struct halo_seat {
	union nf_inet_addr addr[HALO_FAMILIES];
	bool has[HALO_FAMILIES];
	u16 tag;		/* 0: nobody */
	char name[HALO_NAME_MAX];	/* the node's; "": not told */
};

/* The address of a node; left: jiffies at which it ceased to serve, 0: it
 * serves.
 */
struct halo_node4 {
	__be32 addr;		/* 0: free */
	u32 left;
};

struct halo_node6 {
	struct in6_addr addr;	/* ::: free */
	u32 left;
};

struct halo_table {
	/* read for every packet */
	__be32 vip4;		/* 0: none */
	struct in6_addr vip6;	/* ::: none */
	u32 serial;		/* of this table object, never 0 */
	u8 shift4, shift6;	/* 32 - bits of the number of nodes' places */
	struct halo_node4 *nodes4;
	struct halo_node6 *nodes6;
	u16 *seat_of;		/* [routes + 1] */
	struct halo_seat *seat;	/* [seats + 1]; seat[0] is empty */
	/* for new flows */
	u16 routes, seats;
	u8 n_services;
	struct halo_service services[HALO_SERVICES_MAX];
	u32 flows_max;
	u64 version;
};

struct halo_door {
	const struct halo_service *service;	/* NULL: no door */
	u16 route;
	u8 index;		/* of the service */
};

/* Unowned routes, empty seats, no services. NULL: no memory. */
struct halo_table *halo_table_new(u16 routes, u16 seats);
/* A copy to edit, with that many seats (not fewer than are in use). */
struct halo_table *halo_table_copy(const struct halo_table *t, u16 seats);
void halo_table_free(struct halo_table *t);

/* Finds the nodes' addresses, those of the former table (NULL: none) that
 * served until now or left lately included. 0 or -ENOMEM.
 */
int halo_table_seal(struct halo_table *t, const struct halo_table *former);

struct halo_door halo_table_door(const struct halo_table *t, u8 protocol,
				 __be16 port);

/* Who serves the route; NULL: nobody. */
static inline const struct halo_seat *halo_table_seat(const struct halo_table *t,
						      u16 route)
{
	const struct halo_seat *seat = &t->seat[t->seat_of[route]];

	return seat->tag ? seat : NULL;
}

#define HALO_GOLDEN 0x9e3779b1u	/* 2^32 / golden ratio, odd */

static inline bool halo_has_left(u32 left)
{
	return left && (u32)jiffies - left > HALO_FORMER_KEEP;
}

/* An address that serves, or lately did. */
static inline bool halo_table_is_node4(const struct halo_table *t, __be32 addr)
{
	u32 i = ((__force u32)addr * HALO_GOLDEN) >> t->shift4;
	u32 mask = (1u << (32 - t->shift4)) - 1;

	while (t->nodes4[i].addr && t->nodes4[i].addr != addr)
		i = (i + 1) & mask;
	return t->nodes4[i].addr && !halo_has_left(t->nodes4[i].left);
}

static inline u32 halo_place6(const struct in6_addr *a, u8 shift)
{
	u32 x = (__force u32)(a->s6_addr32[0] ^ a->s6_addr32[1]) * HALO_GOLDEN;

	x ^= (__force u32)(a->s6_addr32[2] ^ a->s6_addr32[3]);
	return (x * HALO_GOLDEN) >> shift;
}

static inline bool halo_table_is_node6(const struct halo_table *t,
				       const struct in6_addr *addr)
{
	u32 i = halo_place6(addr, t->shift6);
	u32 mask = (1u << (32 - t->shift6)) - 1;

	while (!ipv6_addr_any(&t->nodes6[i].addr) &&
	       !ipv6_addr_equal(&t->nodes6[i].addr, addr))
		i = (i + 1) & mask;
	return !ipv6_addr_any(&t->nodes6[i].addr) &&
	       !halo_has_left(t->nodes6[i].left);
}

#endif
