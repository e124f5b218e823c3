/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the module sends by itself: resets, and SYNs once more. Each is routed
 * like a packet of the gateway's, is not tracked, and is not looked at by our
 * own hooks again. May be called from hooks and workers, with no lock held.
 */
#ifndef HALO_RESET_H
#define HALO_RESET_H

#include <linux/netfilter.h>
#include <net/net_namespace.h>

#include "syns.h"

struct halo_reset {
	union nf_inet_addr src, dst;
	__be16 sport, dport;
	u32 seq, ack;
	bool has_ack;
	u8 family;
};

/* False: no memory or no route. */
bool halo_reset_send(struct net *net, const struct halo_reset *r);
/* A client's SYN to another node. */
bool halo_syn_send(struct net *net, const struct halo_syn *syn,
		   const union nf_inet_addr *to);

/* Not to be tracked, and of ours: no hook of ours takes it for a client's. */
void halo_untrack(struct sk_buff *skb);

#endif
