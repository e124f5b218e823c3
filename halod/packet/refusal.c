/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/refusal.h"

#include <errno.h>

#define TELL_AGAIN_NS (10 * NS_PER_MS) /* while an instance keeps refusing */

/* A client can make a door that nobody listens at refuse at any rate. */
static void tell(struct engine *e, const struct flow *f, uint64_t now_ns)
{
	struct refused_tag *told = &e->told[f->tag % ARRAY_SIZE(e->told)];

	if (told->tag == f->tag && now_ns - told->ns < TELL_AGAIN_NS)
		return;
	*told = (struct refused_tag){ f->tag, now_ns };
	e->sink.refused(e->sink.arg, f->tag, f->route);
}

int refusal_hold(struct engine *e, const struct transit *t,
		 const struct flow *f)
{
	uint32_t syn_seq = f->sent[FLOW_CLIENT].end - 1;
	struct held_packet *w;
	int err;

	tell(e, f, t->now_ns);
	err = held_add(e->refusals, t->packet, &t->key, t->route, syn_seq);
	if (err)
		return err;
	w = held_find(e->refusals, &t->key);
	w->since_ns = t->now_ns;
	rewrite_packet(w->packet.data, &t->at, REWRITE_SRC,
		       &e->conf.vip[t->at.family], context_check(t->packet));
	return 0;
}

static void settle(struct engine *e, struct held_packet *w,
		   enum engine_reason reason, enum verdict verdict)
{
	context_count(e, reason);
	e->sink.settle(e->sink.arg, w->packet.id, verdict, w->packet.data,
		       w->packet.len);
	held_remove(e->refusals, w);
}

/* The node may have accepted since, if an older SYN was on its way. */
static void pass(struct engine *e, struct held_packet *w, uint64_t now_ns)
{
	struct flow *f = flow_find(e->flows, &w->key);

	if (f && f->sent[FLOW_NODE].has_end) {
		settle(e, w, REASON_REFUSAL_AVERTED, VERDICT_DROP);
		return;
	}
	if (f) {
		f->was_reset = true;
		flow_touch(e->flows, f, FLOW_CLOSING, now_ns);
	}
	settle(e, w, REASON_REFUSAL_PASSED, VERDICT_REWRITE);
}

bool refusal_answers(struct engine *e, const struct transit *syn)
{
	struct held_packet *w = held_find(e->refusals, &syn->key);

	if (!w)
		return false;
	if (w->seq == syn->at.seq)
		return true;
	pass(e, w, syn->now_ns);
	return false;
}

bool refusal_pass(struct engine *e, const struct flow_key *key, uint64_t now_ns)
{
	struct held_packet *w = held_find(e->refusals, key);

	if (w)
		pass(e, w, now_ns);
	return w;
}

void refusal_avert(struct engine *e, const struct flow_key *key)
{
	struct held_packet *w = held_find(e->refusals, key);

	if (w)
		settle(e, w, REASON_REFUSAL_AVERTED, VERDICT_DROP);
}

unsigned refusal_expire(struct engine *e, unsigned budget, uint64_t now_ns)
{
	struct held_packet *w;

	while (budget && (w = held_next(e->refusals, NULL)) &&
	       now_ns - w->since_ns >= REFUSAL_PATIENCE_NS) {
		pass(e, w, now_ns);
		budget--;
	}
	return budget;
}
