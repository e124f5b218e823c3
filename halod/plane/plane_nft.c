// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's NAT and connection tracking carry the packets; only new
 * connections that are held come to user space. This file is the main thread's
 * side: it writes the table, two threads do the rest.
 */
#include "plane/plane.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/conntrack.h"
#include "io/ct_seq.h"
#include "io/nfq.h"
#include "io/nft_probe.h"
#include "io/nft_text.h"
#include "plane/event_queue.h"
#include "plane/gate.h"
#include "plane/plane_nft_doors.h"
#include "plane/plane_nft_drift.h"
#include "plane/plane_nft_early.h"
#include "plane/plane_nft_ends.h"
#include "plane/plane_nft_syns.h"
#include "plane/plane_nft_table.h"

#define MADE_MARK   0x48616c6f /* "Halo": packets HaloD makes */
#define REPLAY_MARK 0x48616c72 /* "Halr": SYNs it sends again */

struct plane {
	struct engine_conf engine;
	struct plane_nft_tag tag;
	struct prefix *networks; /* the table's, of which it is written */
	struct doors doors;	 /* the same, for the threads */
	struct plane_nft_table table;
	struct gate *gate;
	struct nft_txn renewal;	      /* the gate's */
	struct plane_nft_drift drift; /* the gate's thread watches */
	struct plane_nft_syns *syns;
	struct plane_nft_ends *ends;
	struct nft_text_owner *anchor; /* NULL: this kernel has none */
	struct conntrack *ct;	       /* the main thread's */
	struct ct_seq *seq;
	char no_seq[128]; /* why seq is NULL */
	struct event_queue events;
};

static int refuse(int err, const char *what, uint16_t number, char *text,
		  unsigned size)
{
	if (err == -EBUSY)
		snprintf(text, size,
			 "%s %u is taken by another program: end "
			 "it or set nfqueue.queue to a number of which queue "
			 "and log group are free",
			 what, number);
	else if (err == -EPERM)
		snprintf(text, size,
			 "the nft plane needs CAP_NET_ADMIN and "
			 "CAP_NET_RAW: run halod as root or give it both");
	else
		snprintf(text, size, "%s %u: %s", what, number, strerror(-err));
	return err;
}

/* ---- the gate's thread ---- */

static int renew(void *arg)
{
	struct plane *p = arg;

	plane_nft_table_keep_alive(&p->renewal);
	return nft_txn_commit(&p->renewal);
}

static int watch_fd(void *arg)
{
	struct plane *p = arg;

	return plane_nft_drift_fd(&p->drift);
}

static void watch(void *arg)
{
	struct plane *p = arg;

	if (plane_nft_drift_look(&p->drift))
		event_queue_wake(&p->events);
}

/* ---- opening ---- */

static int start_gate(struct plane *p, const struct plane_conf *conf, char *err,
		      unsigned err_size)
{
	struct gate_conf gate = {
		.doors = &p->doors,
		.queue = conf->queue,
		.queue_len = conf->queue_len,
		.realtime = conf->realtime,
		.mark = MADE_MARK,
		.replay = REPLAY_MARK,
		.renew = renew,
		.watch_fd = watch_fd,
		.watch = watch,
		.arg = p,
	};
	int ret = plane_nft_syns_new(&p->syns, conf->queue);

	if (ret)
		return refuse(ret, "NFLOG", conf->queue, err, err_size);
	ret = gate_new(&p->gate, &gate, &p->events, p->syns);
	if (ret)
		return refuse(ret, "NFQUEUE", conf->queue, err, err_size);
	return 0;
}

static int open_watch(struct plane *p)
{
	int err = nft_txn_init(&p->renewal, PLANE_NFT_TABLE);

	if (err)
		return err;
	err = plane_nft_drift_init(&p->drift);
	if (err) {
		nft_txn_fini(&p->renewal);
		return err;
	}
	plane_nft_drift_set_port(&p->drift, 0, nft_txn_port(&p->renewal));
	return 0;
}

static void close_watch(struct plane *p)
{
	plane_nft_drift_fini(&p->drift);
	nft_txn_fini(&p->renewal);
}

