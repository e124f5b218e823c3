/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a packet that is not just one more of an established flow:
 * new, stale, without a flow, refused, malformed. The hooks rewrite; this says
 * by which flow, or what else. It gives the answers of halod/packet/forward.c.
 */
#ifndef HALO_FORWARD_H
#define HALO_FORWARD_H

#include "core.h"
#include "flow.h"

/*
 * To the virtual address, or from the address of a node. f: its flow, NULL:
 * none. Returns the flow to go by, tracked and counted; NULL: *verdict is all
 * there is to do.
 */
struct halo_flow *halo_from_client(struct halo_packet *p, struct halo_flow *f,
				   unsigned int *verdict);
struct halo_flow *halo_from_node(struct halo_packet *p, struct halo_flow *f,
				 unsigned int *verdict);

#endif
