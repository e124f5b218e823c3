// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/cluster_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static int allocate(struct cluster *cl)
{
	size_t n = cl->conf.routes + 1;

	cl->place = placement_new(cl->conf.routes);
	cl->table = table_new(cl->conf.routes, 0);
	cl->later = effects_new();
	cl->pool = calloc(n, sizeof(*cl->pool));
	cl->moving = calloc(n, sizeof(*cl->moving));
	cl->held = calloc(n, sizeof(*cl->held));
	cl->stays = calloc(n, sizeof(*cl->stays));
	cl->served = calloc(n, sizeof(*cl->served));
	cl->reason = calloc(n, sizeof(*cl->reason));
	cl->since = calloc(n, sizeof(*cl->since));
	if (!cl->place || !cl->table || !cl->later || !cl->pool ||
	    !cl->moving || !cl->held || !cl->stays || !cl->served ||
	    !cl->reason || !cl->since)
		return -ENOMEM;
	return 0;
}

struct cluster *cluster_new(const struct cluster_conf *conf, uint64_t now_ns)
{
	struct cluster *cl = calloc(1, sizeof(*cl));

	if (!cl)
		return NULL;
	assert(conf->routes >= 1 && conf->routes <= ROUTES_MAX);
	cl->conf = *conf;
	cl->now = now_ns;
	list_init(&cl->fresh);
	list_init(&cl->silent);
	list_init(&cl->joiners);
	list_init(&cl->handovers);
	cl->settle_ns = cl->timers_ns = cl->thaw_ns = cl->ready_ns = TIME_NEVER;
	if (allocate(cl)) {
		cluster_free(cl);
		return NULL;
	}
	return cl;
}

void cluster_free(struct cluster *cl)
{
	if (!cl)
		return;
	for (unsigned i = 0; i < cl->n_members; i++)
		free(cl->members[i]);
	free(cl->newcomer);
	placement_free(cl->place);
	table_put(cl->table);
	table_put(cl->spare);
	effects_free(cl->later);
	free(cl->pool);
	free(cl->moving);
	free(cl->held);
	free(cl->stays);
	free(cl->served);
	free(cl->reason);
	free(cl->since);
	free(cl->seat_routes);
	free(cl->heir);
	free(cl);
}

static int tick(struct cluster *cl, const struct event *ev)
{
	(void)ev;
	liveness_judge(cl);
	timers_fire(cl);
	return 0;
}

static int (*const handlers[])(struct cluster *, const struct event *) = {
	[EVENT_HELLO] = admission_hello,
	[EVENT_BEAT] = liveness_beat,
	[EVENT_MOVED_OK] = handover_moved_ok,
	[EVENT_ASSIGNED_OK] = handover_assigned_ok,
	[EVENT_GOODBYE] = admission_goodbye,
	[EVENT_LINK_CLOSED] = admission_closed,
	[EVENT_REVOKED] = admission_revoked,
	[EVENT_PROBED] = liveness_probed,
	[EVENT_REFUSED] = liveness_refused,
	[EVENT_APPLY_FAILED] = publish_failed,
	[EVENT_FLOWS_GONE] = batch_flows_gone,
	[EVENT_DRAIN] = operator_drain,
	[EVENT_REPLACE] = operator_replace,
	[EVENT_UNDRAIN] = operator_undrain,
	[EVENT_FAIL] = operator_fail,
	[EVENT_RM] = operator_rm,
	[EVENT_FREEZE] = operator_freeze,
	[EVENT_THAW] = operator_thaw,
	[EVENT_TICK] = tick,
};

/* STORE before the notes: the daemon's history names a state it keeps. */
static void append_later(struct cluster *cl)
{
	if (cl->store_due)
		effects_add(cl->fx, EFFECT_STORE);
	cl->store_due = false;
	for (unsigned i = 0; i < effects_count(cl->later); i++) {
		const struct effect *e = effects_at(cl->later, i);

		*effects_add(cl->fx, e->type) = *e;
	}
	effects_clear(cl->later);
}

void cluster_conclude(struct cluster *cl)
{
	panic_review(cl);
	batch_run(cl);
	if (cl->moves_due)
		handover_run(cl);
	else if (cl->tell_due)
		announce_assigned(cl);
	batch_finish_drains(cl);
	liveness_probe_promoted(cl);
	append_later(cl);
	timers_set(cl);
	cl->fx = NULL;
}