static int start_ends(struct plane *p, const struct plane_conf *conf, char *err,
		      unsigned err_size)
{
	struct plane_nft_ends_conf ends = { .doors = &p->doors,
					    .tag = p->tag,
					    .mark = MADE_MARK,
					    .replay = REPLAY_MARK,
					    .realtime = conf->realtime };
	int ret = conntrack_open(&p->ct);

	if (ret) {
		snprintf(err, err_size, "conntrack: %s", strerror(-ret));
		return ret;
	}
	ret = plane_nft_ends_new(&p->ends, &ends, &p->events, p->syns);
	if (ret)
		snprintf(err, err_size, "thread that ends flows: %s",
			 strerror(-ret));
	return ret;
}

/* What the table's text and transactions have changed was no drift. */
static void claim_changes(struct plane *p)
{
	plane_nft_drift_set_port(&p->drift, 1, nft_txn_port(&p->table.txn));
	plane_nft_drift_set_port(&p->drift, 2, p->table.xt_port);
	if (plane_nft_drift_end_rewrite(&p->drift))
		event_queue_wake(&p->events);
	gate_wake(p->gate);
}

/* NFLOG may be there and nft's way to it not. */
static bool can_log(const struct plane *p, uint16_t group)
{
	char statement[32];

	if (!plane_nft_syns_is_fed(p->syns) || getenv("HALO_FORCE_NO_NFT_LOG"))
		return false;
	snprintf(statement, sizeof(statement), "log group %u", group);
	return nft_probe_statement(statement);
}

static int open_table(struct plane *p, const struct plane_conf *conf, char *err,
		      unsigned err_size)
{
	struct plane_nft_conf nft = { .engine = &p->engine,
				      .queue = conf->queue,
				      .group = conf->queue,
				      .mark = MADE_MARK,
				      .replay = REPLAY_MARK,
				      .tag = p->tag,
				      .networks = p->networks,
				      .n_networks = conf->n_networks,
				      .unlogged = !can_log(p, conf->queue) };
	int ret = rules_probe(&nft.how, err, err_size);

	if (!ret)
		ret = plane_nft_table_init(&p->table, &nft, err, err_size);
	if (ret)
		return ret;
	claim_changes(p);
	gate_set_table(p->gate, p->table.now);
	return 0;
}

/* With the table the kernel has the conntrack module, which it asks. */
static void open_seq(struct plane *p)
{
	if (ct_seq_open(&p->seq, p->no_seq, sizeof(p->no_seq)))
		p->seq = NULL;
	plane_nft_ends_use(p->ends, p->seq);
}

/* A convenience: without it a flushed ruleset costs more. */
static void open_anchor(struct plane *p)
{
	char err[128] = "out of memory", *text = NULL;

	if (!getenv("HALO_FORCE_NO_NFT_OWNER"))
		text = plane_nft_text_anchor(&p->engine);
	if (!text || nft_text_own(&p->anchor, text, err, sizeof(err)))
		log_info("no table of our own", "why=\"%s\"", err);
	free(text);
}

static int rebuild(struct plane *p)
{
	int err;

	plane_nft_drift_begin_rewrite(&p->drift);
	err = plane_nft_table_rebuild(&p->table);
	claim_changes(p);
	return err;
}

/* Whoever has no node waits before the kernel sends him, and goes on after the
 * kernel knows better. */
static int nft_apply(struct plane *p, const struct table_diff *diff)
{
	bool unowned = plane_nft_table_is_unowned(diff->to);
	int err;

	if (unowned)
		gate_set_unowned(p->gate, true);
	err = plane_nft_table_apply(&p->table, diff);
	if (err == -ENOENT && !rebuild(p)) /* a repair had failed */
		err = plane_nft_table_apply(&p->table, diff);
	gate_set_table(p->gate, p->table.now);
	if (!unowned || err)
		gate_set_unowned(p->gate, p->table.unowned);
	return err;
}

/* What a former life left goes on as it is. Else doors are silent until there
 * is a table; nothing is to come where nothing is to be relearned. */
