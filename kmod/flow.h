/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounded table of flows of a namespace: found by the client's side of them
 * in either direction, expiring. Knows TCP's states and sequence numbers, but
 * sends nothing and decides nothing about routes.
 *
 * Readers hold rcu_read_lock() and see a flow whole: all but its state, what
 * was sent and when it was touched is immutable. Writers hold its bucket's lock.
 */
#ifndef HALO_FLOW_H
#define HALO_FLOW_H

#include <linux/jiffies.h>
#include <linux/netfilter.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>
#include <net/ipv6.h>

#include "uapi/halo.h"

struct halo_packet;

/* The same in both directions: one virtual address a family, and the door's
 * port is kept on the node.
 */
struct halo_key {
	union nf_inet_addr client;
	union {
		struct {
			__be16 client_port, door_port;
		};
		u32 ports;	/* as a client's packet has them */
	};
	u8 protocol, family;
};

enum halo_end { HALO_CLIENT, HALO_NODE, HALO_FLOW_ENDS };

/* What one end of a TCP flow has sent so far, RSTs aside. Raised without a
 * lock: where two CPUs race, one may lose. Then a reset comes too low, its
 * receiver challenges it (RFC 5961), and the challenge, of no flow any more, is
 * answered by one that fits.
 */
struct halo_sent {
	u32 end;	/* highest seq + length: what the other end expects */
	u32 ack;	/* highest ack: what this end expects */
	bool has_end, has_ack;
};

struct halo_flow {
	struct hlist_node chain;
	struct halo_key key;
	u8 state;	/* enum halo_flow_state */
	bool was_reset;	/* an exact RST passed: both ends know */
	union nf_inet_addr node;
	u32 serial;	/* of the table that it was last found to agree with */
	u16 tag, route;
	struct halo_sent sent[HALO_FLOW_ENDS];
	u32 touched;	/* jiffies */
	u32 syn;	/* where its SYN is kept */
	u32 bucket;
	struct rcu_head rcu;
};

#define HALO_FLOW_LOCKS 256

struct halo_flows {
	struct hlist_head *buckets;
	u32 shift;	/* 64 - bits of the number of buckets */
	u32 max;
	u64 seed[7];	/* odd or not; random */
	atomic_t count;
	u32 expiry_at;	/* the bucket where expiry goes on */
	spinlock_t locks[HALO_FLOW_LOCKS];
};

struct halo_flows *halo_flows_new(u32 max);
/* Nobody reads any more. Flows are freed after a grace period. */
void halo_flows_free(struct halo_flows *ft);

static inline u32 halo_n_buckets(const struct halo_flows *ft)
{
	return 1u << (64 - ft->shift);
}

/*
 * Multilinear hashing: strongly universal in its upper half (Lemire and Kaser,
 * "Strongly universal string hashing is fast", 2014), so that no choice of
 * client addresses and ports makes long chains.
 */
static inline u32 halo_bucket4(const struct halo_flows *ft, __be32 client,
			       u32 ports, u8 protocol)
{
	u64 h = ft->seed[0] + ft->seed[1] * (__force u32)client +
		ft->seed[2] * ports + ft->seed[3] * protocol;

	return h >> ft->shift;
}

static inline u32 halo_bucket6(const struct halo_flows *ft,
			       const struct in6_addr *client, u32 ports,
			       u8 protocol)
{
	u64 h = ft->seed[0] + ft->seed[1] * (__force u32)client->s6_addr32[0] +
		ft->seed[2] * ports + ft->seed[3] * protocol +
		ft->seed[4] * (__force u32)client->s6_addr32[1] +
		ft->seed[5] * (__force u32)client->s6_addr32[2] +
		ft->seed[6] * (__force u32)client->s6_addr32[3];

	return h >> ft->shift;
}

static inline struct halo_flow *halo_flow_find4(const struct halo_flows *ft,
						__be32 client, u32 ports,
						u8 protocol)
{
	u32 i = halo_bucket4(ft, client, ports, protocol);
	struct halo_flow *f;

	hlist_for_each_entry_rcu(f, &ft->buckets[i], chain)
		if (f->key.ports == ports && f->key.client.ip == client &&
		    f->key.protocol == protocol &&
		    f->key.family == NFPROTO_IPV4)
			return f;
	return NULL;
}

static inline struct halo_flow *halo_flow_find6(const struct halo_flows *ft,
						const struct in6_addr *client,
						u32 ports, u8 protocol)
{
	u32 i = halo_bucket6(ft, client, ports, protocol);
	struct halo_flow *f;

	hlist_for_each_entry_rcu(f, &ft->buckets[i], chain)
		if (f->key.ports == ports &&
		    ipv6_addr_equal(&f->key.client.in6, client) &&
		    f->key.protocol == protocol &&
		    f->key.family == NFPROTO_IPV6)
			return f;
	return NULL;
}

struct halo_flow *halo_flow_find(const struct halo_flows *ft,
				 const struct halo_key *key);

/* A flow that nobody sees yet, zeroed but for key and time; NULL: no memory. */
struct halo_flow *halo_flow_new(const struct halo_key *key);
/* Of one that was not inserted. */
void halo_flow_free(struct halo_flow *f);

/* Returns f, or who has the key already (then f is freed). When the table is
 * full an idler flow of the neighbourhood gives way: *evicted; NULL: nobody
 * was there (f is freed).
 */
struct halo_flow *halo_flow_insert(struct halo_flows *ft, struct halo_flow *f,
				   bool *evicted);
/* True for the one caller who took it out; it is freed after a grace period. */
bool halo_flow_remove(struct halo_flows *ft, struct halo_flow *f);
/* The same, another in its place. */
bool halo_flow_replace(struct halo_flows *ft, struct halo_flow *f,
		       struct halo_flow *by);

static inline void halo_flow_touch(struct halo_flow *f)
{
	u32 now = (u32)jiffies;

	if (READ_ONCE(f->touched) != now)
		WRITE_ONCE(f->touched, now);
}

static inline void halo_raise(u32 *highest, u32 value)
{
	if ((s32)(READ_ONCE(*highest) - value) < 0)
		WRITE_ONCE(*highest, value);
}

/* A segment of an established flow without SYN, FIN and RST. */
static inline void halo_flow_sent(struct halo_flow *f, enum halo_end from,
				  u32 end, u32 ack, bool has_ack)
{
	halo_raise(&f->sent[from].end, end);
	if (has_ack)
		halo_raise(&f->sent[from].ack, ack);
}

/* The flow's first SYN, or another before any answer. */
void halo_flow_open(struct halo_flow *f, const struct halo_packet *syn);
/* Any TCP segment; takes the bucket's lock when the state may change. */
void halo_flow_track(struct halo_flows *ft, struct halo_flow *f,
		     enum halo_end from, const struct halo_packet *p);
/* The node answers the client's SYN by this RST. */
bool halo_flow_refuses(const struct halo_flow *f, const struct halo_packet *p);
/* It was so, and the RST goes on to the client. */
void halo_flow_refused(struct halo_flows *ft, struct halo_flow *f);
/* Where resets to that end have to be to be obeyed; how many, at most 2. */
unsigned int halo_flow_expected(const struct halo_flow *f, enum halo_end to,
				u32 seq[2]);

/* Steps through a part of the buckets; true while flows are there. */
bool halo_flows_expire(struct halo_flows *ft);

u32 halo_flow_idle(const struct halo_flow *f);	/* jiffies */

#endif
