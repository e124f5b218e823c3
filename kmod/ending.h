/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends flows: tells their ends, sends unanswered SYNs to who serves now. Either
 * one by one, when a packet shows that its flow's time is over, or all of an
 * instance, in the background, in bounded steps. Which flows are to end is
 * decided elsewhere.
 */
#ifndef HALO_ENDING_H
#define HALO_ENDING_H

#include "core.h"
#include "flow.h"
#include "table.h"

struct halo_ended {
	u32 flows, told_clients, told_nodes, replayed;
};

struct halo_ends *halo_ends_new(struct halo_net *hn);
/* Waits for a step that is being made. */
void halo_ends_free(struct halo_ends *e);

/* bits: HALO_ROUTE_BITS, NULL: all routes. 0, -EBUSY or -ENOMEM. Holds
 * hn->lock.
 */
int halo_ends_add(struct halo_ends *e, u16 tag, bool forced,
		  const unsigned long *bits);
/* The flows of an instance that is dead are being ended. */
bool halo_ends_is_forced(struct halo_ends *e, u16 tag);

/* The flow is no more, both its ends know. Under rcu_read_lock(), without a
 * lock. forced: its node is dead.
 */
void halo_end_flow(struct halo_net *hn, const struct halo_table *t,
		   struct halo_flow *f, bool forced, struct halo_ended *ended);
/* To that end of the flow. */
void halo_end_tell(struct halo_net *hn, const struct halo_table *t,
		   const struct halo_flow *f, enum halo_end to);

/* The flow's instance serves its route no longer, and its service does not keep
 * flows.
 */
bool halo_flow_is_stale(const struct halo_table *t, struct halo_flow *f);

#endif
