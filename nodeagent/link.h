/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's connection to its gateway: connects, authenticates, carries
 * messages. When to connect and what to say is agent.h's.
 */
#ifndef HALO_NODEAGENT_LINK_H
#define HALO_NODEAGENT_LINK_H

#include <ev.h>
#include <stdint.h>

#include "io/tls.h"
#include "wire/message.h"

struct link;

struct link_handler {
	void (*connected)(void *arg);
	void (*message)(void *arg, const struct message *m); /* borrowed */
	/* Could not connect, or not any more. Not after link_close(). */
	void (*closed)(void *arg, const char *why);
	void *arg;
};

/* gateway: "host:port", "[v6]:port"; borrowed, like tls (NULL: plain). */
struct link *link_new(struct ev_loop *loop, const char *gateway,
		      const struct tls *tls, const struct link_handler *h);
/* -EINVAL with a line for the operator: gateway is not HOST:PORT */
int link_check_gateway(const char *gateway, char *err, unsigned err_size);
/* A name is resolved now, which blocks; an address is not. Of several addresses
 * each attempt takes the next, after one that worked the same. Never calls
 * closed() from within. */
void link_connect(struct link *l);
void link_send(struct link *l, const struct message *m);
/* The address it is connected from; unset when it is not. */
struct addr link_local_addr(const struct link *l);
/* Reads what has arrived, before somebody calls the gateway dead. */
void link_drain(struct link *l);
/* What was sent goes out first, as far as the socket takes it. */
void link_close(struct link *l);
void link_free(struct link *l);

#endif
