/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet/forward.h"

#include <errno.h>
#include <netinet/in.h>

#include "packet/answer.h"
#include "packet/ending.h"
#include "packet/refusal.h"
#include "packet/track.h"

static bool is_tcp(const struct transit *t)
{
	return t->at.protocol == IPPROTO_TCP;
}

static bool is_syn(const struct transit *t)
{
	return is_tcp(t) && parsed_is_syn(&t->at);
}

/* Finds the door; door: the end of the packet that would be it. */
static bool enter(struct engine *e, struct transit *t,
		  const struct addr *client, uint16_t client_port,
		  uint16_t door_port)
{
	struct endpoint door = { e->conf.vip[t->at.family], door_port };
	struct engine_door found = engine_door(&e->conf, &door, t->at.protocol);

	if (!found.found)
		return false;
	t->route = found.route;
	t->service = (uint8_t)found.service;
	t->key = (struct flow_key){ .client = *client,
				    .protocol = t->at.protocol,
				    .client_port = client_port,
				    .door_port = door_port };
	return true;
}

static uint32_t mark_of(const struct engine *e, const struct packet *p,
			const struct addr *node)
{
	return p->by_mark && e->sink.mark_of
		       ? e->sink.mark_of(e->sink.arg, node)
		       : 0;
}

static enum verdict rewrite(struct engine *e, const struct transit *t,
			    const struct flow *f)
{
	struct packet *p = t->packet;
	bool to_node = p->direction == FROM_CLIENT;
	const struct addr *to = to_node ? &f->node : &e->conf.vip[t->at.family];

	p->mark = mark_of(e, p, to_node ? &f->node : NULL);
	if (p->mark)
		return VERDICT_MARK;
	if (p->cut) /* the rest of it would be lost */
		return context_verdict(e, REASON_BAD_LENGTH, VERDICT_DROP);
	rewrite_packet(p->data, &t->at, to_node ? REWRITE_DST : REWRITE_SRC, to,
		       context_check(p));
	return VERDICT_REWRITE;
}

static void journal(struct engine *e, const struct transit *t, struct flow *f)
{
	f->syn = journal_put(e->journal, flow_index(e->flows, f),
			     t->packet->data, t->at.end,
			     t->packet->csum_not_ready);
}

static struct flow *add_flow(struct engine *e, const struct transit *t,
			     const struct table_seat *seat,
			     enum flow_state state)
{
	struct flow *f;

	if (flow_table_is_full(e->flows)) {
		flow_remove(e->flows, flow_victim(e->flows));
		context_count(e, REASON_FLOWS_FULL);
	}
	f = flow_add(e->flows, &t->key, state, t->now_ns);
	f->route = t->route;
	f->service = t->service;
	f->tag = seat->tag;
	f->node = seat->addr[t->at.family];
	f->syn = JOURNAL_NONE;
	return f;
}

/* A packet of a known flow, which takes it in. */
static enum verdict pass(struct engine *e, struct transit *t, struct flow *f,
			 enum flow_end from)
{
	enum flow_state state = f->state;

	if (is_tcp(t))
		state = track_segment(f, from, &t->at);
	else if (from == FLOW_NODE)
		state = FLOW_UDP;
	flow_touch(e->flows, f, state, t->now_ns);
	if (state == FLOW_SYN_SENT && is_syn(t) && from == FLOW_CLIENT)
		journal(e, t, f);
	return rewrite(e, t, f);
}

static enum verdict hold(struct engine *e, const struct transit *t)
{
	switch (held_add(e->held, t->packet, &t->key, t->route, t->at.seq)) {
	case 0:
		return context_verdict(e, REASON_HELD, VERDICT_HOLD);
	case -EEXIST:
		return context_verdict(e, REASON_HELD_DUPLICATE, VERDICT_DROP);
	default:
		return context_verdict(e, REASON_HELD_FULL, VERDICT_DROP);
	}
}

static enum verdict unserved(struct engine *e, const struct transit *t,
			     enum engine_reason reason)
{
	answer_unserved(e, t);
	return context_verdict(e, reason, VERDICT_DROP);
}

/* A new connection, or the first datagram of a client. */
static enum verdict begin(struct engine *e, struct transit *t)
{
	const struct table_seat *seat = context_serving(e, t->route);
	struct flow *f;

	if (route_bits_has(&e->holding, t->route))
		return hold(e, t);
	if (!seat)
		return unserved(e, t, REASON_UNOWNED);
	if (!addr_is_set(&seat->addr[t->at.family]))
		return unserved(e, t, REASON_FAMILY);

	f = add_flow(e, t, seat, is_tcp(t) ? FLOW_SYN_SENT : FLOW_UDP_NEW);
	if (is_tcp(t)) {
		track_open(f, &t->at);
		journal(e, t, f);
	}
	context_count(e, REASON_NEW_FLOW);
	return rewrite(e, t, f);
}

/* The route's node, when it is sure that it was so before we were started. */
static const struct table_seat *remembered(const struct engine *e,
					   const struct transit *t)
{
	const struct table_seat *seat = context_serving(e, t->route);

	if (!seat || !route_bits_has(&e->relearn, t->route))
		return NULL;
	return addr_is_set(&seat->addr[t->at.family]) ? seat : NULL;
}

/* Anybody can forge a client's segment, so it takes more to displace a flow
 * that works: the node has to know the connection. */
static enum flow_state relearned_state(const struct transit *t,
				       enum flow_end from)
{
	if (t->at.flags & TCP_SYN)
		return FLOW_SYN_SENT;
	return from == FLOW_CLIENT ? FLOW_RELEARNED : FLOW_ESTABLISHED;
}

