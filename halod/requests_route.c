// SPDX-License-Identifier: GPL-2.0-or-later
/* route list, show, why: a route is "7", "8007" or "browser:7" */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "requests_impl.h"
#include "view.h"

static bool same_place(const struct route_view *a, const struct route_view *b)
{
	return a->node == b->node && a->to == b->to && a->slot == b->slot &&
	       (!a->to || a->reason == b->reason);
}

static json_t *name_view(const struct node *n)
{
	return n ? json_string(n->name) : json_null();
}

static json_t *place_view(const struct route_view *v)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o}", "slot", view_number(v->slot), "node",
		name_view(v->node), "to", name_view(v->to), "reason",
		v->to ? json_string(move_reason_name(v->reason)) : json_null());
}

static void append_range(json_t *list, unsigned first, unsigned last,
			 const struct route_view *v)
{
	json_t *item =
		json_pack("{s:i, s:i}", "first", (int)first, "last", (int)last);

	view_add(item, place_view(v));
	json_array_append_new(list, item);
}

/* Runs of routes in one place, of at most PAGE_ROUTES routes. */
json_t *request_route_list(struct requests_context *ctx, json_t *args,
			   struct control_client *client)
{
	unsigned routes = ctx->conf->routes, from = 1, end, first;
	json_t *result = NULL, *list;
	struct route_view at, run;
	json_error_t error;

	if (json_unpack_ex(args, &error, 0, "{s?i}", "from", &from))
		return request_bad_args(&error);
	if (from < 1 || from > routes)
		from = routes + 1;
	end = from + PAGE_ROUTES > routes ? routes + 1 : from + PAGE_ROUTES;
	list = json_array();
	first = from;
	for (unsigned r = from; r < end; r++) {
		cluster_route(ctx->cluster, (uint16_t)r, &at);
		if (r > first && !same_place(&at, &run)) {
			append_range(list, first, r - 1, &run);
			first = r;
		}
		run = at;
	}
	if (first < end)
		append_range(list, first, end - 1, &run);
	result = request_result();
	view_add(result,
		 json_pack("{s:I, s:o, s:o}", "version",
			   (json_int_t)cluster_table(ctx->cluster)->version,
			   "routes", list, "next",
			   view_number(end <= routes ? end : 0)));
	return result;
}

static bool parse_number(const char *text, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || v > UINT16_MAX)
		return false;
	*out = (unsigned)v;
	return true;
}

static unsigned route_of_port(const struct conf *conf, unsigned port)
{
	for (unsigned i = 0; i < conf->n_services; i++) {
		unsigned listen = conf->services[i].listen;

		if (port >= listen && port < listen + conf->routes)
			return port - listen + 1;
	}
	return 0;
}

static bool has_service(const struct conf *conf, const char *name, size_t len)
{
	for (unsigned i = 0; i < conf->n_services; i++) {
		if (strlen(conf->services[i].name) == len &&
		    !strncmp(conf->services[i].name, name, len))
			return true;
	}
	return false;
}

/* 0: there is none. */
static unsigned find_route(const struct conf *conf, const char *text)
{
	const char *colon = strrchr(text, ':');
	unsigned n;

	if (colon && !has_service(conf, text, (size_t)(colon - text)))
		return 0;
	if (!parse_number(colon ? colon + 1 : text, &n))
		return 0;
	if (n >= 1 && n <= conf->routes)
		return n;
	return colon ? 0 : route_of_port(conf, n);
}

static json_t *no_route(const struct conf *conf, const char *what,
			const char *text)
{
	char why[120];

	snprintf(why, sizeof(why),
		 "a route is a number from 1 to %u, a door's port, or "
		 "SERVICE:NUMBER",
		 conf->routes);
	return request_error(&(struct request_error){
		.code = "not-found",
		.what = what,
		.object = text,
		.why = why,
		.advice = "haloctl route list",
	});
}

/* The route args names, or 0 and the error to answer. */
static uint16_t take_route(struct requests_context *ctx, json_t *args,
			   const char *what, json_t **refusal)
{
	json_error_t error;
	const char *text;
	unsigned route;

	if (json_unpack_ex(args, &error, 0, "{s:s}", "route", &text)) {
		*refusal = request_bad_args(&error);
		return 0;
	}
	route = find_route(ctx->conf, text);
	if (!route)
		*refusal = no_route(ctx->conf, what, text);
	return (uint16_t)route;
}

static json_t *doors_view(const struct conf *conf, uint16_t route)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < conf->n_services; i++) {
		const struct conf_service *s = &conf->services[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:i, s:i}", "service", s->name,
				  "protocol",
				  s->protocol == IPPROTO_UDP ? "udp" : "tcp",
				  "port", s->listen + route - 1, "node_port",
				  s->node_port ? s->node_port
					       : s->listen + route - 1));
	}
	return list;
}

