/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SYNs of the last moments, as the clients sent them, so that those sent
 * into a dead node can be sent again. A ring: the newest overwrites the oldest
 * and nothing is ever taken out; a flow asks whether its SYN is still there.
 */
#ifndef HALO_SYNS_H
#define HALO_SYNS_H

#include <linux/skbuff.h>

/* An IPv6 and a TCP header with all the options they can have; an IPv4 one
 * without options fits as well.
 */
#define HALO_SYN_MAX 100

struct halo_syn {
	bool partial;	/* its checksum was not complete */
	u8 len;
	u8 data[HALO_SYN_MAX];
};

struct halo_syns;

struct halo_syns *halo_syns_new(void);
void halo_syns_free(struct halo_syns *s);

/* Keeps a SYN of len bytes; returns where, for halo_syns_get(). */
u32 halo_syns_put(struct halo_syns *s, const struct sk_buff *skb,
		  unsigned int len);
/* False: overwritten since, or never kept. */
bool halo_syns_get(struct halo_syns *s, u32 at, struct halo_syn *out);

#endif