static int begin(struct plane *p, const struct plane_conf *conf, char *err,
		 unsigned err_size)
{
	struct table_diff same;
	int ret;

	if (!p->table.adopted && conf->relearn.count)
		return 0;
	ret = table_diff_init(&same, p->table.now, p->table.now);
	if (!ret) {
		ret = nft_apply(p, &same);
		table_diff_fini(&same);
	}
	if (ret)
		snprintf(err, err_size, "first table: %s", strerror(-ret));
	return ret;
}

static int copy_networks(struct plane *p, const struct plane_conf *conf)
{
	size_t size = conf->n_networks * sizeof(*p->networks);

	if (!size)
		return 0;
	p->networks = malloc(size);
	if (!p->networks)
		return -ENOMEM;
	memcpy(p->networks, conf->networks, size);
	return 0;
}

/* Readers before rules: what a former life's rules send waits for them. */
static int nft_open(struct plane **out, const struct plane_conf *conf,
		    char *err, unsigned err_size)
{
	struct plane *p = calloc(1, sizeof(*p));
	int ret = -ENOMEM;

	if (!p) {
		snprintf(err, err_size, "%s", strerror(ENOMEM));
		return ret;
	}
	p->engine = conf->engine;
	p->tag = plane_nft_tag_at(conf->ct_mark_mask);
	doors_init(&p->doors, &p->engine);
	ret = copy_networks(p, conf);
	if (ret) {
		snprintf(err, err_size, "%s", strerror(-ret));
		goto err_free;
	}
	ret = event_queue_init(&p->events);
	if (ret) {
		snprintf(err, err_size, "%s", strerror(-ret));
		goto err_networks;
	}
	ret = open_watch(p);
	if (ret) {
		refuse(ret, "netlink for queue", conf->queue, err, err_size);
		goto err_events;
	}
	ret = start_gate(p, conf, err, err_size);
	if (!ret)
		ret = start_ends(p, conf, err, err_size);
	if (!ret)
		ret = open_table(p, conf, err, err_size);
	if (ret)
		goto err_threads;
	ret = begin(p, conf, err, err_size);
	if (ret)
		goto err_table;
	open_seq(p);
	open_anchor(p);
	*out = p;
	return 0;

err_table:
	plane_nft_table_fini(&p->table);
err_threads:
	plane_nft_ends_free(p->ends);
	gate_free(p->gate);
	plane_nft_syns_free(p->syns);
	conntrack_close(p->ct);
	close_watch(p);
err_events:
	event_queue_fini(&p->events);
err_networks:
	free(p->networks);
err_free:
	doors_fini(&p->doors);
	free(p);
	return ret;
}

static int nft_adopt(struct plane *p, struct table **found)
{
	if (!p->table.adopted)
		return -ENOENT;
	*found = table_get(p->table.now);
	return 0;
}

/* Whoever is held altogether is suspect, or drained: it is ended in a moment if
 * it does not come back. */
static void expect_ends(struct plane *p, const struct route_set *routes)
{
	uint32_t tags[PLANE_NFT_EARLY_MAX];
	unsigned count =
		plane_nft_early_suspects(p->table.now, &p->table.held, routes,
					 tags, PLANE_NFT_EARLY_MAX);

	for (unsigned i = 0; i < count; i++)
		plane_nft_ends_expect(p->ends, tags[i], true);
}

/* A former occupant of their seats, who is lost, is expected still. */
static void expect_no_ends(struct plane *p, const struct route_set *routes)
{
	const struct table *t = p->table.now;
	uint16_t last = SEAT_NONE;

	for (uint32_t i = 0; i < routes->count; i++) {
		uint16_t seat = t->seat_of[routes->ids[i]];

		if (seat != last && t->seat[seat].tag)
			plane_nft_ends_expect(p->ends, t->seat[seat].tag,
					      false);
		last = seat;
	}
}

static int nft_hold(struct plane *p, const struct route_set *routes, bool on)
{
	int err;

	if (on)
		gate_hold(p->gate, routes, true);
	err = plane_nft_table_hold(&p->table, routes, on);
	if (!on || err)
		gate_hold(p->gate, routes, false);
	if (!on)
		expect_no_ends(p, routes);
	else if (!err)
		expect_ends(p, routes);
	return err;
}

