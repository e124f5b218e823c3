/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends flows: one, or all of a node instance in bounded steps. The clients of
 * unanswered SYNs notice nothing: their SYN is sent to the route's new node.
 */
#ifndef HALO_PACKET_ENDING_H
#define HALO_PACKET_ENDING_H

#include "packet/context.h"

/* Resets both ends (forced: the client's alone), or replays its SYN, in which
 * case the flow lives on at another node; a UDP flow just goes. */
void ending_flow(struct engine *e, struct flow *f, bool forced,
		 uint64_t now_ns);

/* Queues what engine_end_flows() asks for. When the queue is full its first
 * job is finished here and now. */
void ending_queue(struct engine *e, uint32_t tag,
		  const struct route_set *routes, bool forced, uint64_t now_ns);

/* The same for flows whose door is gone, whoever's they are. Those of an
 * earlier call are finished here and now. */
void ending_queue_gone(struct engine *e, uint64_t now_ns);

/* Looks at up to budget flows; true when no job is left. */
bool ending_work(struct engine *e, unsigned budget, uint64_t now_ns);

/* The instance's flows are being ended by force: the node is dead. */
bool ending_is_forced(const struct engine *e, uint32_t tag);

#endif
