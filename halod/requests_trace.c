// SPDX-License-Identifier: GPL-2.0-or-later
/* trace: which node would get this packet, and why */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "requests_impl.h"
#include "view.h"

struct trace {
	struct requests_context *ctx;
	struct endpoint client; /* port 0: any */
	struct endpoint to;
	uint8_t protocol;
	struct engine_door door;
	struct route_view view;
	const struct table_seat *seat; /* NULL: nobody serves it */
	struct flow_view flow;
	bool has_flow;
	const char *state;   /* not-ours, unowned, moving, held, served */
	const char *verdict; /* one sentence */
	struct endpoint target;
	json_t *steps;
	char text[300];
};

__attribute__((format(printf, 2, 3))) static const char *
tell(struct trace *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->text, sizeof(t->text), fmt, ap);
	va_end(ap);
	json_array_append_new(t->steps, json_string(t->text));
	return t->text;
}

static bool parse_place(struct endpoint *out, const char *text)
{
	*out = (struct endpoint){ 0 };
	return !endpoint_parse(out, text) || !addr_parse(&out->addr, text);
}

static json_t *bad_trace(const char *object, const char *why)
{
	return request_error(&(struct request_error){
		.code = "usage",
		.what = "cannot trace",
		.object = object,
		.why = why,
		.advice = "haloctl trace 198.18.1.2 198.18.0.100:8007",
	});
}

static json_t *take_args(struct trace *t, json_t *args)
{
	const char *client, *to, *protocol = "tcp";
	json_error_t error;

	if (json_unpack_ex(args, &error, 0, "{s:s, s:s, s?s}", "client",
			   &client, "to", &to, "protocol", &protocol))
		return request_bad_args(&error);
	if (!parse_place(&t->client, client))
		return bad_trace(client, "it is no address or address:port");
	if (!parse_place(&t->to, to) || !t->to.port)
		return bad_trace(to, "it is no address:port");
	if (t->client.addr.af != t->to.addr.af)
		return bad_trace(client, "it is not of the destination's "
					 "address family");
	if (strcmp(protocol, "tcp") && strcmp(protocol, "udp"))
		return bad_trace(protocol, "the protocol is tcp or udp");
	t->protocol = *protocol == 'u' ? IPPROTO_UDP : IPPROTO_TCP;
	return NULL;
}

/* Only what names doors: addresses, services, N. */
static void doors_from(struct engine_conf *out, const struct conf *conf)
{
	*out = (struct engine_conf){ .routes = (uint16_t)conf->routes,
				     .n_services = conf->n_services };
	memcpy(out->vip, conf->vip, sizeof(out->vip));
	for (unsigned i = 0; i < conf->n_services; i++) {
		struct engine_service *s = &out->services[i];

		snprintf(s->name, sizeof(s->name), "%s",
			 conf->services[i].name);
		s->listen = conf->services[i].listen;
		s->protocol = conf->services[i].protocol;
	}
}

static void find_door(struct trace *t)
{
	struct engine_conf *doors = calloc(1, sizeof(*doors));
	char to[ENDPOINT_STRLEN];

	if (doors) {
		doors_from(doors, t->ctx->conf);
		t->door = engine_door(doors, &t->to, t->protocol);
	}
	free(doors);
	endpoint_format(&t->to, to);
	if (!t->door.found) {
		t->state = "not-ours";
		tell(t, "%s is no door of any service", to);
		return;
	}
	tell(t, "%s is the door of route %u of service %s", to, t->door.route,
	     t->ctx->conf->services[t->door.service].name);
}

static const struct table *plane_table(const struct requests_context *ctx)
{
	return ctx->table ? ctx->table : cluster_table(ctx->cluster);
}

static void find_node(struct trace *t)
{
	const struct cluster *cl = t->ctx->cluster;
	const struct table *table = plane_table(t->ctx);
	unsigned slots = placement_slots(cluster_placement(cl));

	cluster_route(cl, t->door.route, &t->view);
	if (t->view.slot)
		tell(t, "T(%u, %u) gives route %u to slot %u",
		     t->ctx->conf->routes, slots, t->door.route, t->view.slot);
	t->seat = table_lookup(table, t->door.route);
	if (t->seat && t->view.node)
		tell(t, "the table, version %llu, leads to seat %u: %s",
		     (unsigned long long)table->version,
		     table->seat_of[t->door.route], t->view.node->name);
}

