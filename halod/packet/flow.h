/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounded table of flows: found by the client's side of them, ordered by
 * idleness within each state. Knows no packets and no routes' owners: what a
 * flow means is the engine's.
 *
 * All memory is allocated at the start. Owned by one engine, one thread.
 */
#ifndef HALO_PACKET_FLOW_H
#define HALO_PACKET_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define FLOW_NONE UINT32_MAX

/* Its door is gone: the flow is about to be ended. */
#define SERVICE_GONE UINT8_MAX

/* A flow's last_ns is renewed once it is this old, not with every packet. */
#define FLOW_TOUCH_GRAIN_NS NS_PER_S

enum flow_state {
	FLOW_FREE,
	FLOW_SYN_SENT,
	FLOW_SYN_RECEIVED, /* SYN/ACK passed; the client has not answered it */
	FLOW_RELEARNED,	   /* by a client's segment; the node is yet silent */
	FLOW_ESTABLISHED,
	FLOW_CLOSING, /* a FIN or an exact RST was seen */
	FLOW_UDP_NEW, /* the node has not answered */
	FLOW_UDP,
	FLOW_STATES
};

/* The same in both directions: one virtual address a family, and the door's
 * port is kept on the node. No padding: compared and hashed as bytes. */
struct flow_key {
	struct addr client;
	uint8_t protocol;
	uint16_t client_port;
	uint16_t door_port;
};

enum flow_end { FLOW_CLIENT, FLOW_NODE, FLOW_ENDS };

/* What one end of a TCP flow has sent so far, RSTs aside. */
struct flow_sent {
	uint32_t end; /* highest seq + length: what the other end expects */
	uint32_t ack; /* highest ack: what this end expects */
	bool has_end, has_ack;
};

struct flow {
	struct flow_key key;
	uint16_t route;
	uint8_t service; /* index in engine_conf.services, or SERVICE_GONE */
	uint8_t state;	 /* enum flow_state */
	bool was_reset;	 /* an exact RST passed: both ends know */
	struct addr node;
	uint32_t tag; /* the node instance it belongs to */
	uint32_t syn; /* where its SYN is journalled; JOURNAL_NONE */
	struct flow_sent sent[FLOW_ENDS];
	uint64_t last_ns; /* of the last packet, within FLOW_TOUCH_GRAIN_NS */
	uint32_t chain;	  /* the table's from here on */
	uint32_t older, newer;
};

struct flow_table;

/* NULL: no memory. max ≥ 1. */
struct flow_table *flow_table_new(unsigned max, uint32_t seed);
void flow_table_free(struct flow_table *t);

struct flow *flow_find(const struct flow_table *t, const struct flow_key *key);

/* A new flow, zeroed but for key, state and time. The key must not be there,
 * the table not be full: evict first. */
struct flow *flow_add(struct flow_table *t, const struct flow_key *key,
		      enum flow_state state, uint64_t now_ns);
void flow_remove(struct flow_table *t, struct flow *f);

/* A packet of the flow passed; it is in that state now. */
void flow_touch(struct flow_table *t, struct flow *f, enum flow_state state,
		uint64_t now_ns);

bool flow_table_is_full(const struct flow_table *t);
unsigned flow_table_count(const struct flow_table *t);
unsigned flow_table_max(const struct flow_table *t);

/* Who gives way when the table is full: the idlest that never got anywhere or
 * is nearly over, so that a flood of SYNs only evicts itself; else the idlest
 * of all. NULL when the table is empty. */
struct flow *flow_victim(const struct flow_table *t);

/* A flow that has outlived its state's timeout; NULL: none. */
struct flow *flow_expired(const struct flow_table *t, uint64_t now_ns);

/* Walks by index: slots 0 … flow_table_span() - 1 are all that were ever used;
 * NULL: that one is free. Removing while walking is fine. */
uint32_t flow_table_span(const struct flow_table *t);
struct flow *flow_at(const struct flow_table *t, uint32_t index);
uint32_t flow_index(const struct flow_table *t, const struct flow *f);

/* Index of arrays with one address per family. */
static inline int flow_family(const struct flow *f)
{
	return f->key.client.af == AF_INET ? FAMILY_V4 : FAMILY_V6;
}

#endif
