// SPDX-License-Identifier: GPL-2.0-or-later
/* status, stats, doctor, shutdown, reload, cluster freeze and thaw */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/host.h"
#include "requests_impl.h"
#include "view.h"

#define CONNTRACK_FULL_PERCENT 95 /* new connections begin to fail */

static json_t *services_view(const struct conf *conf)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < conf->n_services; i++) {
		const struct conf_service *s = &conf->services[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:i, s:i, s:o, s:b, s:s}", "name",
				  s->name, "protocol",
				  s->protocol == IPPROTO_UDP ? "udp" : "tcp",
				  "first_port", s->listen, "last_port",
				  s->listen + (int)conf->routes - 1,
				  "node_port", view_number(s->node_port),
				  "snat", s->snat, "handover",
				  s->handover == HANDOVER_KEEP ? "keep"
							       : "atomic"));
	}
	return list;
}

/* Every state, also those nobody is in: one shape. */
static json_t *states_view(const struct cluster *cl)
{
	unsigned count[NODE_STATES] = { 0 };
	json_t *states = json_object();

	for (unsigned i = 0; i < cluster_node_count(cl); i++)
		count[cluster_node_at(cl, i)->state]++;
	for (unsigned i = 0; i < NODE_STATES; i++)
		json_object_set_new(states, node_state_name(i),
				    json_integer(count[i]));
	return states;
}

static json_t *table_view(const struct cluster *cl)
{
	const struct placement *p = cluster_placement(cl);
	unsigned moving = 0, unowned = 0;
	struct route_view view;

	for (unsigned r = 1; r <= placement_routes(p); r++) {
		cluster_route(cl, (uint16_t)r, &view);
		moving += view.to != NULL;
		unowned += !view.node;
	}
	return json_pack("{s:I, s:i, s:i, s:i, s:i, s:i}", "version",
			 (json_int_t)cluster_table(cl)->version, "routes",
			 (int)placement_routes(p), "slots",
			 (int)placement_slots(p), "reserve",
			 (int)placement_reserves(p), "moving", (int)moving,
			 "unowned", (int)unowned);
}

static json_t *agents_view(const struct agents *agents)
{
	struct agents_stats s = { 0 };

	if (agents)
		agents_stats(agents, &s);
	return json_pack(
		"{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "connections",
		(int)s.connections, "authenticated", (int)s.authenticated,
		"accepted", (json_int_t)s.accepted, "refused",
		(json_int_t)s.refused, "handshakes", (json_int_t)s.handshakes,
		"handshake_failures", (json_int_t)s.handshake_failures,
		"protocol_errors", (json_int_t)s.protocol_errors, "beats",
		(json_int_t)s.beats);
}

static json_t *losses_view(const struct plane_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "conntrack_entries", (json_int_t)s->conntrack_entries,
			 "conntrack_max", (json_int_t)s->conntrack_max,
			 "conntrack_lost", (json_int_t)s->conntrack_lost,
			 "lost_queue", (json_int_t)s->lost_queue, "lost_socket",
			 (json_int_t)s->lost_socket, "failed",
			 (json_int_t)s->failed, "journal_taken",
			 (json_int_t)s->journal_taken, "journal_lost",
			 (json_int_t)s->journal_lost);
}

static json_t *plane_view(struct requests_context *ctx)
{
	struct plane_stats s = { 0 };
	json_t *view;

	if (ctx->plane)
		ctx->plane_ops->stats(ctx->plane, &s);
	view = json_pack(
		"{s:s, s:o, s:s, s:i, s:I, s:I, s:I, s:I, s:I}", "name",
		ctx->plane_ops ? ctx->plane_ops->name : "none", "why",
		view_string(ctx->plane_why), "detail", s.detail, "workers",
		(int)s.workers, "flows", (json_int_t)s.engine.flows,
		"flows_max", (json_int_t)s.engine.flows_max, "held",
		(json_int_t)s.engine.held, "queued", (json_int_t)s.queued,
		"batches", (json_int_t)s.batches);
	view_add(view, losses_view(&s));
	view_add(view, json_pack("{s:I}", "held_full",
				 (json_int_t)s.engine.count[REASON_HELD_FULL]));
	return view;
}

