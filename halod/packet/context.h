/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the engine share: its state, and a packet on its way
 * through. Private to packet/; everybody else includes engine.h.
 */
#ifndef HALO_PACKET_CONTEXT_H
#define HALO_PACKET_CONTEXT_H

#include "packet/engine.h"
#include "packet/flow.h"
#include "packet/held.h"
#include "packet/journal.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "packet/route_bits.h"

#define END_JOBS_MAX 64 /* instances whose flows are being ended */
#define REFUSED_TAGS 64 /* instances that refuse at the same time */

/* One engine_end_flows() that is under way. */
struct end_job {
	uint32_t tag; /* 0: of any, whose door is gone */
	bool forced;
	uint32_t cursor; /* flows before it are done */
	struct route_bits routes;
};

/* When the sink was last told that this instance refuses. */
struct refused_tag {
	uint32_t tag;
	uint64_t ns;
};

struct engine {
	struct engine_conf conf;
	struct engine_sink sink;
	struct table *table; /* NULL until the first; reference held */
	struct addr former_vip[FAMILIES]; /* of flows whose door is gone */
	struct flow_table *flows;
	struct journal *journal;
	struct held *held;     /* SYNs and datagrams of routes that wait */
	struct held *refusals; /* resets, by the flows they refuse */
	struct refused_tag told[REFUSED_TAGS];
	struct route_bits holding, relearn;
	struct route_bits moved; /* changed their node: relearned no more */
	uint64_t count[ENGINE_REASONS];
	unsigned n_jobs, first_job; /* a ring */
	struct end_job jobs[END_JOBS_MAX];
};

/* A TCP or UDP packet of a door. */
struct transit {
	struct packet *packet;
	struct parsed at;
	struct flow_key key;
	uint16_t route;
	uint8_t service;
	uint64_t now_ns;
};

static inline void context_count(struct engine *e, enum engine_reason reason)
{
	e->count[reason]++;
}

static inline enum verdict context_verdict(struct engine *e,
					   enum engine_reason reason,
					   enum verdict verdict)
{
	context_count(e, reason);
	return verdict;
}

static inline const struct table_seat *context_serving(const struct engine *e,
						       uint16_t route)
{
	return e->table ? table_lookup(e->table, route) : NULL;
}

static inline enum rewrite_check context_check(const struct packet *p)
{
	if (!p->csum_not_ready)
		return CHECK_COMPLETE;
	return p->gso ? CHECK_PSEUDO : CHECK_MISSING;
}

/* Under atomic handover no flow outlives its instance's hold on the route. */
static inline bool context_is_stale(const struct engine *e,
				    const struct flow *f)
{
	const struct table_seat *seat;

	if (f->service == SERVICE_GONE)
		return true;
	if (e->conf.services[f->service].keep)
		return false;
	seat = context_serving(e, f->route);
	return !seat || seat->tag != f->tag;
}

#endif
