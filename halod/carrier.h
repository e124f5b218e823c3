/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plane as the daemon uses it: opened from the configuration, with the
 * table it carries now, its failures and events logged. What a refusal or a
 * failed apply means is the cluster's business.
 */
#ifndef HALO_CARRIER_H
#define HALO_CARRIER_H

#include <ev.h>

#include "conf/conf.h"
#include "plane/plane.h"

struct carrier {
	const struct plane_ops *ops;
	char why[240]; /* it is that plane; empty: its name is configured */
	struct plane *plane; /* NULL: not open */
	struct table *table; /* what it carries; a reference */
	/* a door of this instance refused a SYN; set before carrier_open() */
	void (*refused)(void *arg, uint32_t tag);
	/* another changed the rules; ok: they are as they were, ms later */
	void (*drifted)(void *arg, bool ok, uint64_t ms);
	/* it takes no orders any more: end the process */
	void (*stuck)(void *arg);
	void *arg;
	uint64_t drifts; /* times that others changed the rules */
	struct ev_loop *loop;
	ev_io io;
};

/* relearn: see struct plane_conf. -errno with a line in err. */
int carrier_open(struct carrier *c, struct ev_loop *loop,
		 const struct conf *conf, const struct route_set *relearn,
		 char *err, unsigned err_size);
/* Goes on from the table that a former halod left in the kernel, which is
 * returned, borrowed until the next apply; NULL when there is none. */
struct table *carrier_adopt(struct carrier *c);
/* 0, or -errno and the former table stays. */
int carrier_apply(struct carrier *c, struct table *t);
void carrier_hold(struct carrier *c, const struct route_set *routes, bool on);
/* The doors of to, where they are other than those of from, which it has. 0, or
 * -errno with a line in err and nothing has changed. */
int carrier_set_doors(struct carrier *c, const struct conf *from,
		      const struct conf *to, char *err, unsigned err_size);
void carrier_end_flows(struct carrier *c, uint32_t tag,
		       const struct route_set *routes, bool forced);
/* Its threads do their work: for a watchdog. */
bool carrier_is_alive(struct carrier *c);
void carrier_close(struct carrier *c, bool flush); /* also if not open */

#endif
