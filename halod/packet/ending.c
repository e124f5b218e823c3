/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/ending.h"

#include <limits.h>

#include "packet/answer.h"
#include "packet/refusal.h"

static void send_syn(struct engine *e, const struct journal_syn *syn,
		     const struct addr *to)
{
	uint8_t data[JOURNAL_SYN_MAX];
	struct parsed p;

	memcpy(data, syn->data, syn->len);
	if (parse_packet(data, syn->len, &p))
		return;
	rewrite_packet(data, &p, REWRITE_DST, to,
		       syn->csum_not_ready ? CHECK_MISSING : CHECK_COMPLETE);
	e->sink.send(e->sink.arg, data, syn->len);
	context_count(e, REASON_REPLAYED);
}

/* Nobody serves the client there: it is told, unless new connections wait
 * for a node there; then its next SYN will wait with them. */
static void refuse(struct engine *e, struct flow *f, uint64_t now_ns)
{
	if (route_bits_has(&e->holding, f->route))
		refusal_avert(e, &f->key);
	else if (!refusal_pass(e, &f->key, now_ns))
		answer_refuse(e, f);
	flow_remove(e->flows, f);
}

/* There is no door to send its SYN to. */
static void abandon(struct engine *e, struct flow *f, uint64_t now_ns)
{
	if (!refusal_pass(e, &f->key, now_ns))
		answer_refuse(e, f);
	flow_remove(e->flows, f);
}

static void replay(struct engine *e, struct flow *f, uint64_t now_ns)
{
	const struct table_seat *seat = context_serving(e, f->route);
	uint32_t index = flow_index(e->flows, f);
	const struct journal_syn *syn = journal_get(e->journal, f->syn, index);
	const struct addr *to = seat ? &seat->addr[flow_family(f)] : NULL;

	if (!to || !addr_is_set(to)) {
		refuse(e, f, now_ns);
		return;
	}
	refusal_avert(e, &f->key);
	if (!syn) { /* the client will send another */
		flow_remove(e->flows, f);
		return;
	}
	f->tag = seat->tag;
	f->node = *to;
	flow_touch(e->flows, f, FLOW_SYN_SENT, now_ns);
	send_syn(e, syn, to);
}

void ending_flow(struct engine *e, struct flow *f, bool forced, uint64_t now_ns)
{
	bool tcp = f->state != FLOW_UDP && f->state != FLOW_UDP_NEW;

	if (tcp && !forced && !f->was_reset)
		answer_reset(e, f, FLOW_NODE);
	if (f->state == FLOW_SYN_SENT) {
		if (f->service == SERVICE_GONE)
			abandon(e, f, now_ns);
		else
			replay(e, f, now_ns);
		return;
	}
	if (tcp && !f->was_reset)
		answer_reset(e, f, FLOW_CLIENT);
	flow_remove(e->flows, f);
}

static bool concerns(const struct engine *e, const struct end_job *job,
		     const struct flow *f)
{
	if (f->service == SERVICE_GONE || !job->tag)
		return f->service == SERVICE_GONE && !job->tag;
	return f->tag == job->tag && route_bits_has(&job->routes, f->route) &&
	       (job->forced || !e->conf.services[f->service].keep);
}

/* True when the job is done; takes what it looked at off the budget. */
static bool run(struct engine *e, struct end_job *job, unsigned *budget,
		uint64_t now_ns)
{
	for (; job->cursor < flow_table_span(e->flows); job->cursor++) {
		struct flow *f = flow_at(e->flows, job->cursor);

		if (!*budget)
			return false;
		--*budget;
		if (f && concerns(e, job, f))
			ending_flow(e, f, job->forced, now_ns);
	}
	return true;
}

static void next_job(struct engine *e)
{
	e->first_job = (e->first_job + 1) % END_JOBS_MAX;
	e->n_jobs--;
}

static struct end_job *job_at(struct engine *e, unsigned i)
{
	return &e->jobs[(e->first_job + i) % END_JOBS_MAX];
}

static struct end_job *find_job(struct engine *e, uint32_t tag, bool forced)
{
	for (unsigned i = 0; i < e->n_jobs; i++) {
		struct end_job *job = job_at(e, i);

		if (job->tag == tag && job->forced == forced)
			return job;
	}
	return NULL;
}

static struct end_job *new_job(struct engine *e, uint32_t tag, bool forced,
			       uint64_t now_ns)
{
	unsigned all = UINT_MAX;
	struct end_job *job;

	if (e->n_jobs == END_JOBS_MAX) {
		run(e, job_at(e, 0), &all, now_ns);
		next_job(e);
	}
	job = job_at(e, e->n_jobs++);
	*job = (struct end_job){ .tag = tag, .forced = forced };
	return job;
}

void ending_queue(struct engine *e, uint32_t tag,
		  const struct route_set *routes, bool forced, uint64_t now_ns)
{
	struct end_job *job = find_job(e, tag, forced);

	if (!job)
		job = new_job(e, tag, forced, now_ns);
	job->cursor = 0;
	if (routes->count)
		route_bits_add_set(&job->routes, routes);
	else
		route_bits_fill(&job->routes);
}

void ending_queue_gone(struct engine *e, uint64_t now_ns)
{
	struct end_job *job = find_job(e, 0, false);
	unsigned all = UINT_MAX;

	if (job)
		run(e, job, &all, now_ns);
	else
		job = new_job(e, 0, false, now_ns);
	job->cursor = 0;
}

bool ending_work(struct engine *e, unsigned budget, uint64_t now_ns)
{
	while (e->n_jobs && run(e, job_at(e, 0), &budget, now_ns))
		next_job(e);
	return !e->n_jobs;
}

bool ending_is_forced(const struct engine *e, uint32_t tag)
{
	for (unsigned i = 0; i < e->n_jobs; i++) {
		const struct end_job *job =
			&e->jobs[(e->first_job + i) % END_JOBS_MAX];

		if (job->tag == tag && job->forced)
			return true;
	}
	return false;
}
