/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control path: event → cluster_step() → new table + effects. A whole
 * cluster as a value: it names no clock, socket, disk or log; time, seed and
 * what happened come in, what to do comes out (control/effect.h).
 *
 * Sections 2, 3 and 5 of the design are all here and nowhere else.
 */
#ifndef HALO_CONTROL_CLUSTER_H
#define HALO_CONTROL_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "control/effect.h"
#include "control/node.h"
#include "table/table.h"
#include "wire/message.h"

struct cluster;
struct cluster_saved;

struct cluster_conf {
	unsigned routes;
	unsigned reserve;
	uint64_t interval_ns;
	unsigned miss;
	uint64_t settle_ns;	    /* joins are gathered */
	uint64_t move_grace_ns;	    /* a planned move's deadline */
	uint64_t rejoin_ns;	    /* agent away, server accepting */
	uint64_t hold_down_ns;	    /* quarantine, doubling … */
	uint64_t hold_down_max_ns;  /* … up to */
	uint64_t restart_grace_ns;  /* restored nodes may return */
	uint64_t drain_deadline_ns; /* default of `node drain`, 0: none */
	double panic;		    /* share that may vanish at once, 0.5 */
	struct door_ports doors; /* of services whose flows end with a move */
	bool keep; /* a service has handover = keep: a drained node's flows
		    * live on, the drain ends at its deadline */
};

enum event_type {
	EVENT_HELLO,	    /* link, hello (addresses already filled in) */
	EVENT_BEAT,	    /* link, beat */
	EVENT_MOVED_OK,	    /* link, id */
	EVENT_ASSIGNED_OK,  /* link, assigned_ok */
	EVENT_GOODBYE,	    /* link */
	EVENT_LINK_CLOSED,  /* link: FIN, RST or protocol error */
	EVENT_REVOKED,	    /* link: it ended, the key is not valid any more */
	EVENT_PROBED,	    /* tag, ok: answer to EFFECT_PROBE */
	EVENT_REFUSED,	    /* tag: a door of this instance refused a SYN */
	EVENT_APPLY_FAILED, /* version: the plane kept the former table */
	EVENT_FLOWS_GONE,   /* tag: no connection of the instance is left */
	EVENT_DRAIN,	    /* name, deadline_ns (relative, 0: default) */
	EVENT_REPLACE, /* name, by (takes its slot), rehearse: name is drained
			*/
	EVENT_UNDRAIN, /* name */
	EVENT_FAIL,    /* name */
	EVENT_RM,      /* name: forget a node that is not serving */
	EVENT_FREEZE,
	EVENT_THAW,
	EVENT_LOAD, /* saved, ok (live routes may move), rehearse: another
		     * gateway's table; its tags, frozen, moving are not used */
	EVENT_TICK, /* a deadline of cluster_deadline() has come */
};

struct event {
	enum event_type type;
	uint64_t link;
	uint32_t tag;
	uint64_t version;
	uint64_t deadline_ns;
	uint32_t id;
	bool ok;
	bool rehearse; /* only say whether it can be */
	const char *name, *by;
	union {
		const struct message_hello *hello;
		const struct message_beat *beat;
		const struct message_assigned_ok *assigned_ok;
		const struct cluster_saved *saved;
	};
};

/* What a store keeps and a restart brings back. Owned by the caller; names
 * are unique. */
struct cluster_saved_node {
	char name[NODE_NAME_MAX];
	uint32_t tag;
	uint64_t instance;
	struct addr addr[FAMILIES];
	enum node_state state;
	enum node_wish wish;
	uint16_t slot;	     /* 0: none */
	uint16_t reserve_at; /* 1 = head of the reserve queue; 0: not in it */
	uint32_t failures;
};

struct cluster_saved {
	uint64_t version;
	uint32_t next_tag;
	uint16_t routes, slots;
	bool frozen;
	uint32_t n_nodes;
	struct cluster_saved_node *nodes;
	uint32_t n_moving; /* routes that were between two nodes */
	uint16_t *moving;
};

struct cluster *cluster_new(const struct cluster_conf *conf, uint64_t now_ns);
void cluster_free(struct cluster *cl);

/* Before the first step: every serving node has restart_grace to return.
 * carried is what the plane still has, the caller's reference; NULL: nothing.
 * Whoever serves there goes on, and who sits in which slot is taken from the
 * newer of the two (section 8 of the design); what differs then moves by plan,
 * when the nodes are back or the grace is over. 0, -ENOMEM, -EINVAL
 * (contradicts itself, or is of other routes; cl is then empty as new).
 * Effects: APPLY of the restored table, PROBEs. */
int cluster_restore(struct cluster *cl, const struct cluster_saved *saved,
		    struct table *carried, uint64_t now_ns, struct effects *fx);
/* 0 or -ENOMEM. Free with cluster_saved_fini(). */
int cluster_save(const struct cluster *cl, struct cluster_saved *out);
void cluster_saved_fini(struct cluster_saved *saved);

/*
 * One event. Allocates before it changes anything: -ENOMEM leaves cl as it
 * was. Effects are appended to fx, to be carried out in order. Refusals of
 * operator's events change nothing and leave why in cluster_refusal():
 * -ENOENT (no such node), -EBUSY, -EALREADY, -EPERM (frozen), -EINVAL (a table
 * to be loaded contradicts itself).
 * A beat costs O(1) and allocates nothing.
 */
int cluster_step(struct cluster *cl, const struct event *ev, uint64_t now_ns,
		 struct effects *fx);
const char *cluster_refusal(const struct cluster *cl);

/* When an EVENT_TICK is due; TIME_NEVER: not before another event. */
uint64_t cluster_deadline(const struct cluster *cl);

/* Interval, miss, reserve, graces may change; routes may not: -EINVAL. Agents
 * are told a new interval by another WELCOME, and judged by the longer of both
 * until all must have heard of it. */
int cluster_reconf(struct cluster *cl, const struct cluster_conf *conf,
		   uint64_t now_ns, struct effects *fx);

/* Reading. All borrowed until the next step. */
const struct cluster_conf *cluster_conf(const struct cluster *cl);
const struct placement *cluster_placement(const struct cluster *cl);
struct table *cluster_table(const struct cluster *cl); /* last published */
bool cluster_is_frozen(const struct cluster *cl);
/* Restored a moment ago: no planned move begins yet. */
bool cluster_is_still(const struct cluster *cl);
/* Frozen by the panic guard: how many of how many vanished; else 0. */
unsigned cluster_panic(const struct cluster *cl, unsigned *of);
unsigned cluster_node_count(const struct cluster *cl);
const struct node *cluster_node_at(const struct cluster *cl, unsigned i);
const struct node *cluster_node_by_name(const struct cluster *cl,
					const char *name);
const struct node *cluster_node_by_tag(const struct cluster *cl, uint32_t tag);
const struct node *cluster_node_by_link(const struct cluster *cl,
					uint64_t link);

/* A route as it stands: exactly one of served, moving, unowned. */
struct route_view {
	uint16_t slot;		 /* owner in T(N, n), 0: none */
	const struct node *node; /* who serves it now; NULL: unowned */
	const struct node *to;	 /* moving to; NULL: not moving */
	enum move_reason reason; /* of the move, or of the last one */
	uint64_t deadline_ns;	 /* of the move */
	uint64_t since_version;	 /* the version that brought it to node */
};
void cluster_route(const struct cluster *cl, uint16_t route,
		   struct route_view *out);

#endif