static json_t *store_view(struct requests_context *ctx)
{
	char text[200] = "";
	uint64_t lost = 0;
	int health = 0;

	if (ctx->store)
		health = store_health(ctx->store, text, sizeof(text), &lost);
	else
		snprintf(text, sizeof(text), "%s",
			 ctx->store_error ? ctx->store_error : "there is none");
	return json_pack(
		"{s:b, s:o, s:I, s:I}", "healthy", ctx->store && !health,
		"error", view_string(health || !ctx->store ? text : NULL),
		"lost", (json_int_t)lost, "seq",
		(json_int_t)(ctx->store ? store_last_seq(ctx->store) : 0));
}

__attribute__((format(printf, 2, 3))) static void complain(json_t *list,
							   const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_string(text));
}

static void complain_of_conntrack(json_t *list, json_t *plane)
{
	json_int_t entries = 0, max = 0, lost = 0;

	json_unpack(plane, "{s:I, s:I, s:I}", "conntrack_entries", &entries,
		    "conntrack_max", &max, "conntrack_lost", &lost);
	if (max && entries * 100 >= max * CONNTRACK_FULL_PERCENT)
		complain(list,
			 "conntrack is full: %lld of %lld entries, %lld new "
			 "connections lost so far; established ones go on; "
			 "try sysctl -w net.netfilter.nf_conntrack_max=%lld",
			 (long long)entries, (long long)max, (long long)lost,
			 (long long)(2 * max));
}

static void complain_of_held(json_t *list, json_t *plane)
{
	json_int_t full = 0;

	json_unpack(plane, "{s:I}", "held_full", &full);
	if (full)
		complain(
			list,
			"no room for new connections that had to wait, so far: "
			"%lld; they try again by themselves; a larger "
			"nfqueue.held holds more",
			(long long)full);
}

static unsigned count_diverged(const struct cluster *cl)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cluster_node_count(cl); i++)
		n += cluster_node_at(cl, i)->diverged;
	return n;
}

static const char *frozen_by(const struct cluster *cl)
{
	unsigned of;

	cluster_panic(cl, &of);
	if (of)
		return "panic guard";
	return cluster_is_frozen(cl) ? "operator" : NULL;
}

static json_t *degraded_view(struct requests_context *ctx, json_t *plane,
			     json_t *store)
{
	json_int_t lost_queue = 0, lost_socket = 0;
	const char *error;
	json_t *list = json_array();
	unsigned of, vanished = cluster_panic(ctx->cluster, &of);

	error = json_string_value(json_object_get(store, "error"));
	json_unpack(plane, "{s:I, s:I}", "lost_queue", &lost_queue,
		    "lost_socket", &lost_socket);
	if (error)
		complain(list, "state is not stored: %s", error);
	if (vanished)
		complain(list,
			 "panic: %u of %u agents vanished at once; the table "
			 "is frozen",
			 vanished, of);
	else if (cluster_is_frozen(ctx->cluster))
		complain(list, "the table is frozen: no node is replaced");
	if (count_diverged(ctx->cluster))
		complain(list,
			 "agents that believe to serve other routes than they "
			 "do: %u",
			 count_diverged(ctx->cluster));
	if (lost_queue + lost_socket)
		complain(list, "packets lost before a worker: %lld",
			 (long long)(lost_queue + lost_socket));
	complain_of_conntrack(list, plane);
	complain_of_held(list, plane);
	if (ctx->no_realtime && *ctx->no_realtime)
		complain(list, "%s", ctx->no_realtime);
	if (ctx->reload_error && *ctx->reload_error)
		complain(list, "the configuration file is not in force: %s",
			 ctx->reload_error);
	for (unsigned i = 0; ctx->warnings && ctx->warnings[i]; i++)
		complain(list, "%s", ctx->warnings[i]);
	return list;
}

static json_t *panic_view(const struct cluster *cl)
{
	unsigned of, vanished = cluster_panic(cl, &of);

	return vanished ? json_pack("{s:i, s:i}", "vanished", (int)vanished,
				    "of", (int)of)
			: json_null();
}

/* What is unsettled, and what holds it up. */
static json_t *unsettled_view(struct requests_context *ctx)
{
	return json_pack("{s:o, s:o, s:i, s:I}", "frozen_by",
			 view_string(frozen_by(ctx->cluster)), "moves",
			 request_moves(ctx, NULL), "diverged",
			 (int)count_diverged(ctx->cluster), "drifts",
			 (json_int_t)(ctx->drifts ? *ctx->drifts : 0));
}

