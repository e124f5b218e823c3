/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/engine.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/context.h"
#include "packet/ending.h"
#include "packet/forward.h"
#include "packet/icmp.h"
#include "packet/refusal.h"
#include "packet/related.h"

/* SYNs stay unanswered for moments; a quarter of the flows is plenty. */
#define JOURNAL_SLOTS_MIN 64
#define JOURNAL_SLOTS_MAX 8192
/* Refused within REFUSAL_PATIENCE_NS; as many SYNs as are held at most. */
#define REFUSALS_MAX 1024

static const char *const reason_names[ENGINE_REASONS] = {
	[REASON_CLIENT_TO_NODE] = "client-to-node",
	[REASON_NODE_TO_CLIENT] = "node-to-client",
	[REASON_NEW_FLOW] = "new-flow",
	[REASON_RELEARNED] = "relearned",
	[REASON_ICMP_TO_NODE] = "icmp-to-node",
	[REASON_ICMP_TO_CLIENT] = "icmp-to-client",
	[REASON_ICMP_UNRELATED] = "icmp-unrelated",
	[REASON_NOT_OURS] = "not-ours",
	[REASON_HELD] = "held",
	[REASON_RELEASED] = "released",
	[REASON_HELD_DUPLICATE] = "held-duplicate",
	[REASON_HELD_FULL] = "held-full",
	[REASON_REPLAYED] = "replayed",
	[REASON_REFUSAL_HELD] = "refusal-held",
	[REASON_REFUSAL_PASSED] = "refusal-passed",
	[REASON_REFUSAL_AVERTED] = "refusal-averted",
	[REASON_REFUSAL_FULL] = "refusal-full",
	[REASON_RESET_CLIENT] = "reset-client",
	[REASON_RESET_NODE] = "reset-node",
	[REASON_RESET_FLOWLESS] = "reset-flowless",
	[REASON_STALE_FLOW] = "stale-flow",
	[REASON_UNOWNED] = "unowned",
	[REASON_FAMILY] = "family",
	[REASON_FLOWS_FULL] = "flows-full",
	[REASON_SHORT] = "short",
	[REASON_BAD_LENGTH] = "bad-length",
	[REASON_FRAGMENT] = "fragment",
	[REASON_BAD_HEADER] = "bad-header",
};

static unsigned journal_slots(unsigned flows_max)
{
	unsigned slots = flows_max / 4;

	if (slots < JOURNAL_SLOTS_MIN)
		return JOURNAL_SLOTS_MIN;
	return slots < JOURNAL_SLOTS_MAX ? slots : JOURNAL_SLOTS_MAX;
}

static unsigned refusals_max(unsigned held_max)
{
	return held_max < REFUSALS_MAX ? held_max : REFUSALS_MAX;
}

struct engine *engine_new(const struct engine_conf *conf,
			  const struct engine_sink *sink)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->conf = *conf;
	e->sink = *sink;
	e->flows = flow_table_new(conf->flows_max, conf->seed);
	e->journal = journal_new(journal_slots(conf->flows_max));
	e->held = held_new(conf->held_max, conf->seed);
	e->refusals = held_new(refusals_max(conf->held_max), conf->seed);
	if (!e->flows || !e->journal || !e->held || !e->refusals) {
		engine_free(e);
		return NULL;
	}
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	held_free(e->refusals);
	held_free(e->held);
	journal_free(e->journal);
	flow_table_free(e->flows);
	table_put(e->table);
	free(e);
}

static uint32_t serving_tag(const struct table *t, uint16_t route)
{
	const struct table_seat *seat = table_lookup(t, route);

	return seat ? seat->tag : 0;
}

void engine_set_table(struct engine *e, struct table *t)
{
	struct table *former = e->table;

	assert(t->routes == e->conf.routes);
	e->table = table_get(t);
	for (unsigned r = 1; former && r <= e->conf.routes; r++) {
		if (serving_tag(former, r) == serving_tag(t, r))
			continue;
		route_bits_add(&e->moved, r);
		route_bits_remove(&e->relearn, r);
	}
	table_put(former);
}

