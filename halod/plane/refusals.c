// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/refusals.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/units.h"
#include "io/rawsock.h"
#include "packet/held.h"
#include "packet/refusal.h"

#define WAITING_MAX   4096	       /* 16,000 refusals a second */
#define TELL_AGAIN_NS (10 * NS_PER_MS) /* while a route keeps refusing */
#define TOLD_ROUTES   64	       /* that refuse at the same time */

struct refusals {
	struct refusals_conf conf;
	struct held *held;
	struct rawsock replay;
	struct {
		uint32_t tag;
		uint64_t ns;
	} told[TOLD_ROUTES];

	struct {
		_Atomic uint64_t held, passed, averted, full, waiting;
	} count;
};

int refusals_new(struct refusals **out, const struct refusals_conf *conf)
{
	struct refusals *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		return err;
	r->conf = *conf;
	r->held = held_new(WAITING_MAX, conf->doors->conf.seed);
	if (!r->held)
		goto err_free;
	err = rawsock_init(&r->replay, conf->replay);
	if (err)
		goto err_held;
	*out = r;
	return 0;

err_held:
	held_free(r->held);
err_free:
	free(r);
	return err;
}

static void settle(struct refusals *r, struct held_packet *w, bool averted)
{
	if (averted) {
		nfq_drop(r->conf.nfq, w->packet.id);
		r->count.averted++;
	} else {
		nfq_accept(r->conf.nfq, w->packet.id);
		r->count.passed++;
	}
	held_remove(r->held, w);
	r->count.waiting = held_count(r->held);
}

void refusals_free(struct refusals *r)
{
	struct held_packet *w;

	if (!r)
		return;
	while ((w = held_next(r->held, NULL)))
		settle(r, w, false);
	nfq_flush(r->conf.nfq);
	rawsock_fini(&r->replay);
	held_free(r->held);
	free(r);
}

/* The answer to a SYN (RFC 9293, section 3.10.7.1). A node that has answered by
 * SYN/ACK and thinks better of it knows a sequence number of its own. */
static bool is_refusal(const struct parsed *p)
{
	return p->protocol == IPPROTO_TCP && p->seq == 0 &&
	       (p->flags & (TCP_SYN | TCP_RST | TCP_ACK)) ==
		       (TCP_RST | TCP_ACK);
}

/* What a refusal answers, and who has refused. */
struct refused {
	struct flow_key key;
	uint16_t route; /* 0: no door's SYN */
	uint32_t tag;	/* 0: not who serves the route now */
};

static const struct table_seat *seat_of(const struct table *now, uint16_t route)
{
	return now ? table_lookup(now, route) : NULL;
}

/* By its address at the moment of its refusal. */
static uint32_t tag_of(const struct table *now, uint16_t route,
		       const struct parsed *p)
{
	const struct table_seat *s = seat_of(now, route);

	return s && addr_equal(&s->addr[p->family], &p->src) ? s->tag : 0;
}

/* Does the node see another port, or another client? */
static bool changes_more(const struct engine_conf *c)
{
	for (unsigned i = 0; i < c->n_services; i++)
		if (c->nat[i].node_port || c->nat[i].snat)
			return true;
	return false;
}

/* The SYN knows what was changed on its way, else the packet itself says it:
 * the port is kept on the node. */
static void find_syn(struct refusals *r, const struct engine_conf *c,
		     const struct parsed *p, struct flow_key *out)
{
	if (r->conf.syns && changes_more(c)) {
		plane_nft_syns_drain(r->conf.syns);
		if (plane_nft_syns_find_seq(r->conf.syns, p->ack - 1, out))
			return;
	}
	*out = (struct flow_key){ .client = p->dst,
				  .protocol = IPPROTO_TCP,
				  .client_port = p->dst_port,
				  .door_port = p->src_port };
}

static struct refused what_is_refused(struct refusals *r,
				      const struct parsed *p,
				      const struct table *now)
{
	struct refused what = { 0 };
	struct endpoint door = { 0 };
	struct engine_door at;
	struct engine_conf c;

	if (!is_refusal(p))
		return what;
	doors_read(r->conf.doors, &c);
	find_syn(r, &c, p, &what.key);
	door = (struct endpoint){ c.vip[p->family], what.key.door_port };
	at = engine_door(&c, &door, IPPROTO_TCP);
	if (!at.found || (c.nat[at.service].node_port &&
			  c.nat[at.service].node_port != p->src_port))
		return what;
	what.route = at.route;
	what.tag = tag_of(now, at.route, p);
	return what;
}

