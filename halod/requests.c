// SPDX-License-Identifier: GPL-2.0-or-later
#include "requests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "requests_impl.h"
#include "view.h"

#define EVENT_RANGES_MAX 1024

static const struct request_row {
	const char *name;
	request_fn *run;
	bool reads; /* and changes nothing: for everybody */
} requests[] = {
	{ "status", request_status, true },
	{ "doctor", request_doctor, true },
	{ "stats", request_stats, true },
	{ "shutdown", request_shutdown, false },
	{ "node.list", request_node_list, true },
	{ "node.show", request_node_show, true },
	{ "node.flows", request_node_flows, true },
	{ "node.drain", request_node_drain, false },
	{ "node.replace", request_node_replace, false },
	{ "node.undrain", request_node_undrain, false },
	{ "node.fail", request_node_fail, false },
	{ "node.rm", request_node_rm, false },
	{ "route.list", request_route_list, true },
	{ "route.show", request_route_show, true },
	{ "route.why", request_route_why, true },
	{ "trace", request_trace, true },
	{ "cluster.freeze", request_cluster_freeze, false },
	{ "cluster.thaw", request_cluster_thaw, false },
	{ "table.dump", request_table_dump, true },
	{ "table.load", request_table_load, false },
	{ "config.reload", request_config_reload, false },
	{ "monitor", request_monitor, true },
	{ "history", request_history, true },
};

json_t *request_result(void)
{
	return json_pack("{s:i}", "schema", REQUESTS_SCHEMA);
}

json_t *request_error(const struct request_error *error)
{
	return json_pack("{s:i, s:{s:s, s:s, s:s?, s:s, s:s?}}", "schema",
			 REQUESTS_SCHEMA, "error", "code", error->code, "what",
			 error->what, "object", error->object, "why",
			 error->why, "try", error->advice);
}

json_t *request_bad_args(const json_error_t *error)
{
	return request_error(&(struct request_error){
		.code = "usage",
		.what = "cannot read the request",
		.why = error->text,
	});
}

json_t *request_no_memory(void)
{
	return request_error(&(struct request_error){
		.code = "failed",
		.what = "cannot answer",
		.why = "halod is out of memory",
	});
}

const struct node *request_find_node(struct requests_context *ctx,
				     const char *name, const char *what,
				     json_t **error)
{
	const struct node *n = cluster_node_by_name(ctx->cluster, name);

	if (!n)
		*error = request_error(&(struct request_error){
			.code = "not-found",
			.what = what,
			.object = name,
			.why = "no node has this name",
			.advice = "haloctl node list",
		});
	return n;
}

static void advise(const struct event *ev, int err, char *out, unsigned size)
{
	if (err == -EPERM)
		snprintf(out, size, "haloctl cluster thaw");
	else if (ev->type == EVENT_RM && err == -EBUSY)
		snprintf(out, size, "haloctl node drain %s --wait", ev->name);
	else if (ev->name)
		snprintf(out, size, "haloctl node show %s", ev->name);
	else
		snprintf(out, size, "haloctl status");
}

json_t *request_step(struct requests_context *ctx, const struct event *ev,
		     const char *what)
{
	char advice[NODE_NAME_MAX + 40];
	const char *why;
	int err = ctx->step(ctx->arg, ev);
	struct request_error error = { .code = "refused",
				       .what = what,
				       .object = ev->name };

	if (!err)
		return NULL;
	why = cluster_refusal(ctx->cluster);
	if (err == -ENOENT)
		error.code = "not-found";
	else if (err == -ENOMEM)
		error.code = "failed";
	error.why = why && *why ? why : strerror(-err);
	advise(ev, err, advice, sizeof(advice));
	error.advice = advice;
	return request_error(&error);
}

static json_t *unknown(const char *cmd)
{
	return request_error(&(struct request_error){
		.code = "usage",
		.what = "cannot serve the request",
		.object = cmd,
		.why = "this halod does not know it",
		.advice = "haloctl --version",
	});
}

static json_t *only_reads(const char *cmd)
{
	return request_error(&(struct request_error){
		.code = "refused",
		.what = "cannot serve the request",
		.object = cmd,
		.why = "this socket is for requests that change nothing",
		.advice = "run haloctl as root, or as a member of the group of "
			  "halod's control socket",
	});
}

