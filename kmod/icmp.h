/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP errors about packets of known flows, translated in both directions:
 * outer address, the quote's address, and the checksums that cover them. Errors
 * about anything else pass as they are; other ICMP is not looked at.
 */
#ifndef HALO_ICMP_H
#define HALO_ICMP_H

#include "core.h"

/* PREROUTING and LOCAL_OUT: what a door sent to a client went wrong, it is for
 * the node. Or it is for a client, then it is not tracked, and leaves later.
 */
unsigned int halo_icmp_arrive(struct halo_net *hn, struct sk_buff *skb,
			      const struct nf_hook_state *state, u8 family);
/* POSTROUTING and LOCAL_IN: what was sent to a node went wrong, for a client.
 * The gateway's own errors are among them.
 */
unsigned int halo_icmp_leave(struct halo_net *hn, struct sk_buff *skb,
			     u8 family);

#endif