static uint16_t port_on_node(const struct trace *t)
{
	uint16_t port = t->ctx->conf->services[t->door.service].node_port;

	return port ? port : t->to.port;
}

static void find_flow(struct trace *t)
{
	struct flow_query query = { .client = t->client,
				    .door = t->to,
				    .protocol = t->protocol };
	struct requests_context *ctx = t->ctx;

	t->has_flow =
		ctx->plane && t->client.port &&
		ctx->plane_ops->flows(ctx->plane, &query, &t->flow, 1) == 1;
}

static uint64_t left_ms(const struct trace *t)
{
	uint64_t now_ns = t->ctx->now_ns(), end_ns = t->view.deadline_ns;

	return end_ns == TIME_NEVER || end_ns < now_ns
		       ? 0
		       : (end_ns - now_ns) / NS_PER_MS;
}

static void judge_flow(struct trace *t)
{
	const struct node *n =
		cluster_node_by_tag(t->ctx->cluster, t->flow.tag);

	t->state = "served";
	t->verdict = tell(t, "the flow exists already and stays with %s",
			  n ? n->name : "a node that is gone");
}

/* What a packet without a flow meets. */
static void judge_new(struct trace *t)
{
	const struct node *n = t->view.node;

	if (!t->seat || !n) {
		t->state = "unowned";
		t->verdict = tell(t, "no node serves it: the client is reset");
	} else if (t->view.to) {
		t->state = "moving";
		t->verdict =
			tell(t,
			     "it is moving from %s to %s (%s): new connections "
			     "wait, at most %llu ms more",
			     n->name, t->view.to->name,
			     move_reason_name(t->view.reason),
			     (unsigned long long)left_ms(t));
	} else if (n->state == NODE_SUSPECT) {
		t->state = "held";
		t->verdict =
			tell(t, "%s is suspect: new connections wait", n->name);
	} else if (!addr_is_set(&t->target.addr)) {
		t->state = "unowned";
		t->verdict = tell(t,
				  "%s has no address of this family: "
				  "dropped",
				  n->name);
	} else {
		t->state = "served";
		t->verdict = tell(t, "%s gets it", n->name);
	}
}

static void judge(struct trace *t)
{
	unsigned family = t->to.addr.af == AF_INET6 ? FAMILY_V6 : FAMILY_V4;

	if (!t->door.found) {
		t->verdict = tell(t, "HaloD does not touch the packet");
		return;
	}
	find_node(t);
	if (t->seat)
		t->target = (struct endpoint){ t->seat->addr[family],
					       port_on_node(t) };
	find_flow(t);
	if (t->has_flow)
		judge_flow(t);
	else
		judge_new(t);
}

static json_t *trace_view(struct trace *t)
{
	const struct node *n = t->view.node, *to = t->view.to;
	char target[ENDPOINT_STRLEN] = "";

	if (addr_is_set(&t->target.addr))
		endpoint_format(&t->target, target);
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:O}", "state",
		t->state, "verdict", t->verdict, "service",
		view_string(
			t->door.found
				? t->ctx->conf->services[t->door.service].name
				: NULL),
		"route", view_number(t->door.found ? t->door.route : 0), "slot",
		view_number(t->view.slot), "node",
		view_string(n ? n->name : NULL), "to",
		view_string(to ? to->name : NULL), "address",
		view_string(target), "flow", t->has_flow, "steps", t->steps);
}

json_t *request_trace(struct requests_context *ctx, json_t *args,
		      struct control_client *client)
{
	struct trace t = { .ctx = ctx };
	json_t *result = take_args(&t, args);

	if (result)
		return result;
	t.steps = json_array();
	find_door(&t);
	judge(&t);
	result = request_result();
	view_add(result, json_pack("{s:o}", "trace", trace_view(&t)));
	json_decref(t.steps);
	return result;
}
