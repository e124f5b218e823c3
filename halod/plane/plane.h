/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What carries packets, behind one table of operations (section 6 of the
 * design). Every plane gives the same answer to the same packet and table.
 * All operations are called from the daemon's main thread.
 */
#ifndef HALO_PLANE_PLANE_H
#define HALO_PLANE_PLANE_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/engine.h"
#include "table/diff.h"
#include "base/route_set.h"
#include "table/table.h"

struct plane_conf {
	struct engine_conf engine; /* routes, addresses, services, limits */
	uint16_t queue;		   /* first NFQUEUE number */
	unsigned workers;	   /* queues and threads */
	unsigned queue_len;	   /* packets the kernel keeps per queue */
	bool realtime;		   /* SCHED_FIFO for workers */
	/* Bits of a flow's ct mark for the tag of its node instance, side by
	 * side; others are not HaloD's. The plane nft's. */
	uint32_t ct_mark_mask;
	/* The nodes' own networks: who is a neighbour for snat. Borrowed until
	 * open() returns. */
	const struct prefix *networks;
	unsigned n_networks;
	/* routes that did not move since the state was stored: their flows are
	 * relearned from mid-stream packets */
	struct route_set relearn;
};

enum plane_event_type {
	PLANE_FLOWS_ENDED, /* tag: end_flows() is finished; count of flows */
	PLANE_REFUSED,	   /* tag, route: a door refused a SYN */
	PLANE_LOST,	   /* count packets lost before a worker (ENOBUFS) */
	PLANE_DRIFT,	   /* rules were not as written since took_ns ago;
			    * repaired when ok */
	PLANE_STUCK,	   /* a thread of it does not answer: it carries on
			    * as it can, but takes no orders; told once */
};

struct plane_event {
	enum plane_event_type type;
	uint32_t tag;
	uint16_t route;
	uint64_t count, took_ns;
	bool ok;
};

struct plane_stats {
	struct engine_stats engine; /* summed over workers */
	uint64_t queued, lost_queue, lost_socket, batches;
	uint64_t truncated; /* came not whole from the kernel, dropped */
	uint64_t failed;    /* verdicts the kernel would not take */
	/* copies of SYNs that could be sent again; those that were lost */
	uint64_t journal_taken, journal_lost;
	/* the kernel's connection tracking, where the plane needs it: how full
	 * it is, new connections dropped and half-open ones given up */
	uint64_t conntrack_entries, conntrack_max, conntrack_lost;
	unsigned workers;
	char detail[320]; /* what the kernel offers, and what it lacks */
};

struct plane; /* each plane's own; first member struct plane_base */

struct plane_ops {
	const char *name;
	/* Needs CAP_NET_ADMIN. Replaces rules a crash left. Blocks for
	 * milliseconds. -errno with a line for the operator in err. Owns all
	 * it opened until close(). */
	int (*open)(struct plane **out, const struct plane_conf *conf,
		    char *err, unsigned err_size);
	/* What a former halod left in the kernel: reference in *found, or
	 * -ENOENT where the plane keeps nothing there. */
	int (*adopt)(struct plane *p, struct table **found);
	/* One atomic step, or nothing and -errno. On return every worker
	 * answers by diff->to. Blocks until then (well under 1 ms). This and
	 * what follows: -ETIMEDOUT after 5 s once PLANE_STUCK is to be told. */
	int (*apply)(struct plane *p, const struct table_diff *diff);
	/* New connections to the routes wait, or wait no longer. On return it
	 * is in force on every worker. */
	int (*hold)(struct plane *p, const struct route_set *routes, bool on);
	/* Other addresses, services and no-node-hold: the rest of conf is not
	 * looked at. All at once or nothing, then -errno with a line in err. No
	 * packet of a door that leads to the same route as before is lost or
	 * goes elsewhere; holds stay in force, for new doors too. On return new
	 * doors are served; flows of doors that are gone are ended in the
	 * background. Blocks for milliseconds. */
	int (*set_doors)(struct plane *p, const struct engine_conf *conf,
			 char *err, unsigned err_size);
	/* In the background; PLANE_FLOWS_ENDED tells. See engine_end_flows().
	 */
	int (*end_flows)(struct plane *p, uint32_t tag,
			 const struct route_set *routes, bool forced);
	/* At most max; returns how many, or -errno. */
	int (*flows)(struct plane *p, const struct flow_query *q,
		     struct flow_view *out, unsigned max);
	int (*stats)(struct plane *p, struct plane_stats *out);
	/* Its threads do their work: asked now and then, at least 500 ms apart,
	 * for a watchdog. */
	bool (*is_alive)(struct plane *p);
	/* Readable when events wait; -1: never any. */
	int (*event_fd)(struct plane *p);
	/* The next event: 0, or -EAGAIN. Never blocks. */
	int (*next_event)(struct plane *p, struct plane_event *out);
	/* flush: remove rules and flows; else leave what the kernel can carry
	 * on without us. Of a stuck plane what its threads use stays until the
	 * process ends. */
	void (*close)(struct plane *p, bool flush);
};

extern const struct plane_ops plane_nfqueue, plane_nft, plane_kmod, plane_null;

/* By its own name; NULL: no such plane. */
const struct plane_ops *plane_by_name(const char *name);
/* By the name in the configuration: "auto" is kmod where the module has been
 * loaded, nft where the kernel can carry it, else nfqueue. nat: a service needs
 * what nft alone can do. why: what decided, in words; empty where the name did.
 * Probes: blocks for milliseconds, needs CAP_NET_ADMIN. */
const struct plane_ops *plane_choose(const char *name, bool nat, char *why,
				     unsigned why_size);

#endif