/* The gate knows new doors before the kernel sends their packets there. */
static int nft_set_doors(struct plane *p, const struct engine_conf *conf,
			 char *err, unsigned err_size)
{
	struct engine_conf former = p->engine, to = p->engine;
	int ret;

	doors_copy(&to, conf);
	doors_set(&p->doors, &to);
	plane_nft_drift_begin_rewrite(&p->drift);
	ret = plane_nft_doors_change(&p->table, &to, err, err_size);
	if (ret) {
		claim_changes(p);
		doors_set(&p->doors, &former);
		return ret;
	}
	p->engine = to;
	nft_text_disown(p->anchor); /* it names doors, too */
	p->anchor = NULL;
	open_anchor(p);
	plane_nft_doors_tidy(&p->table, &former);
	claim_changes(p);
	if (plane_nft_ends_ask_gone(p->ends, &former))
		log_warn("flows of former doors not ended",
			 "error=\"out of memory\"");
	return 0;
}

static int nft_end_flows(struct plane *p, uint32_t tag,
			 const struct route_set *routes, bool forced)
{
	return plane_nft_ends_ask(p->ends, tag, routes, forced);
}

struct viewing {
	const struct plane *plane;
	const struct flow_query *query;
	struct flow_view *out;
	unsigned count, max;
};

/* conntrack tells how long an entry has left, not how long it has been idle. */
static bool view(void *arg, const struct conntrack_entry *c)
{
	struct viewing *v = arg;
	struct engine_door door =
		engine_door(&v->plane->engine, &c->door, c->protocol);
	uint32_t tag = plane_nft_tag_of(&v->plane->tag, c->mark);

	if (!door.found || !tag ||
	    (v->query->route && v->query->route != door.route))
		return true;
	v->out[v->count++] = (struct flow_view){
		.client = c->client,
		.route = door.route,
		.protocol = c->protocol,
		.service = (uint8_t)door.service,
		.tag = tag,
		.established =
			c->protocol == IPPROTO_TCP
				? c->assured &&
					  c->state == CONNTRACK_ESTABLISHED
				: c->answered,
	};
	return v->count < v->max;
}

/* Without a walk through all there are. */
static int find_one(struct plane *p, const struct flow_query *q,
		    struct viewing *v)
{
	const struct conntrack_entry wanted = { .client = q->client,
						.door = q->door,
						.protocol = q->protocol };
	int err = conntrack_find(p->ct, &wanted, 1, view, v);

	return err ? err : (int)v->count;
}

static int nft_flows(struct plane *p, const struct flow_query *q,
		     struct flow_view *out, unsigned max)
{
	struct conntrack_mark tag = { .value = q->tag << p->tag.shift };
	struct viewing v = { .plane = p, .query = q, .out = out, .max = max };
	int err;

	if (!max)
		return 0;
	if (q->client.port)
		return find_one(p, q, &v);
	if (q->tag)
		tag.mask = p->tag.mask;
	err = conntrack_list(p->ct, &tag, view, &v);
	return err ? err : (int)v.count;
}

static void add_counter(void *arg, const char *name, uint64_t packets)
{
	static const struct {
		const char *name;
		enum engine_reason reason;
	} counters[] = {
		{ "new_flows", REASON_NEW_FLOW },
		{ "flowless", REASON_RESET_FLOWLESS },
		{ "unserved", REASON_UNOWNED },
	};
	struct plane_stats *s = arg;

	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++)
		if (!strcmp(counters[i].name, name))
			s->engine.count[counters[i].reason] = packets;
}

static void add_threads(struct plane *p, struct plane_stats *s)
{
	struct plane_nft_ends_stats ends;
	struct plane_nft_syns_stats syns;
	uint64_t *count = s->engine.count;

	gate_add_stats(p->gate, s);
	plane_nft_ends_stats(p->ends, &ends);
	plane_nft_syns_stats(p->syns, &syns);
	s->journal_taken = syns.taken;
	s->journal_lost = syns.lost;
	count[REASON_REPLAYED] = ends.replayed;
	count[REASON_RESET_CLIENT] = ends.told_clients;
	count[REASON_RESET_NODE] = ends.told_nodes;
}

static void add_losses(const struct plane *p, struct plane_stats *s)
{
	struct nfq_counters c;

	if (nfq_counters(p->table.conf.queue, &c))
		return;
	s->lost_queue = c.lost_queue;
	s->lost_socket = c.lost_socket;
}

