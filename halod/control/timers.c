// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#define LEFT_REMEMBERED 10 /* hold-downs: so long a leaver's past counts */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_leaver(const struct member *m)
{
	return m->left && m->node.state == NODE_DRAINED && !m->node.link;
}

static uint64_t forget_ns(const struct cluster *cl, const struct member *m)
{
	return m->node.since_ns +
	       LEFT_REMEMBERED * quarantine_hold_down(cl, m->node.failures);
}

static bool waits_out_hold_down(const struct member *m)
{
	return m->node.state == NODE_QUARANTINED && !m->barred &&
	       m->node.health != HEALTH_DOWN;
}

static bool waits_for_flows(const struct member *m)
{
	return m->node.state == NODE_DRAINING && m->drain_ns && !m->serves;
}

static uint64_t away_due(const struct member *m)
{
	if (!m->node.agent_away || m->doom != LOST_NOT)
		return TIME_NEVER;
	return sooner(m->rejoin_ns, m->probe_ns ? m->probe_ns : TIME_NEVER);
}

static uint64_t due(const struct cluster *cl, const struct member *m)
{
	uint64_t at = away_due(m);

	if (waits_out_hold_down(m))
		at = sooner(at, m->node.until_ns);
	if (waits_for_flows(m))
		at = sooner(at, m->drain_ns);
	if (is_leaver(m))
		at = sooner(at, forget_ns(cl, m));
	return at;
}

static void fire(struct cluster *cl, struct member *m)
{
	if (m->node.agent_away && m->rejoin_ns <= cl->now)
		member_doom(cl, m, LOST_AGENT);
	else if (away_due(m) <= cl->now)
		liveness_probe(cl, m);
	if (waits_out_hold_down(m))
		quarantine_end_if_due(cl, m);
	if (is_leaver(m) && forget_ns(cl, m) <= cl->now)
		member_forget(cl, m);
}

void timers_fire(struct cluster *cl)
{
	if (cl->retry_ns && cl->retry_ns <= cl->now) {
		cl->retry_ns = 0;
		cl->publish_due = true;
		cl->moves_due = true;
	}
	if (cl->still_ns && cl->still_ns <= cl->now) {
		cl->still_ns = 0;
		cl->moves_due = true;
	}
	if (handover_deadline(cl) <= cl->now || cl->ready_ns <= cl->now)
		cl->moves_due = true;
	/* from the end: whoever is forgotten leaves the rest in place */
	for (unsigned i = cl->n_members; i-- > 0;)
		if (due(cl, cl->members[i]) <= cl->now)
			fire(cl, cl->members[i]);
}

void timers_set(struct cluster *cl)
{
	uint64_t at = sooner(handover_deadline(cl), cl->ready_ns);

	for (unsigned i = 0; i < cl->n_members; i++)
		at = sooner(at, due(cl, cl->members[i]));
	if (!cluster_is_frozen(cl))
		at = sooner(at, cl->settle_ns);
	if (!cl->frozen)
		at = sooner(at, cl->thaw_ns);
	if (cl->still_ns)
		at = sooner(at, cl->still_ns);
	cl->timers_ns = sooner(at, cl->retry_ns ? cl->retry_ns : TIME_NEVER);
}
