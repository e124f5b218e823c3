/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's side of the agent connections: listens, authenticates (TLS 1.3
 * PSK), frames. It knows nothing of nodes' states: it hands whole messages up
 * and sends what it is given.
 */
#ifndef HALO_IO_AGENTS_H
#define HALO_IO_AGENTS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/diag.h"
#include "conf/conf.h"
#include "wire/message.h"

struct agents;

struct agents_handler {
	/* A whole message of an authenticated peer. HELLO's name has been
	 * checked against the key, its addresses against the configuration
	 * (and filled in when it named none). m is borrowed. Called at most
	 * once per event-loop round per connection for HELLO; bounded work. */
	void (*message)(void *arg, uint64_t link, const struct message *m);
	/* After HELLO had been handed up: FIN, RST, protocol error, a peer that
	 * does not read, a key that is gone. Called from the event loop only,
	 * never from within a function below; not for agents_close_link(). */
	void (*closed)(void *arg, uint64_t link, const char *why);
	/* in place of closed(): its key was removed, or is another now */
	void (*revoked)(void *arg, uint64_t link);
	void *arg;
};

struct agents_stats {
	uint64_t accepted, refused, handshakes, handshake_failures,
		protocol_errors, beats;
	unsigned connections, authenticated;
};

/* -errno with a line for the operator in err. */
int agents_open(struct agents **out, struct ev_loop *loop,
		const struct conf *conf, const struct agents_handler *handler,
		char *err, unsigned err_size);
/* Link is unknown (already closed): nothing happens. A peer that does not
 * read is cut off when its bounded queue is full. */
void agents_send(struct agents *a, uint64_t link, const struct message *m);
/* After what was queued has gone out (at most 1 s). */
void agents_close_link(struct agents *a, uint64_t link);
/* Reads all that has arrived on every connection, delivering messages: called
 * before a node is declared dead for silence. */
void agents_drain_input(struct agents *a);

/* What another configuration changes here: keys, node-networks, virtual
 * addresses; read from disk by any thread. listen and auth are as before. 0 or
 * -errno with errors in diags. */
struct agents_change;
int agents_prepare(struct agents_change **out, const struct conf *conf,
		   struct diag_list *diags);
void agents_change_free(struct agents_change *c); /* NULL is fine */
/* Sessions of keys that are gone or others now are ended; addresses of those
 * that stay are judged when they connect again. */
void agents_apply(struct agents *a, struct agents_change *take_change);

/* Where it listens: the port, when 0 was asked for. 0 or -errno. */
int agents_endpoint(const struct agents *a, struct endpoint *out);
void agents_stats(const struct agents *a, struct agents_stats *out);
void agents_free(struct agents *a);

#endif
