/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data path in user space: a packet's bytes → flow → lookup → rewrite →
 * verdict. One engine belongs to one worker thread; it owns that worker's flow
 * table and held SYNs. It names no socket and no clock: bytes and time come
 * in, verdicts and crafted packets go out through struct engine_sink.
 */
#ifndef HALO_PACKET_ENGINE_H
#define HALO_PACKET_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/units.h"
#include "base/route_set.h"
#include "table/table.h"

struct engine;

struct engine_service {
	char name[NODE_NAME_MAX];
	uint16_t listen;  /* route r's door is port listen + r - 1 */
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	bool keep;	  /* handover = keep: planned moves leave flows be */
};

/* What the plane nft alone can do for a service. */
struct engine_nat {
	uint16_t node_port; /* the port on the node; 0: the door's */
	bool snat; /* nodes see the gateway instead of their neighbours */
};

struct engine_conf {
	uint16_t routes;
	struct addr vip[FAMILIES]; /* unset: that family is not served */
	unsigned n_services;
	struct engine_service services[SERVICES_MAX];
	struct engine_nat nat[SERVICES_MAX]; /* of each */
	unsigned flows_max; /* bounded: beyond it the idlest half-open, then
			     * the idlest flow gives way, counted */
	unsigned held_max;
	/* a new connection that has waited for so long is refused */
	uint64_t no_node_hold_ns;
	uint64_t now_ns;
	uint32_t seed; /* of the flow hash */
};

/* FROM_NODE is only for packets of the nodes' networks: a mid-stream segment
 * from a door's port is answered by a reset unless its flow is known. */
enum packet_direction {
	FROM_CLIENT, /* seen in prerouting: to a door or ICMP to the VIP */
	FROM_NODE,   /* seen in postrouting: from a node's door, or ICMP about
		      * a packet that was sent to one (the gateway's too) */
};

struct packet {
	uint8_t *data; /* starts at the IP header; rewritten in place */
	uint32_t len;  /* of data */
	uint32_t cut;  /* bytes behind data that were not copied; more than
			* HELD_DATAGRAM_MAX were. Only where by_mark is set */
	bool by_mark;  /* the plane can have the address rewritten for it */
	uint32_t mark; /* VERDICT_MARK: what it has to be given */
	enum packet_direction direction;
	bool csum_not_ready; /* TCP/UDP checksum holds the pseudo header only */
	bool gso;	     /* kernel will segment and complete checksums */
	uint32_t id;	     /* the queue's, for held packets */
};

enum verdict {
	VERDICT_ACCEPT,	 /* unchanged */
	VERDICT_REWRITE, /* accept with data as it is now (same length) */
	VERDICT_MARK,	 /* accept; the mark stands for the new address */
	VERDICT_DROP,
	VERDICT_HOLD, /* engine answers later by sink->settle */
};

/* One counter each in engine_stats.count[]; names by engine_reason_name(). */
enum engine_reason {
	REASON_CLIENT_TO_NODE, /* rewritten, known flow */
	REASON_NODE_TO_CLIENT,
	REASON_NEW_FLOW,
	REASON_RELEARNED, /* mid-stream after a restart, route unmoved */
	REASON_ICMP_TO_NODE,
	REASON_ICMP_TO_CLIENT,
	REASON_ICMP_UNRELATED, /* accepted as it was */
	REASON_NOT_OURS,       /* accepted as it was */
	REASON_HELD,
	REASON_RELEASED,
	REASON_HELD_DUPLICATE,	/* the same waits already: dropped */
	REASON_HELD_FULL,	/* dropped */
	REASON_REPLAYED,	/* SYN sent into a dead node, sent again */
	REASON_REFUSAL_HELD,	/* RST in answer to a SYN, while we look */
	REASON_REFUSAL_PASSED,	/* on to the client, late */
	REASON_REFUSAL_AVERTED, /* dropped: another node serves the SYN */
	REASON_REFUSAL_FULL,	/* no room to hold it: passed on at once */
	REASON_RESET_CLIENT,
	REASON_RESET_NODE,
	REASON_RESET_FLOWLESS, /* mid-stream without a flow, answered */
	REASON_STALE_FLOW,     /* flow of an instance that no longer serves */
	REASON_UNOWNED,	       /* no node: answered by RST / ICMP, dropped */
	REASON_FAMILY,	       /* node has no address of this family */
	REASON_FLOWS_FULL,     /* an old flow gave way */
	REASON_SHORT,	       /* truncated header, dropped */
	REASON_BAD_LENGTH,     /* lengths contradict, dropped */
	REASON_FRAGMENT,       /* any that nf_defrag has not joined: dropped */
	REASON_BAD_HEADER,     /* version, IHL, extension chain, TCP offset */
	ENGINE_REASONS
};

