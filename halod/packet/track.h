/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TCP segment does to its flow: state, and the sequence numbers from
 * which a reset can be made that its receiver must accept. Not a window
 * tracker: it never finds a segment invalid.
 */
#ifndef HALO_PACKET_TRACK_H
#define HALO_PACKET_TRACK_H

#include "packet/flow.h"
#include "packet/parse.h"

/* The flow begins with this SYN of the client. */
void track_open(struct flow *f, const struct parsed *syn);

/* The flow's sequence numbers take the segment in; returns the state that it
 * leads to, for flow_touch(). */
enum flow_state track_segment(struct flow *f, enum flow_end from,
			      const struct parsed *p);

/* The segment is the node's refusal of the flow's SYN, which its client would
 * obey. */
bool track_refuses(const struct flow *f, const struct parsed *p);

/* The sequence numbers that the receiver may expect next, best first: what the
 * other end has sent, and what the receiver last asked for (a segment in
 * between may have been lost). Returns how many: 0, 1 or 2. */
unsigned track_expected(const struct flow *f, enum flow_end receiver,
			uint32_t seq[2]);

#endif
