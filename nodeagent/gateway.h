/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One gateway that the node registers with: its connection, what is decided
 * about it (agent.h), and the ends of connections that come through it. What
 * the node is told, and its checks, are the session's: the same for all.
 */
#ifndef HALO_NODEAGENT_GATEWAY_H
#define HALO_NODEAGENT_GATEWAY_H

#include <ev.h>

#include "agent.h"
#include "io/tls.h"
#include "options.h"

struct gateway;

struct gateway_handler {
	/* e is borrowed */
	void (*event)(void *arg, struct gateway *g,
		      const struct agent_event *e);
	void (*pace)(void *arg); /* it wants beats at another interval */
	/* Whether connections at the port belong to another gateway, too. */
	bool (*is_shared)(void *arg, const struct gateway *g, uint16_t port,
			  uint16_t route);
	void (*gone)(void *arg); /* it was left; nothing is told any more */
	void *arg;
};

struct gateway_conf {
	const char *at; /* HOST:PORT */
	unsigned index; /* which of the session's */
	uint64_t instance;
	bool cuts;
	const struct options *options; /* borrowed, like all here */
	const struct tls *tls;	       /* NULL: plain */
};

/* 0 or -errno. */
int gateway_open(struct gateway **out, struct ev_loop *loop,
		 const struct gateway_conf *conf,
		 const struct gateway_handler *h);
void gateway_start(struct gateway *g);
void gateway_health(struct gateway *g, enum node_health health);
/* The clients of the handover were told. */
void gateway_done(struct gateway *g, uint32_t id);
void gateway_leave(struct gateway *g);
const char *gateway_name(const struct gateway *g);
unsigned gateway_index(const struct gateway *g);
uint64_t gateway_interval_ns(const struct gateway *g); /* 0: not told yet */
/* Whether a connection at the port may have come through it. Until it has named
 * its doors they may be any: then the other's route counts as its own. */
bool gateway_serves(const struct gateway *g, uint16_t port, uint16_t route);
void gateway_free(struct gateway *g);

#endif
