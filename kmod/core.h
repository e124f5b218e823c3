/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the module share: the state of a network namespace, and a
 * packet off the hot path. Private to kmod/; programs include uapi/halo.h.
 *
 * Hooks read under RCU alone. Whoever writes holds hn->lock (tables, holds,
 * transactions) or the lock of a flow's bucket.
 */
#ifndef HALO_CORE_H
#define HALO_CORE_H

#include <linux/bitmap.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "uapi/halo.h"

#define HALO_ROUTE_BITS 65536

struct halo_table;
struct halo_flows;
struct halo_syns;
struct halo_ends;
struct halo_txn;

struct halo_stats {
	u64 count[HALO_REASONS];
};

/* When it was last told that this instance refuses. */
struct halo_told {
	u32 tag;
	unsigned long at;
};

#define HALO_TOLD 64

/* Whoever attends to the queue; void when the time is over. */
struct halo_attendance {
	unsigned long until;	/* jiffies */
	u16 queue;
	bool ever, refusals, has_queue;
};

/* The state of a namespace. Without a table all pointers are NULL and no hook
 * is registered.
 */
struct halo_net {
	struct net *net;
	struct mutex lock;
	struct halo_table __rcu *table;
	struct halo_flows *flows;	/* as long as hooks are registered */
	struct halo_syns *syns;		/* likewise */
	struct halo_ends *ends;		/* likewise */
	struct halo_stats __percpu *stats; /* likewise */
	unsigned long *held;		/* HALO_ROUTE_BITS; likewise */
	struct nf_hook_ops *hooks;
	struct halo_attendance attend;
	struct halo_told told[HALO_TOLD];
	struct halo_txn *txn;		/* of hn->lock */
	struct delayed_work txn_timeout;
	struct delayed_work expiry;
};

/* A TCP or UDP packet to or from a door, when there is more to do than to
 * rewrite it. Addresses point into skb and move with it.
 */
struct halo_packet {
	struct halo_net *hn;
	const struct halo_table *table;
	const struct nf_hook_state *state;
	struct sk_buff *skb;
	union nf_inet_addr src, dst;
	__be16 sport, dport;
	u16 thoff;
	u8 family, protocol;
	bool is_reply;		/* of a node, to a client at the virtual address */
	/* TCP only */
	u32 seq, ack, len;	/* len: payload, SYN and FIN counted */
	u8 flags;		/* byte 13 of the header */
};

#define HALO_FIN 0x01
#define HALO_SYN 0x02
#define HALO_RST 0x04
#define HALO_ACK 0x10

static inline bool halo_is_syn(u8 flags)
{
	return (flags & (HALO_FIN | HALO_SYN | HALO_RST | HALO_ACK)) == HALO_SYN;
}

static inline void halo_count(struct halo_net *hn, enum halo_reason reason)
{
	this_cpu_inc(hn->stats->count[reason]);
}

/* main.c */
extern unsigned int halo_flows_max;
extern struct workqueue_struct *halo_wq;
struct halo_net *halo_net(const struct net *net);
/* Everything a table needs besides itself; hooks not yet registered. */
int halo_net_start(struct halo_net *hn, u32 flows_max);
/* No hook runs any more; frees what start() made, flows included. */
void halo_net_stop(struct halo_net *hn);

/* hook.c */
int halo_hooks_register(struct halo_net *hn);
void halo_hooks_unregister(struct halo_net *hn);


#endif
