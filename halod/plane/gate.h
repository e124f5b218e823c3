/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread at the queue of held packets: new connections wait there until
 * their route is released, bounded in number and time, and so do refusals while
 * their node is looked at. For its plane it also renews the holds and watches a
 * socket, and takes in copies of SYNs. It rewrites no packet: what is released
 * is looked up by the kernel.
 */
#ifndef HALO_PLANE_GATE_H
#define HALO_PLANE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "plane/doors.h"
#include "plane/event_queue.h"
#include "plane/plane.h"
#include "plane/refusals.h"
#include "plane/plane_nft_syns.h"

struct gate;

struct gate_conf {
	struct doors *doors; /* borrowed */
	uint16_t queue;
	unsigned queue_len;
	bool realtime;
	bool repeat;	 /* what goes on passes the kernel's hook again */
	uint32_t mark;	 /* of the resets it makes */
	uint32_t replay; /* of SYNs that are sent again */
	/* Called by the thread: renew every GATE_RENEW_MS while anything is
	 * held (always: at all times), 0 or -errno; watch when watch_fd() is
	 * readable (-1: not now). */
	bool always;
	int (*renew)(void *arg);
	int (*watch_fd)(void *arg);
	void (*watch)(void *arg);
	void *arg;
};

#define GATE_RENEW_MS 250

/* Binds the queue and starts the thread. events, syns: borrowed. syns NULL:
 * the kernel sends SYNs again by itself. -EBUSY: the queue is taken. */
int gate_new(struct gate **out, const struct gate_conf *conf,
	     struct event_queue *events, struct plane_nft_syns *syns);
/* Packets that still wait are dropped. */
void gate_free(struct gate *g);

/* The kernel sends the routes' new connections here, or does no longer: those
 * that wait go on within a moment. */
void gate_hold(struct gate *g, const struct route_set *routes, bool on);
/* No route has a node: all wait. */
void gate_set_unowned(struct gate *g, bool unowned);

/* Who serves, in the kernel as well: refused connections to other nodes go on
 * to these. */
void gate_set_table(struct gate *g, struct table *now);

/* watch_fd() is asked again. Any thread. */
void gate_wake(struct gate *g);

/* Adds what it has counted; held and what refusals became are set. */
void gate_add_stats(struct gate *g, struct plane_stats *s);

/* Has its thread been round since this was last asked? It goes round every
 * 250 ms or sooner. From one thread. */
bool gate_has_turned(struct gate *g);

#endif
