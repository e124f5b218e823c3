// SPDX-License-Identifier: GPL-2.0-or-later
#include "syns.h"

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "selftest.h"

#define SLOTS 8192	/* SYNs stay unanswered for moments */

struct slot {
	spinlock_t lock;
	u32 number;	/* of the SYN in it, counted from 1 */
	struct halo_syn syn;
};

struct halo_syns {
	atomic_t last;
	struct slot slot[SLOTS];
};

struct halo_syns *halo_syns_new(void)
{
	struct halo_syns *s = NULL;
	u32 i;

	if (!halo_test_fails())
		s = kvzalloc(sizeof(*s), GFP_KERNEL);
	for (i = 0; s && i < SLOTS; i++)
		spin_lock_init(&s->slot[i].lock);
	return s;
}

void halo_syns_free(struct halo_syns *s)
{
	kvfree(s);
}

u32 halo_syns_put(struct halo_syns *s, const struct sk_buff *skb,
		  unsigned int len)
{
	u32 number = atomic_inc_return(&s->last);
	struct slot *slot = &s->slot[number % SLOTS];

	if (len > HALO_SYN_MAX)
		return 0;
	spin_lock_bh(&slot->lock);
	slot->number = number;
	slot->syn.len = len;
	slot->syn.partial = skb->ip_summed == CHECKSUM_PARTIAL;
	if (skb_copy_bits(skb, 0, slot->syn.data, len))
		slot->number = 0;
	spin_unlock_bh(&slot->lock);
	return number;
}

bool halo_syns_get(struct halo_syns *s, u32 at, struct halo_syn *out)
{
	struct slot *slot = &s->slot[at % SLOTS];
	bool there;

	if (!at)
		return false;
	spin_lock_bh(&slot->lock);
	there = slot->number == at;
	if (there)
		*out = slot->syn;
	spin_unlock_bh(&slot->lock);
	return there;
}
