/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the requests_*.c files share: one function a request, and the shapes
 * of errors and results. Not for the daemon: that is requests.h.
 */
#ifndef HALO_REQUESTS_IMPL_H
#define HALO_REQUESTS_IMPL_H

#include "requests.h"

/* Answers stay small so that no beat waits for them: haloctl asks again, from
 * the "next" of the answer. */
#define PAGE_NODES  256
#define PAGE_ROUTES 1024
#define PAGE_EVENTS 500
#define FLOWS_SHOWN 1000

/* The response, a new reference, or NULL: see requests_handle(). */
typedef json_t *request_fn(struct requests_context *ctx, json_t *args,
			   struct control_client *client);

request_fn request_status, request_stats, request_doctor, request_shutdown;
request_fn request_node_list, request_node_show, request_node_flows,
	request_node_drain,
	request_node_replace, request_node_undrain, request_node_fail,
	request_node_rm;
request_fn request_route_list, request_route_show, request_route_why,
	request_trace;
request_fn request_cluster_freeze, request_cluster_thaw;
request_fn request_monitor, request_history, request_config_reload;
request_fn request_table_dump, request_table_load;

struct request_error {
	const char *code; /* not-found, refused, usage, failed */
	const char *what; /* "cannot drain node" */
	const char *object, *why, *advice; /* object, advice may be NULL */
};
json_t *request_error(const struct request_error *error);
/* Members of args that are missing or of the wrong type. */
json_t *request_bad_args(const json_error_t *error);
json_t *request_no_memory(void);
/* {"schema":1} */
json_t *request_result(void);

/* One operator's event. NULL when it was done, else the error to answer. */
json_t *request_step(struct requests_context *ctx, const struct event *ev,
		     const char *what);
/* Handovers under way, of one node or (NULL) of all: [{from, to, routes, reason,
 * deadline_ms}, …], 32 at most. */
json_t *request_moves(struct requests_context *ctx, const struct node *only);
/* NULL and the error to answer when there is no such node. */
const struct node *request_find_node(struct requests_context *ctx,
				     const char *name, const char *what,
				     json_t **error);

#endif