/* After this nothing in the step can fail for want of memory. */
int cluster_prepare(struct cluster *cl, uint64_t now_ns, struct effects *fx)
{
	int err;

	cl->now = now_ns;
	cl->fx = fx;
	cl->refusal = NULL;
	err = member_prepare(cl);
	if (!err)
		err = publish_prepare(cl);
	return err ? err : handover_prepare(cl);
}

/* Answers the beats that change nothing: true when it was one. */
static bool answer_beat(struct cluster *cl, const struct event *ev)
{
	struct member *m = member_by_link(cl, ev->link);

	if (!m)
		return true;
	if (!liveness_beat_is_plain(cl, m, ev->beat))
		return false;
	liveness_answer(cl, m, ev->beat);
	return true;
}

int cluster_step(struct cluster *cl, const struct event *ev, uint64_t now_ns,
		 struct effects *fx)
{
	int err;

	cl->now = now_ns;
	cl->fx = fx;
	if (ev->type == EVENT_BEAT) {
		err = effects_reserve(fx, 1, 0);
		if (err || answer_beat(cl, ev))
			return err;
	}
	if (ev->type == EVENT_MOVED_OK && handover_moved_plainly(cl, ev))
		return 0;
	if (ev->type == EVENT_ASSIGNED_OK && handover_assigned_plainly(cl, ev))
		return 0;
	if (ev->type == EVENT_LOAD)
		return load_run(cl, ev);
	err = cluster_prepare(cl, now_ns, fx);
	if (err)
		return err;
	err = handlers[ev->type](cl, ev);
	cluster_conclude(cl);
	return err;
}

const char *cluster_refusal(const struct cluster *cl)
{
	return cl->refusal ? cl->refusal : "";
}

uint64_t cluster_deadline(const struct cluster *cl)
{
	uint64_t silence = liveness_deadline(cl);

	return silence < cl->timers_ns ? silence : cl->timers_ns;
}

int cluster_reconf(struct cluster *cl, const struct cluster_conf *conf,
		   uint64_t now_ns, struct effects *fx)
{
	int err;

	if (conf->routes != cl->conf.routes)
		return -EINVAL;
	err = cluster_prepare(cl, now_ns, fx);
	if (err)
		return err;
	liveness_change_pace(cl, conf);
	cl->conf = *conf;
	cluster_conclude(cl);
	return 0;
}

const struct cluster_conf *cluster_conf(const struct cluster *cl)
{
	return &cl->conf;
}

const struct placement *cluster_placement(const struct cluster *cl)
{
	return cl->place;
}

struct table *cluster_table(const struct cluster *cl)
{
	return cl->table;
}

bool cluster_is_frozen(const struct cluster *cl)
{
	return cl->frozen || cl->panicked;
}

bool cluster_is_still(const struct cluster *cl)
{
	return cl->still_ns != 0;
}

unsigned cluster_panic(const struct cluster *cl, unsigned *of)
{
	*of = cl->panicked ? cl->panic_of : 0;
	return cl->panicked ? panic_missing(cl) : 0;
}

unsigned cluster_node_count(const struct cluster *cl)
{
	return cl->n_members;
}

const struct node *cluster_node_at(const struct cluster *cl, unsigned i)
{
	assert(i < cl->n_members);
	return &cl->members[i]->node;
}

static const struct node *node_of(const struct member *m)
{
	return m ? &m->node : NULL;
}

const struct node *cluster_node_by_name(const struct cluster *cl,
					const char *name)
{
	return node_of(member_by_name(cl, name));
}

const struct node *cluster_node_by_tag(const struct cluster *cl, uint32_t tag)
{
	return node_of(member_by_tag(cl, tag));
}

const struct node *cluster_node_by_link(const struct cluster *cl, uint64_t link)
{
	return node_of(member_by_link(cl, link));
}

void cluster_route(const struct cluster *cl, uint16_t route,
		   struct route_view *out)
{
	const struct handover *h = cl->moving[route];

	assert(route >= 1 && route <= cl->conf.routes);
	*out = (struct route_view){
		.slot = placement_owner(cl->place, route),
		.node = cluster_node_by_tag(cl, handover_served(cl, route)),
		.to = h ? cluster_node_by_tag(cl, h->to) : NULL,
		.reason = h ? h->reason : (enum move_reason)cl->reason[route],
		.deadline_ns = h ? h->deadline_ns : 0,
		.since_version = cl->since[route],
	};
}
