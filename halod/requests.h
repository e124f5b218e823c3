/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's side of haloctl: a table of requests, name → function, each
 * turning a JSON object into a JSON object. Independent of the transport (the
 * control socket) and of what carries effects out (the daemon).
 *
 * Request  {"cmd":"node.show","name":"web-1"}
 * Response {"schema":1, …} or {"schema":1,"error":{"code":"not-found|refused|
 *          usage|failed","what":…,"object":…,"why":…,"try":…}}
 */
#ifndef HALO_REQUESTS_H
#define HALO_REQUESTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "control/cluster.h"
#include "io/agents.h"
#include "io/control_socket.h"
#include "io/store.h"
#include "packet/engine.h"
#include "plane/plane.h"

#define REQUESTS_SCHEMA	    1
#define REQUESTS_RECENT_MAX 128 /* events kept for `monitor --since` */

/* A client of `node drain --wait`, answered by requests_note(). */
struct requests_waiter {
	struct control_client *client; /* NULL: free */
	char node[NODE_NAME_MAX];
};

/*
 * What requests may read and do. All but the last part is set by the daemon
 * and borrowed; table, plane, store and agents may be NULL.
 */
struct requests_context {
	void *arg; /* of the functions below */
	const struct conf *conf;
	struct cluster *cluster;
	struct table *table; /* what the plane carries */
	const struct plane_ops *plane_ops;
	const char *plane_why; /* it is that one; or NULL */
	struct plane *plane;
	struct store *store;
	const char *store_error; /* why there is no store; or NULL */
	struct agents *agents;
	const uint64_t *drifts; /* of the plane's rules; or NULL */
	uint64_t start_ns;
	const char *const *warnings; /* for status; NULL-terminated, or NULL */
	const char *no_realtime;     /* what profile fast lacks; or "" */
	const char *reload_error;    /* why the file is not in force; or "" */

	uint64_t (*now_ns)(void); /* CLOCK_MONOTONIC */
	/* cluster_step() and its effects carried out; its return value */
	int (*step)(void *arg, const struct event *ev);
	/* takes effect after the response has been written */
	void (*shutdown)(void *arg, bool flush);
	/* answered later; or -errno, and it is not */
	int (*reload)(void *arg, struct control_client *client);
	/* a client that reload() knows went away */
	void (*forget)(void *arg, struct control_client *client);

	/* requests' own; zero at start */
	struct requests_waiter waiting[CONTROL_CLIENTS_MAX];
	json_t *recent[REQUESTS_RECENT_MAX]; /* by seq modulo the size */
};

/*
 * The response, a new reference; NULL when it comes later (drain --wait) or as
 * a stream (monitor). client may be NULL in tests: then nothing comes later.
 */
json_t *requests_handle(struct requests_context *ctx, json_t *request,
			struct control_client *client);

/* The same of a client that may look, not act. */
json_t *requests_read(struct requests_context *ctx, json_t *request,
		      struct control_client *client);

/* Called for each note, in order: remembers it for `monitor --since` and
 * answers drains that waited. Publishing it is the daemon's: it gets
 * what requests_event() makes of it, borrowed until the next; NULL: no memory.
 */
json_t *requests_note(struct requests_context *ctx,
		      const struct store_event *event);
/* The client went away: it is not answered any more. */
void requests_gone(struct requests_context *ctx, struct control_client *client);
/* Frees what requests kept, not the context. */
void requests_fini(struct requests_context *ctx);

/*
 * One event as monitor and history show it, a new reference: schema, seq,
 * time (RFC 3339, ms, UTC), kind, node, from, to, reason, version, slot, ms,
 * why, event (what brought a move about), applied_us, first_packet_us, count,
 * routes as [[first,last],…] (at most 1024 ranges). Always the same members;
 * null where there is nothing to say.
 */
json_t *requests_event(const struct store_event *event);

#endif