static json_t *flow_item(struct requests_context *ctx,
			 const struct flow_view *f)
{
	const struct conf *conf = ctx->conf;
	char client[ENDPOINT_STRLEN];

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:b, s:I}", "client",
		endpoint_format(&f->client, client), "service",
		f->service < conf->n_services ? conf->services[f->service].name
					      : "?",
		"protocol", f->protocol == IPPROTO_UDP ? "udp" : "tcp", "node",
		name_view(cluster_node_by_tag(ctx->cluster, f->tag)),
		"established", f->established, "idle_ms",
		(json_int_t)(f->idle_ns / NS_PER_MS));
}

static json_t *flows_view(struct requests_context *ctx, uint16_t route)
{
	struct flow_query query = { .route = route };
	json_t *list = json_array();
	struct flow_view *flows;
	int n = 0;

	flows = ctx->plane ? calloc(FLOWS_SHOWN, sizeof(*flows)) : NULL;
	if (flows)
		n = ctx->plane_ops->flows(ctx->plane, &query, flows,
					  FLOWS_SHOWN);
	for (int i = 0; i < n; i++)
		json_array_append_new(list, flow_item(ctx, &flows[i]));
	free(flows);
	return list;
}

static json_t *route_item(struct requests_context *ctx, uint16_t route,
			  const struct route_view *v)
{
	uint64_t now_ns = ctx->now_ns();
	uint64_t left_ns =
		v->to && v->deadline_ns != TIME_NEVER && v->deadline_ns > now_ns
			? v->deadline_ns - now_ns
			: 0;
	json_t *item = json_pack("{s:i}", "route", (int)route);

	view_add(item, place_view(v));
	view_add(item, json_pack("{s:I, s:o, s:o}", "since_version",
				 (json_int_t)v->since_version, "deadline_ms",
				 view_number(left_ns / NS_PER_MS), "doors",
				 doors_view(ctx->conf, route)));
	return item;
}

json_t *request_route_show(struct requests_context *ctx, json_t *args,
			   struct control_client *client)
{
	json_t *result, *item;
	struct route_view v;
	uint16_t route;

	route = take_route(ctx, args, "cannot show route", &result);
	if (!route)
		return result;
	cluster_route(ctx->cluster, route, &v);
	item = route_item(ctx, route, &v);
	view_add(item, json_pack("{s:o}", "flows", flows_view(ctx, route)));
	result = request_result();
	view_add(result, json_pack("{s:[o]}", "routes", item));
	return result;
}

/* How the route came to its slot as slots were added one by one:
 * [{"slots":1,"slot":1},{"slots":3,"slot":3}]. */
static json_t *chain_view(unsigned routes, unsigned slots, uint16_t route)
{
	struct assign *a = slots ? assign_new(routes, slots) : NULL;
	json_t *list = json_array();
	uint16_t owner = 0;

	for (unsigned n = 1; a && n <= slots; n++) {
		assign_grow(a);
		if (assign_owner(a, route) == owner)
			continue;
		owner = assign_owner(a, route);
		json_array_append_new(list,
				      json_pack("{s:i, s:i}", "slots", (int)n,
						"slot", (int)owner));
	}
	assign_free(a);
	return list;
}

/* The last event that moved the route, or null. */
static json_t *last_move(struct requests_context *ctx, uint16_t route)
{
	struct store_event *event = NULL;
	json_t *found = NULL;

	if (ctx->store && store_last_move(ctx->store, route, &event) > 0)
		found = requests_event(event);
	free(event);
	return found ? found : json_null();
}

static void describe_rule(struct requests_context *ctx, uint16_t route,
			  const struct route_view *v, char *out, unsigned size)
{
	unsigned slots = placement_slots(cluster_placement(ctx->cluster));

	if (!v->slot)
		snprintf(out, size, "no node is active: no slot owns it");
	else if (v->to)
		snprintf(out, size,
			 "T(%u, %u) gives route %u to slot %u; %s hands it "
			 "over to %s (%s)",
			 ctx->conf->routes, slots, route, v->slot,
			 v->node ? v->node->name : "nobody", v->to->name,
			 move_reason_name(v->reason));
	else
		snprintf(out, size,
			 "T(%u, %u) gives route %u to slot %u, and %s sits in "
			 "it",
			 ctx->conf->routes, slots, route, v->slot,
			 v->node ? v->node->name : "nobody");
}

json_t *request_route_why(struct requests_context *ctx, json_t *args,
			  struct control_client *client)
{
	unsigned slots = placement_slots(cluster_placement(ctx->cluster));
	json_t *result, *item;
	struct route_view v;
	uint16_t route;
	char rule[400];

	route = take_route(ctx, args, "cannot explain route", &result);
	if (!route)
		return result;
	cluster_route(ctx->cluster, route, &v);
	describe_rule(ctx, route, &v, rule, sizeof(rule));
	item = route_item(ctx, route, &v);
	view_add(item, json_pack("{s:i, s:s, s:o, s:o}", "slots", (int)slots,
				 "rule", rule, "chain",
				 chain_view(ctx->conf->routes, slots, route),
				 "last_move", last_move(ctx, route)));
	result = request_result();
	view_add(result, json_pack("{s:[o]}", "routes", item));
	return result;
}
