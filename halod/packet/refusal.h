/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refusals: resets by which a node answered a SYN. Each waits, bounded in
 * number and time, while its node is looked at; never judges whether the node
 * is well. A refused datagram (ICMP port unreachable) is none: it is passed on
 * at once, for no datagram is kept that could be sent to another node.
 */
#ifndef HALO_PACKET_REFUSAL_H
#define HALO_PACKET_REFUSAL_H

#include "packet/context.h"

/* On a LAN a probe is answered and a loss acted upon within milliseconds; a
 * human takes a quarter of a second for nothing. */
#define REFUSAL_PATIENCE_NS (250 * NS_PER_MS)

/*
 * The flow's node answers its SYN by this reset: tells the sink and keeps a
 * copy as the client may get to see it. 0: the caller answers VERDICT_HOLD.
 * -EEXIST: one waits already. Else there is no room, it has to be passed on.
 */
int refusal_hold(struct engine *e, const struct transit *t,
		 const struct flow *f);

/* True if the refusal of this very SYN waits. One of an older SYN of the same
 * ports is passed on: its client has turned to something else. */
bool refusal_answers(struct engine *e, const struct transit *syn);

/* The client gets its refusal; false: none waits. */
bool refusal_pass(struct engine *e, const struct flow_key *key,
		  uint64_t now_ns);
/* The client never learns of its refusal, if one waits. */
void refusal_avert(struct engine *e, const struct flow_key *key);

/* Passes on those that have waited long enough, in the order they came.
 * Returns what is left of the budget. */
unsigned refusal_expire(struct engine *e, unsigned budget, uint64_t now_ns);

#endif