void engine_set_relearn(struct engine *e, const struct route_set *routes)
{
	memset(&e->relearn, 0, sizeof(e->relearn));
	for (uint32_t i = 0; i < routes->count; i++)
		if (!route_bits_has(&e->moved, routes->ids[i]))
			route_bits_add(&e->relearn, routes->ids[i]);
}

/* As the flow's own key has it: its door's address is its family's. */
static uint8_t service_of(const struct engine_conf *conf, const struct flow *f,
			  const struct addr *former_vip)
{
	struct endpoint at = { former_vip[flow_family(f)], f->key.door_port };
	struct engine_door door = engine_door(conf, &at, f->key.protocol);

	return door.found && door.route == f->route ? (uint8_t)door.service
						    : SERVICE_GONE;
}

static bool same_vips(const struct engine_conf *a, const struct engine_conf *b)
{
	return addr_equal(&a->vip[FAMILY_V4], &b->vip[FAMILY_V4]) &&
	       addr_equal(&a->vip[FAMILY_V6], &b->vip[FAMILY_V6]);
}

/* All there were are there yet, in their place. */
static bool only_adds(const struct engine_conf *from,
		      const struct engine_conf *to)
{
	for (unsigned i = 0; i < from->n_services; i++)
		if (i >= to->n_services ||
		    from->services[i].listen != to->services[i].listen ||
		    from->services[i].protocol != to->services[i].protocol)
			return false;
	return same_vips(from, to);
}

static void sort_flows(struct engine *e, const struct engine_conf *to,
		       uint64_t now_ns)
{
	uint32_t span = flow_table_span(e->flows);

	ending_queue_gone(e, now_ns); /* whose doors went before, first */
	for (uint32_t i = 0; i < span; i++) {
		struct flow *f = flow_at(e->flows, i);

		if (f)
			f->service = service_of(to, f, e->conf.vip);
	}
	memcpy(e->former_vip, e->conf.vip, sizeof(e->former_vip));
}

void engine_set_doors(struct engine *e, const struct engine_conf *conf,
		      uint64_t now_ns)
{
	struct engine_conf to = e->conf;

	memcpy(to.vip, conf->vip, sizeof(to.vip));
	memcpy(to.services, conf->services, sizeof(to.services));
	to.n_services = conf->n_services;
	if (!only_adds(&e->conf, &to))
		sort_flows(e, &to, now_ns);
	e->conf = to;
}

static enum engine_reason reason_of(enum parse_error err)
{
	switch (err) {
	case PARSE_SHORT:
		return REASON_SHORT;
	case PARSE_BAD_LENGTH:
		return REASON_BAD_LENGTH;
	case PARSE_FRAGMENT:
		return REASON_FRAGMENT;
	default:
		return REASON_BAD_HEADER;
	}
}

static enum verdict forward(struct engine *e, struct transit *t)
{
	return t->packet->direction == FROM_CLIENT ? forward_from_client(e, t)
						   : forward_from_node(e, t);
}

static enum verdict relate(struct engine *e, struct packet *p,
			   const struct parsed *at)
{
	return p->direction == FROM_CLIENT ? related_from_client(e, p, at)
					   : related_from_node(e, p, at);
}

enum verdict engine_packet(struct engine *e, struct packet *p, uint64_t now_ns)
{
	struct transit t = { .packet = p, .now_ns = now_ns };
	enum parse_error err =
		parse_cut(p->data, p->len, (size_t)p->len + p->cut, &t.at);

	if (err)
		return context_verdict(e, reason_of(err), VERDICT_DROP);
	switch (t.at.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return forward(e, &t);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (icmp_is_error(&t.at))
			return p->cut ? context_verdict(e, REASON_BAD_LENGTH,
							VERDICT_DROP)
				      : relate(e, p, &t.at);
		return context_verdict(e, REASON_ICMP_UNRELATED,
				       VERDICT_ACCEPT);
	default:
		return context_verdict(e, REASON_NOT_OURS, VERDICT_ACCEPT);
	}
}

void engine_hold(struct engine *e, const struct route_set *routes)
{
	route_bits_add_set(&e->holding, routes);
}