struct engine_stats {
	uint64_t count[ENGINE_REASONS];
	uint64_t flows, flows_max;
	uint64_t held; /* packets that wait, refusals included */
};

/* What the engine does besides answering. Called from inside engine calls, on
 * the same thread; data is borrowed for the call. */
struct engine_sink {
	/* a whole IP packet, checksums complete, to be sent as it is */
	void (*send)(void *arg, const uint8_t *data, size_t len);
	/* the verdict of a packet that was held; data (len) for REWRITE */
	void (*settle)(void *arg, uint32_t id, enum verdict verdict,
		       const uint8_t *data, size_t len);
	/* a node's door answers SYNs by RST. The RSTs are held for 250 ms, in
	 * which engine_end_flows() may send the SYNs to another node; told
	 * again every 10 ms while it goes on */
	void (*refused)(void *arg, uint32_t tag, uint16_t route);
	/* the mark that has a packet's destination rewritten to this node's
	 * address; node NULL: its source to the doors'. 0: there is none. NULL:
	 * there are no marks */
	uint32_t (*mark_of)(void *arg, const struct addr *node);
	void *arg;
};

/* NULL: no memory. Allocates all it will ever need. */
struct engine *engine_new(const struct engine_conf *conf,
			  const struct engine_sink *sink);
void engine_free(struct engine *e);

/* Takes its own reference; the table has conf.routes routes. Until the first
 * one packets of doors are dropped without an answer. From here on no flow of
 * an atomic service is served by an instance that the table does not name for
 * its route. A route that changed its node is never relearned again. */
void engine_set_table(struct engine *e, struct table *t);
/* Routes whose mid-stream packets may found a flow anew (after a restart).
 * Replaces the former set: an empty one ends the time of relearning. */
void engine_set_relearn(struct engine *e, const struct route_set *routes);

/*
 * Other addresses and services from here on; all else of conf is not looked at.
 * Flows of doors that lead to the same route as before go on; the others are
 * ended in the background, both sides told: call engine_end_flows_more() until
 * it is true.
 */
void engine_set_doors(struct engine *e, const struct engine_conf *conf,
		      uint64_t now_ns);

enum verdict engine_packet(struct engine *e, struct packet *p, uint64_t now_ns);

/* SYNs (UDP: packets without a flow) to these routes wait. */
void engine_hold(struct engine *e, const struct route_set *routes);
/* Held ones are looked up anew, rewritten and settled. */
void engine_release(struct engine *e, const struct route_set *routes,
		    uint64_t now_ns);

/*
 * Ends flows of an instance: both sides of established ones are reset (only
 * the client's when forced: the node is dead), SYNs that are unanswered are
 * replayed to the route's node of now, UDP flows vanish. count 0: all routes.
 * The table that names the new nodes must have been set before.
 * Planned ends (!forced) leave services with keep alone.
 * Bounded work: looks at up to `budget` flows; true when it is finished, else
 * call engine_end_flows_more(). A second call while one runs queues up.
 */
bool engine_end_flows(struct engine *e, uint32_t tag,
		      const struct route_set *routes, bool forced,
		      unsigned budget, uint64_t now_ns);
bool engine_end_flows_more(struct engine *e, unsigned budget, uint64_t now_ns);

/* Expiry of flows in small steps, and of held refusals: call about every
 * 100 ms. */
void engine_expire(struct engine *e, unsigned budget, uint64_t now_ns);

void engine_stats(const struct engine *e, struct engine_stats *out);
const char *engine_reason_name(enum engine_reason reason);

/* `haloctl route show`, `node show`: at most max flows that match. */
struct flow_view {
	struct endpoint client;
	uint16_t route;
	uint8_t protocol;
	uint8_t service;
	uint32_t tag;
	bool established;
	uint64_t idle_ns;
};
struct flow_query {
	uint16_t route; /* 0: any */
	uint32_t tag;	/* 0: any */
	/* One flow alone, which is found at once; client's port 0: any. */
	struct endpoint client, door;
	uint8_t protocol;
};
unsigned engine_flows(const struct engine *e, const struct flow_query *q,
		      struct flow_view *out, unsigned max, uint64_t now_ns);

/* `haloctl trace`: what a new packet to that door would meet, in words. */
struct engine_door {
	bool found;
	uint16_t route;
	unsigned service;
};
struct engine_door engine_door(const struct engine_conf *conf,
			       const struct endpoint *dst, uint8_t protocol);

#endif
