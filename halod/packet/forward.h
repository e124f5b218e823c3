/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP and UDP packets on their way: door → flow → lookup → rewrite. One
 * function a direction; ICMP is related.h's.
 */
#ifndef HALO_PACKET_FORWARD_H
#define HALO_PACKET_FORWARD_H

#include "packet/context.h"

/* t: packet, at and now_ns are set. */
enum verdict forward_from_client(struct engine *e, struct transit *t);
enum verdict forward_from_node(struct engine *e, struct transit *t);

#endif
