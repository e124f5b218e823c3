/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP errors on their way: finds the flow that an error is about and has it
 * translated. An error about nothing we know is not ours and passes.
 */
#ifndef HALO_PACKET_RELATED_H
#define HALO_PACKET_RELATED_H

#include "packet/context.h"

enum verdict related_from_client(struct engine *e, struct packet *p,
				 const struct parsed *error);
enum verdict related_from_node(struct engine *e, struct packet *p,
			       const struct parsed *error);

#endif
