/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine says to a client or a node itself: resets and unreachables,
 * handed to the sink. Never decides that something has to be said.
 */
#ifndef HALO_PACKET_ANSWER_H
#define HALO_PACKET_ANSWER_H

#include "packet/context.h"

/* To the sender of a segment that belongs to no flow, or to none any more. An
 * RST and a datagram get no answer. */
void answer_segment(struct engine *e, const struct transit *t);

/* Nobody serves this: RST for TCP, port unreachable for UDP. */
void answer_unserved(struct engine *e, const struct transit *t);

/* To one end of an established flow, one that it must accept. Counted. */
void answer_reset(struct engine *e, const struct flow *f, enum flow_end end);

/* To a client whose SYN leads nowhere. Counted. */
void answer_refuse(struct engine *e, const struct flow *f);

#endif