static enum verdict relearn(struct engine *e, struct transit *t,
			    const struct table_seat *seat, enum flow_end from)
{
	enum flow_state state = relearned_state(t, from);

	context_count(e, REASON_RELEARNED);
	return pass(e, t, add_flow(e, t, seat, state), from);
}

static enum verdict flowless(struct engine *e, const struct transit *t)
{
	answer_segment(e, t);
	return context_verdict(e, REASON_RESET_FLOWLESS, VERDICT_DROP);
}

static enum verdict client_without_flow(struct engine *e, struct transit *t)
{
	const struct table_seat *seat;

	if (!is_tcp(t) || is_syn(t))
		return begin(e, t);
	seat = remembered(e, t);
	return seat ? relearn(e, t, seat, FLOW_CLIENT) : flowless(e, t);
}

/* The flow's instance lost the route before its flows were ended. A SYN and a
 * datagram begin anew; whoever is in the middle of something is told. */
static enum verdict stale_from_client(struct engine *e, struct transit *t,
				      struct flow *f)
{
	bool forced = ending_is_forced(e, f->tag);

	context_count(e, REASON_STALE_FLOW);
	if (is_tcp(t) && !is_syn(t)) {
		flow_touch(e->flows, f, track_segment(f, FLOW_CLIENT, &t->at),
			   t->now_ns);
		ending_flow(e, f, forced, t->now_ns);
		return VERDICT_DROP;
	}
	if (is_tcp(t) && !forced && !f->was_reset)
		answer_reset(e, f, FLOW_NODE);
	refusal_avert(e, &t->key);
	flow_remove(e->flows, f);
	return begin(e, t);
}

enum verdict forward_from_client(struct engine *e, struct transit *t)
{
	const struct parsed *at = &t->at;
	struct flow *f;

	if (!addr_equal(&at->dst, &e->conf.vip[at->family]) ||
	    !enter(e, t, &at->src, at->src_port, at->dst_port))
		return context_verdict(e, REASON_NOT_OURS, VERDICT_ACCEPT);
	if (!e->table) /* too early to answer: clients try again */
		return context_verdict(e, REASON_UNOWNED, VERDICT_DROP);

	f = flow_find(e->flows, &t->key);
	if (f && context_is_stale(e, f))
		return stale_from_client(e, t, f);
	if (is_syn(t) && refusal_answers(e, t))
		return context_verdict(e, REASON_HELD_DUPLICATE, VERDICT_DROP);
	if (f && f->state == FLOW_CLOSING && is_syn(t)) {
		flow_remove(e->flows, f); /* the client uses its port again */
		f = NULL;
	}
	if (!f)
		return client_without_flow(e, t);
	context_count(e, REASON_CLIENT_TO_NODE);
	return pass(e, t, f, FLOW_CLIENT);
}

static bool is_from(const struct transit *t, const struct table_seat *seat)
{
	return seat && addr_equal(&t->at.src, &seat->addr[t->at.family]);
}

/* A server may speak first, or long after the flow expired. */
static enum verdict datagram_without_flow(struct engine *e, struct transit *t)
{
	const struct table_seat *seat = context_serving(e, t->route);

	if (!is_from(t, seat))
		return flowless(e, t);
	context_count(e, REASON_NEW_FLOW);
	return pass(e, t, add_flow(e, t, seat, FLOW_UDP), FLOW_NODE);
}

static enum verdict node_without_flow(struct engine *e, struct transit *t)
{
	const struct table_seat *seat;

	if (!is_tcp(t))
		return datagram_without_flow(e, t);
	if (is_syn(t)) /* a connection of the node's own */
		return context_verdict(e, REASON_NOT_OURS, VERDICT_ACCEPT);
	seat = remembered(e, t);
	return is_from(t, seat) ? relearn(e, t, seat, FLOW_NODE)
				: flowless(e, t);
}

/* From a former instance, or one that no longer serves the route. */
static enum verdict stale_from_node(struct engine *e, const struct transit *t)
{
	answer_segment(e, t);
	return context_verdict(e, REASON_STALE_FLOW, VERDICT_DROP);
}

/* The client hears of it when its node has been looked at. */
static enum verdict refused(struct engine *e, struct transit *t, struct flow *f)
{
	switch (refusal_hold(e, t, f)) {
	case 0:
		return context_verdict(e, REASON_REFUSAL_HELD, VERDICT_HOLD);
	case -EEXIST:
		return context_verdict(e, REASON_HELD_DUPLICATE, VERDICT_DROP);
	default:
		context_count(e, REASON_REFUSAL_FULL);
		return pass(e, t, f, FLOW_NODE);
	}
}

enum verdict forward_from_node(struct engine *e, struct transit *t)
{
	const struct parsed *at = &t->at;
	struct flow *f;

	if (addr_equal(&at->src, &e->conf.vip[at->family]) ||
	    !enter(e, t, &at->dst, at->dst_port, at->src_port))
		return context_verdict(e, REASON_NOT_OURS, VERDICT_ACCEPT);
	if (!e->table)
		return context_verdict(e, REASON_UNOWNED, VERDICT_DROP);

	f = flow_find(e->flows, &t->key);
	if (!f)
		return node_without_flow(e, t);
	if (!addr_equal(&at->src, &f->node))
		return stale_from_node(e, t);
	if (context_is_stale(e, f)) {
		ending_flow(e, f, true, t->now_ns);
		return stale_from_node(e, t);
	}
	if (is_tcp(t) && track_refuses(f, at))
		return refused(e, t, f);
	context_count(e, REASON_NODE_TO_CLIENT);
	return pass(e, t, f, FLOW_NODE);
}