json_t *request_status(struct requests_context *ctx, json_t *args,
		       struct control_client *client)
{
	uint64_t up_ns = ctx->now_ns() - ctx->start_ns;
	json_t *result = request_result();
	json_t *plane = plane_view(ctx), *store = store_view(ctx);
	json_t *degraded = degraded_view(ctx, plane, store);

	view_add(result,
		 json_pack("{s:s, s:i, s:I, s:o, s:o, s:o, s:o, s:o}",
			   "version", HALO_VERSION, "pid", (int)getpid(),
			   "uptime_ms", (json_int_t)(up_ns / NS_PER_MS),
			   "degraded", degraded, "plane", plane, "table",
			   table_view(ctx->cluster), "vip",
			   view_addrs(ctx->conf->vip), "services",
			   services_view(ctx->conf)));
	view_add(result, json_pack("{s:o, s:i, s:b, s:o, s:o, s:o}", "nodes",
				   states_view(ctx->cluster), "reserve_wanted",
				   (int)ctx->conf->reserve, "frozen",
				   cluster_is_frozen(ctx->cluster), "panic",
				   panic_view(ctx->cluster), "agents",
				   agents_view(ctx->agents), "store", store));
	view_add(result, unsettled_view(ctx));
	return result;
}

json_t *request_stats(struct requests_context *ctx, json_t *args,
		      struct control_client *client)
{
	json_t *result = request_result(), *packets = json_array();
	struct plane_stats s = { 0 };

	if (ctx->plane)
		ctx->plane_ops->stats(ctx->plane, &s);
	for (unsigned i = 0; i < ENGINE_REASONS; i++)
		json_array_append_new(packets,
				      json_pack("{s:s, s:I}", "reason",
						engine_reason_name(i), "count",
						(json_int_t)s.engine.count[i]));
	view_add(result, json_pack("{s:o, s:o, s:o}", "plane", plane_view(ctx),
				   "packets", packets, "agents",
				   agents_view(ctx->agents)));
	return result;
}

json_t *request_doctor(struct requests_context *ctx, json_t *args,
		       struct control_client *client)
{
	static const char *const levels[] = { [HOST_OK] = "ok",
					      [HOST_WARNING] = "warn",
					      [HOST_PROBLEM] = "fail" };
	json_t *result = request_result(), *list = json_array();
	struct host_report *report = calloc(1, sizeof(*report));

	if (report)
		host_check(report, ctx->conf, true);
	for (unsigned i = 0; report && i < report->count; i++) {
		const struct host_finding *f = &report->findings[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:o}", "check",
					f->subject, "level", levels[f->level],
					"text", view_string(f->text), "fix",
					view_string(f->fix)));
	}
	free(report);
	view_add(result, json_pack("{s:o}", "checks", list));
	return result;
}

json_t *request_shutdown(struct requests_context *ctx, json_t *args,
			 struct control_client *client)
{
	json_t *result = request_result();
	json_error_t error;
	int flush = false;

	if (json_unpack_ex(args, &error, 0, "{s?b}", "flush", &flush)) {
		json_decref(result);
		return request_bad_args(&error);
	}
	ctx->shutdown(ctx->arg, flush);
	view_add(result,
		 json_pack("{s:b, s:b}", "stopping", 1, "flush", flush));
	return result;
}

json_t *request_config_reload(struct requests_context *ctx, json_t *args,
			      struct control_client *client)
{
	int err = client ? ctx->reload(ctx->arg, client) : -EINVAL;

	if (!err)
		return NULL;
	return request_error(&(struct request_error){
		.code = "failed",
		.what = "cannot reload the configuration",
		.why = strerror(-err),
	});
}

static json_t *freeze(struct requests_context *ctx, enum event_type type,
		      const char *what)
{
	struct event ev = { .type = type };
	json_t *refusal = request_step(ctx, &ev, what), *result;

	if (refusal)
		return refusal;
	result = request_result();
	view_add(result,
		 json_pack("{s:b}", "frozen", cluster_is_frozen(ctx->cluster)));
	return result;
}

json_t *request_cluster_freeze(struct requests_context *ctx, json_t *args,
			       struct control_client *client)
{
	return freeze(ctx, EVENT_FREEZE, "cannot freeze the table");
}

json_t *request_cluster_thaw(struct requests_context *ctx, json_t *args,
			     struct control_client *client)
{
	return freeze(ctx, EVENT_THAW, "cannot thaw the table");
}
