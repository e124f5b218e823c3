/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The doors as the threads of a plane see them: the main thread changes them,
 * the others look up. Not what a door leads to: that is the table's.
 */
#ifndef HALO_PLANE_DOORS_H
#define HALO_PLANE_DOORS_H

#include <pthread.h>

#include "packet/engine.h"

struct doors {
	pthread_mutex_t lock;
	struct engine_conf conf; /* routes, room and seed never change */
};

void doors_init(struct doors *d, const struct engine_conf *conf);
void doors_fini(struct doors *d);

/* Addresses, services and no-node-hold of from into to; all else stays. */
void doors_copy(struct engine_conf *to, const struct engine_conf *from);
void doors_set(struct doors *d, const struct engine_conf *conf);

/* Any thread. *keep (may be NULL): its service has handover = keep. */
struct engine_door doors_find(struct doors *d, const struct endpoint *at,
			      uint8_t protocol, bool *keep);
/* All of it, as it is now. */
void doors_read(struct doors *d, struct engine_conf *out);
uint64_t doors_no_node_hold_ns(struct doors *d);

#endif