/* A client can make a door that nobody listens at refuse at any rate. Whoever
 * does not serve any more is not looked at. */
static void tell(struct refusals *r, const struct refused *what,
		 uint64_t now_ns)
{
	struct plane_event ev = { .type = PLANE_REFUSED,
				  .tag = what->tag,
				  .route = what->route,
				  .count = 1 };
	unsigned i = what->route % TOLD_ROUTES;

	if (!what->tag || (r->told[i].tag == what->tag &&
			   now_ns - r->told[i].ns < TELL_AGAIN_NS))
		return;
	r->told[i].tag = what->tag;
	r->told[i].ns = now_ns;
	event_queue_push(r->conf.events, &ev);
}

/* Another instance, be it at the same address. */
static bool is_another(const struct table *now, uint16_t route, uint32_t tag,
		       unsigned family)
{
	const struct table_seat *s = seat_of(now, route);

	return s && s->tag != tag && addr_is_set(&s->addr[family]);
}

/* False: that very SYN is not there any more, or never was. */
static bool send_again(struct refusals *r, const struct held_packet *w)
{
	uint8_t syn[JOURNAL_SYN_MAX];
	struct parsed p;
	size_t len;

	if (!r->conf.syns)
		return true; /* the kernel does */
	len = plane_nft_syns_find(r->conf.syns, &w->key, syn);
	if (!len || parse_packet(syn, len, &p) ||
	    p.seq + parsed_seq_len(&p) != w->seq)
		return false;
	rawsock_send(&r->replay, syn, len);
	return true;
}

static void look_at(struct refusals *r, struct held_packet *w,
		    const struct table *now)
{
	unsigned family = w->key.client.af == AF_INET6 ? FAMILY_V6 : FAMILY_V4;

	if (is_another(now, w->route, w->tag, family))
		settle(r, w, send_again(r, w));
}

static int hold(struct refusals *r, const struct nfq_packet *in,
		const struct refused *what, uint32_t ack, uint64_t now_ns)
{
	struct packet p = { .data = in->data, .len = in->len, .id = in->id };
	int err = held_add(r->held, &p, &what->key, what->route, ack);
	struct held_packet *w;

	if (err)
		return err;
	w = held_find(r->held, &what->key);
	w->since_ns = now_ns;
	w->tag = what->tag;
	r->count.held++;
	r->count.waiting = held_count(r->held);
	return 0;
}

bool refusals_take(struct refusals *r, const struct nfq_packet *in,
		   const struct parsed *at, const struct table *now,
		   uint64_t now_ns)
{
	struct refused what = what_is_refused(r, at, now);
	int err;

	if (!what.route)
		return false;
	tell(r, &what, now_ns);
	err = hold(r, in, &what, at->ack, now_ns);
	if (!err) {
		if (is_another(now, what.route, what.tag, at->family))
			refusals_look(r, now);
	} else if (err == -EEXIST) {
		nfq_drop(r->conf.nfq, in->id);
	} else {
		nfq_accept(r->conf.nfq, in->id);
		r->count.full++;
	}
	return true;
}

void refusals_look(struct refusals *r, const struct table *now)
{
	struct held_packet *w = held_next(r->held, NULL), *next;

	if (w && r->conf.syns)
		plane_nft_syns_drain(r->conf.syns);
	for (; w; w = next) {
		next = held_next(r->held, w);
		look_at(r, w, now);
	}
}

uint64_t refusals_expire(struct refusals *r, uint64_t now_ns)
{
	struct held_packet *w;

	while ((w = held_next(r->held, NULL)) &&
	       now_ns - w->since_ns >= REFUSAL_PATIENCE_NS)
		settle(r, w, false);
	return w ? w->since_ns + REFUSAL_PATIENCE_NS : UINT64_MAX;
}

void refusals_stats(const struct refusals *r, struct refusals_stats *out)
{
	*out = (struct refusals_stats){
		.held = r->count.held,
		.passed = r->count.passed,
		.averted = r->count.averted,
		.full = r->count.full,
		.waiting = r->count.waiting,
	};
}