/* What the kernel offers, and what is done without what it lacks. */
static void describe(const struct plane *p, bool gone, char *out, unsigned size)
{
	bool nft = p->table.conf.how == RULES_NFT_QUEUE;
	const char *journal = "";

	if (!plane_nft_syns_is_fed(p->syns))
		journal = ", no SYN journal: kernel without NFLOG";
	else if (p->table.conf.unlogged)
		journal = ", no SYN journal: kernel without nft log";
	snprintf(out, size, "nft maps, holds by %s%s%s%s%s%s",
		 nft ? "nft queue" : "xt NFQUEUE", journal,
		 p->seq ? "" : ", clients told by SYN/ACK: ",
		 p->seq ? "" : p->no_seq,
		 p->anchor ? "" : ", no table that outlasts a flush",
		 gone ? " (table is gone)" : "");
}

static void add_room(struct plane_stats *s)
{
	struct conntrack_room room;

	if (conntrack_room(&room))
		return;
	s->conntrack_entries = room.entries;
	s->conntrack_max = room.max;
	s->conntrack_lost = room.dropped + room.evicted;
}

static int nft_stats(struct plane *p, struct plane_stats *out)
{
	struct plane_stats s = { .workers = 1 };
	int err = nft_read_counters(PLANE_NFT_TABLE, add_counter, &s);

	add_threads(p, &s);
	add_losses(p, &s);
	add_room(&s);
	describe(p, err, s.detail, sizeof(s.detail));
	*out = s;
	return 0;
}

static bool nft_is_alive(struct plane *p)
{
	return gate_has_turned(p->gate);
}

static int nft_event_fd(struct plane *p)
{
	return p->events.fd;
}

static void repair(struct plane *p, uint64_t since_ns, struct plane_event *out)
{
	int err = rebuild(p);

	*out = (struct plane_event){
		.type = PLANE_DRIFT,
		.ok = !err,
		.took_ns = clock_monotonic_ns() - since_ns,
	};
	if (err)
		log_error("table not repaired", "error=\"%s\"", strerror(-err));
}

static int nft_next_event(struct plane *p, struct plane_event *out)
{
	uint64_t drift_ns;

	/* first quiet, then look: what comes in between rings again */
	event_queue_quiet(&p->events);
	drift_ns = plane_nft_drift_take(&p->drift);
	if (drift_ns)
		repair(p, drift_ns, out);
	else if (!event_queue_pop(&p->events, out))
		return -EAGAIN;
	event_queue_wake(&p->events);
	return 0;
}

static void end_all_flows(const struct plane *p)
{
	struct conntrack_mark tag = { .mask = p->tag.mask };
	const struct table *t = p->table.now;

	for (unsigned s = 1; s <= t->seats; s++) {
		tag.value = t->seat[s].tag << p->tag.shift;
		if (tag.value && conntrack_delete_marked(p->ct, &tag))
			log_warn("flows not deleted", "tag=%u", t->seat[s].tag);
	}
}

static void nft_close(struct plane *p, bool flush)
{
	char err[128];

	if (flush && plane_nft_table_remove(err, sizeof(err)))
		log_error("table not removed", "error=\"%s\"", err);
	if (flush)
		end_all_flows(p);
	nft_text_disown(p->anchor);
	plane_nft_ends_free(p->ends);
	ct_seq_close(p->seq);
	gate_free(p->gate);
	plane_nft_syns_free(p->syns);
	plane_nft_table_fini(&p->table);
	conntrack_close(p->ct);
	close_watch(p);
	event_queue_fini(&p->events);
	free(p->networks);
	doors_fini(&p->doors);
	free(p);
}

const struct plane_ops plane_nft = {
	.name = "nft",
	.open = nft_open,
	.adopt = nft_adopt,
	.apply = nft_apply,
	.hold = nft_hold,
	.set_doors = nft_set_doors,
	.end_flows = nft_end_flows,
	.flows = nft_flows,
	.stats = nft_stats,
	.is_alive = nft_is_alive,
	.event_fd = nft_event_fd,
	.next_event = nft_next_event,
	.close = nft_close,
};