static void settle(struct engine *e, struct held_packet *w, uint64_t now_ns)
{
	struct packet p = w->packet;
	enum verdict verdict;

	p.by_mark = false; /* it is settled by its bytes */
	verdict = engine_packet(e, &p, now_ns);

	if (verdict == VERDICT_REWRITE)
		context_count(e, REASON_RELEASED);
	e->sink.settle(e->sink.arg, p.id, verdict, p.data, p.len);
}

void engine_release(struct engine *e, const struct route_set *routes,
		    uint64_t now_ns)
{
	struct held_packet *w, *next;

	route_bits_remove_set(&e->holding, routes);
	for (w = held_next(e->held, NULL); w; w = next) {
		next = held_next(e->held, w);
		if (route_bits_has(&e->holding, w->route))
			continue;
		settle(e, w, now_ns);
		held_remove(e->held, w);
	}
}

bool engine_end_flows(struct engine *e, uint32_t tag,
		      const struct route_set *routes, bool forced,
		      unsigned budget, uint64_t now_ns)
{
	ending_queue(e, tag, routes, forced, now_ns);
	return ending_work(e, budget, now_ns);
}

bool engine_end_flows_more(struct engine *e, unsigned budget, uint64_t now_ns)
{
	return ending_work(e, budget, now_ns);
}

void engine_expire(struct engine *e, unsigned budget, uint64_t now_ns)
{
	struct flow *f;

	budget = refusal_expire(e, budget, now_ns);
	while (budget-- && (f = flow_expired(e->flows, now_ns)))
		flow_remove(e->flows, f);
}

void engine_stats(const struct engine *e, struct engine_stats *out)
{
	memcpy(out->count, e->count, sizeof(out->count));
	out->flows = flow_table_count(e->flows);
	out->flows_max = flow_table_max(e->flows);
	out->held = held_count(e->held) + held_count(e->refusals);
}

const char *engine_reason_name(enum engine_reason reason)
{
	return reason_names[reason];
}

static bool matches(const struct flow_query *q, const struct flow *f)
{
	return f->service != SERVICE_GONE &&
	       (!q->route || q->route == f->route) &&
	       (!q->tag || q->tag == f->tag);
}

static struct flow_view view(const struct flow *f, uint64_t now_ns)
{
	return (struct flow_view){
		.client = { f->key.client, f->key.client_port },
		.route = f->route,
		.protocol = f->key.protocol,
		.service = f->service,
		.tag = f->tag,
		.established =
			f->state == FLOW_ESTABLISHED || f->state == FLOW_UDP,
		.idle_ns = now_ns - f->last_ns,
	};
}

static unsigned one_flow(const struct engine *e, const struct flow_query *q,
			 struct flow_view *out, uint64_t now_ns)
{
	const struct flow_key key = { .client = q->client.addr,
				      .protocol = q->protocol,
				      .client_port = q->client.port,
				      .door_port = q->door.port };
	const struct flow *f = flow_find(e->flows, &key);

	if (!f || !matches(q, f))
		return 0;
	*out = view(f, now_ns);
	return 1;
}

unsigned engine_flows(const struct engine *e, const struct flow_query *q,
		      struct flow_view *out, unsigned max, uint64_t now_ns)
{
	uint32_t span = flow_table_span(e->flows);
	unsigned n = 0;

	if (q->client.port && max)
		return one_flow(e, q, out, now_ns);
	for (uint32_t i = 0; i < span && n < max; i++) {
		const struct flow *f = flow_at(e->flows, i);

		if (f && matches(q, f))
			out[n++] = view(f, now_ns);
	}
	return n;
}

struct engine_door engine_door(const struct engine_conf *conf,
			       const struct endpoint *dst, uint8_t protocol)
{
	const struct addr *vip =
		&conf->vip[dst->addr.af == AF_INET6 ? FAMILY_V6 : FAMILY_V4];

	if (!addr_is_set(vip) || !addr_equal(vip, &dst->addr))
		return (struct engine_door){ 0 };
	for (unsigned i = 0; i < conf->n_services; i++) {
		const struct engine_service *s = &conf->services[i];

		if (s->protocol == protocol && dst->port >= s->listen &&
		    dst->port - s->listen < conf->routes)
			return (struct engine_door){
				.found = true,
				.route = (uint16_t)(dst->port - s->listen + 1),
				.service = i,
			};
	}
	return (struct engine_door){ 0 };
}