/* NULL and the error to answer when it is none. */
static const struct request_row *find_row(json_t *request, json_t **error)
{
	json_error_t bad;
	const char *cmd;

	if (json_unpack_ex(request, &bad, 0, "{s:s}", "cmd", &cmd)) {
		*error = request_bad_args(&bad);
		return NULL;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!strcmp(requests[i].name, cmd))
			return &requests[i];
	}
	*error = unknown(cmd);
	return NULL;
}

json_t *requests_handle(struct requests_context *ctx, json_t *request,
			struct control_client *client)
{
	json_t *error;
	const struct request_row *row = find_row(request, &error);

	return row ? row->run(ctx, request, client) : error;
}

json_t *requests_read(struct requests_context *ctx, json_t *request,
		      struct control_client *client)
{
	json_t *error;
	const struct request_row *row = find_row(request, &error);

	if (row && !row->reads)
		return only_reads(row->name);
	return row ? row->run(ctx, request, client) : error;
}

json_t *requests_event(const struct store_event *event)
{
	const struct note *n = &event->note;
	bool moves = n->kind == NOTE_MOVING || n->kind == NOTE_MOVED;

	return json_pack(
		"{s:i, s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:o, "
		"s:o, s:o, s:o, s:I, s:o}",
		"schema", REQUESTS_SCHEMA, "seq", (json_int_t)event->seq,
		"time", view_time(event->time_ms), "kind",
		note_kind_name(n->kind), "node", view_string(n->node), "from",
		view_string(n->from), "to", view_string(n->to), "reason",
		view_string(moves ? move_reason_name(n->reason) : NULL),
		"version", (json_int_t)n->version, "slot", view_number(n->slot),
		"ms", (json_int_t)n->ms, "why", view_string(n->why), "event",
		view_string(n->event), "applied_us",
		view_number(event->applied_us), "first_packet_us",
		view_number(event->first_us), "count",
		(json_int_t)n->routes.count, "routes",
		view_ranges(&n->routes, EVENT_RANGES_MAX));
}

static json_t *drain_answer(const struct requests_waiter *w,
			    const struct note *note)
{
	char why[160], advice[NODE_NAME_MAX + 40];
	json_t *result;

	if (note->kind == NOTE_DRAINED) {
		result = request_result();
		view_add(result, json_pack("{s:s, s:s, s:b}", "node", w->node,
					   "state", "drained", "done", 1));
		return result;
	}
	snprintf(advice, sizeof(advice), "haloctl node show %s", w->node);
	snprintf(why, sizeof(why), "it is %s%s%s", note_kind_name(note->kind),
		 *note->why ? ": " : "", note->why);
	return request_error(&(struct request_error){
		.code = "failed",
		.what = "gave up waiting for the drain of node",
		.object = w->node,
		.why = why,
		.advice = advice,
	});
}

static void answer_waiting(struct requests_context *ctx,
			   const struct note *note)
{
	if (note->kind != NOTE_DRAINED && note->kind != NOTE_LOST &&
	    note->kind != NOTE_REMOVED && note->kind != NOTE_UNDRAINED)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(ctx->waiting); i++) {
		struct requests_waiter *w = &ctx->waiting[i];

		if (!w->client || strcmp(w->node, note->node))
			continue;
		control_reply(w->client, drain_answer(w, note));
		w->client = NULL;
	}
}

json_t *requests_note(struct requests_context *ctx,
		      const struct store_event *event)
{
	json_t **slot = &ctx->recent[event->seq % ARRAY_SIZE(ctx->recent)];

	json_decref(*slot);
	*slot = requests_event(event);
	answer_waiting(ctx, &event->note);
	return *slot;
}

void requests_gone(struct requests_context *ctx, struct control_client *client)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ctx->waiting); i++) {
		if (ctx->waiting[i].client == client)
			ctx->waiting[i].client = NULL;
	}
	if (ctx->forget)
		ctx->forget(ctx->arg, client);
}

void requests_fini(struct requests_context *ctx)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ctx->recent); i++) {
		json_decref(ctx->recent[i]);
		ctx->recent[i] = NULL;
	}
}
