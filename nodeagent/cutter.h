/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends the connections of routes that leave this node: exactly those that were
 * accepted at the routes' doors, on the node's own addresses. Never a listener,
 * a connection that the node makes, or one from the node itself. When is
 * agent.h's.
 */
#ifndef HALO_NODEAGENT_CUTTER_H
#define HALO_NODEAGENT_CUTTER_H

#include <ev.h>
#include <stdint.h>

#include "wire/message.h"

/* However many there are; the gateway's resets do the rest. */
#define CUTTER_PATIENCE_NS (2 * NS_PER_S)

struct cutter;

struct cut {
	uint32_t id;
	struct route_set routes; /* borrowed for the call, like the rest */
	struct door_ports doors;
	struct addr local[FAMILIES]; /* the node's */
	/* Until then connections with bytes on their way are left alone. */
	uint64_t gentle_ns;
};

/* None of them is left, or no more can be done. Never from within
 * cutter_begin() or cutter_cancel(). */
typedef void (*cutter_fn)(void *arg, uint32_t id);

/* 0 or -errno. */
int cutter_new(struct cutter **out, struct ev_loop *loop, cutter_fn fn,
	       void *arg);
/* In the background, a bounded number at a time. One with this id that is under
 * way becomes the new one. */
void cutter_begin(struct cutter *c, const struct cut *cut);
/* Nothing of it is ended any more, and nothing is told. */
void cutter_cancel(struct cutter *c, uint32_t id);
void cutter_free(struct cutter *c);

#endif
