// SPDX-License-Identifier: GPL-2.0-or-later
/* node list, show, drain, replace, undrain, fail, rm */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow_count.h"
#include "requests_impl.h"
#include "view.h"

#define TAGS		65536
#define RANGES_SHOWN	4096
#define DEADLINE_MAX_MS (30ll * 24 * 3600 * 1000)
#define REASONS_SHOWN	5
#define REASONS_SEARCH	2000 /* events looked through for them */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Routes served, by tag. NULL: no memory. */
static uint16_t *count_routes(struct requests_context *ctx)
{
	const struct table *t = cluster_table(ctx->cluster);
	uint16_t *count = calloc(TAGS, sizeof(*count));

	for (unsigned r = 1; count && r <= t->routes; r++)
		count[t->seat[t->seat_of[r]].tag % TAGS]++;
	return count;
}

json_t *request_node_list(struct requests_context *ctx, json_t *args,
			  struct control_client *client)
{
	uint64_t total = cluster_node_count(ctx->cluster), end, now_ns;
	json_t *result, *nodes;
	json_error_t error;
	uint16_t *count;
	unsigned from = 0;

	if (json_unpack_ex(args, &error, 0, "{s?i}", "from", &from))
		return request_bad_args(&error);
	count = count_routes(ctx);
	if (!count)
		return request_no_memory();
	now_ns = ctx->now_ns();
	nodes = json_array();
	end = min_u64((uint64_t)from + PAGE_NODES, total);
	for (unsigned i = from; i < end; i++) {
		const struct node *n = cluster_node_at(ctx->cluster, i);

		json_array_append_new(
			nodes, view_node(n, n->tag ? count[n->tag % TAGS] : 0,
					 now_ns));
	}
	free(count);
	result = request_result();
	view_add(result, json_pack("{s:o, s:o}", "nodes", nodes, "next",
				   view_number(end < total ? end : 0)));
	return result;
}

/* The routes it serves now, as ids into the caller's array. */
static struct route_set routes_of(struct requests_context *ctx,
				  const struct node *n, uint16_t *ids)
{
	const struct table *t = cluster_table(ctx->cluster);
	struct route_set set = { .ids = ids };

	for (unsigned r = 1; n->tag && r <= t->routes; r++) {
		if (t->seat[t->seat_of[r]].tag == n->tag)
			ids[set.count++] = (uint16_t)r;
	}
	return set;
}

/* Null: there is no plane, or it cannot tell. */
static json_t *flows_of(struct requests_context *ctx, const struct node *n)
{
	struct flow_count count;
	json_t *total;

	if (!ctx->plane || !n->tag ||
	    flow_count_init(&count, ctx->plane_ops, ctx->plane, n->tag))
		return json_null();
	total = json_integer(count.total);
	flow_count_fini(&count);
	return total;
}

/* What was last told about it, newest last. */
static json_t *reasons_of(struct requests_context *ctx, const char *name)
{
	uint64_t last = ctx->store ? store_last_seq(ctx->store) : 0;
	json_t *list = json_array();
	struct store_event *events;
	int n;

	if (!ctx->store)
		return list;
	n = store_history(ctx->store,
			  last > REASONS_SEARCH ? last - REASONS_SEARCH : 0,
			  name, 0, REASONS_SEARCH, &events);
	if (n < 0)
		return list;
	for (int i = n > REASONS_SHOWN ? n - REASONS_SHOWN : 0; i < n; i++)
		json_array_append_new(list, requests_event(&events[i]));
	free(events);
	return list;
}

/* Why it is in its state, in words; "" where that needs none. */
static const char *reason_of(const struct node *n, char *out, size_t size)
{
	const char *cause = n->cause ? lost_cause_name(n->cause) : "it failed";

	out[0] = 0;
	if (n->state == NODE_SUSPECT)
		snprintf(out, size,
			 "no beat for 1.5 intervals; it was %s, its doors are "
			 "held",
			 node_state_name(n->suspect_from));
	else if (n->state == NODE_QUARANTINED && n->until_ns == TIME_NEVER)
		snprintf(out, size,
			 "failed by the operator: until haloctl node undrain");
	else if (n->state == NODE_QUARANTINED)
		snprintf(out, size,
			 "hold-down after %s, failure %u; it ends when its "
			 "server is up",
			 cause, n->failures);
	else if (n->state == NODE_LOST)
		snprintf(out, size, "%s", cause);
	else if (n->state == NODE_DRAINING)
		snprintf(out, size, "its routes are handed over");
	else if (n->agent_away)
		snprintf(out, size,
			 "its agent is away: it may come back to its slot");
	return out;
}

static json_t *node_details(struct requests_context *ctx, const struct node *n,
			    const struct route_set *routes)
{
	uint64_t now_ns = ctx->now_ns();
	uint64_t left_ns = n->until_ns > now_ns && n->until_ns != TIME_NEVER
				   ? n->until_ns - now_ns
				   : 0;
	char instance[17], reason[160];

	snprintf(instance, sizeof(instance), "%016llx",
		 (unsigned long long)n->instance);
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:s, s:I, s:b, s:b, s:o, s:I, s:s, s:o, "
		"s:o}",
		"ranges", view_ranges(routes, RANGES_SHOWN), "reason",
		view_string(reason_of(n, reason, sizeof(reason))), "moves",
		request_moves(ctx, n), "cause",
		n->cause ? json_string(lost_cause_name(n->cause)) : json_null(),
		"wish", view_wish(n->wish), "failures", (json_int_t)n->failures,
		"agent_away", n->agent_away, "diverged", n->diverged,
		"until_ms", view_number(left_ns / NS_PER_MS), "version",
		(json_int_t)n->version, "instance", instance, "flows",
		flows_of(ctx, n), "events", reasons_of(ctx, n->name));
}

json_t *request_node_show(struct requests_context *ctx, json_t *args,
			  struct control_client *client)
{
	struct route_set routes;
	const struct node *n;
	json_t *result, *node;
	json_error_t error;
	const char *name;
	uint16_t *ids;

	if (json_unpack_ex(args, &error, 0, "{s:s}", "name", &name))
		return request_bad_args(&error);
	n = request_find_node(ctx, name, "cannot show node", &result);
	if (!n)
		return result;
	ids = calloc(ROUTES_MAX, sizeof(*ids));
	if (!ids)
		return request_no_memory();
	routes = routes_of(ctx, n, ids);
	node = view_node(n, routes.count, ctx->now_ns());
	view_add(node, node_details(ctx, n, &routes));
	free(ids);
	result = request_result();
	view_add(result, json_pack("{s:[o]}", "nodes", node));
	return result;
}

struct move {
	node_id from, to;
};

static int cmp_move(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct move));
}

/* id → node of all that are known; NULL: no memory. */
static const struct node **index_nodes(const struct cluster *cl)
{
	const struct node **by_id = calloc(NODES_MAX + 1, sizeof(*by_id));

	for (unsigned i = 0; by_id && i < cluster_node_count(cl); i++) {
		const struct node *n = cluster_node_at(cl, i);

		if (n->id <= NODES_MAX)
			by_id[n->id] = n;
	}
	return by_id;
}

static json_t *name_view(const struct node *n)
{
	return n ? json_string(n->name) : json_null();
}

/* Runs of equal moves, counted. Sorts moves. NULL: no memory. */
static json_t *moves_view(struct requests_context *ctx, struct move *moves,
			  unsigned count)
{
	const struct node **by_id = index_nodes(ctx->cluster);
	json_t *list = by_id ? json_array() : NULL;

	qsort(moves, count, sizeof(*moves), cmp_move);
	for (unsigned i = 0, start = 0; list && i < count; i++) {
		if (i + 1 < count && !cmp_move(&moves[i], &moves[i + 1]))
			continue;
		json_array_append_new(
			list, json_pack("{s:o, s:o, s:i}", "from",
					name_view(by_id[moves[i].from]), "to",
					name_view(by_id[moves[i].to]), "routes",
					(int)(i + 1 - start)));
		start = i + 1;
	}
	free(by_id);
	return list;
}

static node_id who_serves(const struct placement *p, uint16_t route)
{
	uint16_t slot = placement_owner(p, route);

	return slot ? placement_node(p, slot) : 0;
}

static unsigned diff_moves(const struct placement *before,
			   const struct placement *after, struct move *moves)
{
	unsigned count = 0;

	for (unsigned r = 1; r <= placement_routes(before); r++) {
		struct move m = { who_serves(before, (uint16_t)r),
				  who_serves(after, (uint16_t)r) };

		if (m.from != m.to)
			moves[count++] = m;
	}
	return count;
}

/* What then, a changed copy of the placement, would move. Frees it; NULL is no
 * memory. */
static json_t *rehearsal_view(struct requests_context *ctx,
			      const struct node *n, struct placement *take_then)
{
	const struct placement *now = cluster_placement(ctx->cluster);
	struct move *moves = calloc(ROUTES_MAX, sizeof(*moves));
	json_t *result;
	unsigned count;

	if (!take_then || !moves) {
		placement_free(take_then);
		free(moves);
		return request_no_memory();
	}
	count = diff_moves(now, take_then, moves);
	result = request_result();
	view_add(result, json_pack("{s:s, s:b, s:i, s:o}", "node", n->name,
				   "dry_run", 1, "moved", (int)count, "moves",
				   moves_view(ctx, moves, count)));
	placement_free(take_then);
	free(moves);
	return result;
}

/* What a drain waits for: connections by route and in all. */
static json_t *view_left(struct requests_context *ctx, const struct node *n)
{
	json_t *routes = json_array();
	struct flow_count count;
	json_t *left;

	if (!ctx->plane || !n->tag ||
	    flow_count_init(&count, ctx->plane_ops, ctx->plane, n->tag))
		return json_pack("{s:n, s:b, s:o}", "flows", "more", 0,
				 "flow_routes", routes);
	for (unsigned r = 1;
	     r <= ctx->conf->routes && json_array_size(routes) < RANGES_SHOWN;
	     r++)
		if (count.routes[r])
			json_array_append_new(routes,
					      json_pack("{s:i, s:i}", "route",
							(int)r, "flows",
							(int)count.routes[r]));
	left = json_pack("{s:i, s:b, s:o}", "flows", (int)count.total, "more",
			 count.more, "flow_routes", routes);
	flow_count_fini(&count);
	return left;
}

/* By the production code on a copy. */
static json_t *rehearse_drain(struct requests_context *ctx,
			      const struct node *n)
{
	struct placement_batch batch = { .gone = &n->id, .n_gone = 1 };
	struct placement *then =
		placement_copy(cluster_placement(ctx->cluster));

	if (then && placement_has(then, n->id))
		placement_apply(then, &batch);
	return rehearsal_view(ctx, n, then);
}

json_t *request_node_flows(struct requests_context *ctx, json_t *args,
			   struct control_client *client)
{
	uint64_t now_ns = ctx->now_ns();
	const struct node *n;
	json_t *result;
	json_error_t error;
	const char *name;

	if (json_unpack_ex(args, &error, 0, "{s:s}", "name", &name))
		return request_bad_args(&error);
	n = request_find_node(ctx, name, "cannot count connections of node",
			      &result);
	if (!n)
		return result;
	result = request_result();
	view_add(result,
		 json_pack("{s:s, s:s, s:o}", "node", name, "state",
			   node_state_name(n->state), "until_ms",
			   view_number(n->until_ns > now_ns
					       ? (n->until_ns - now_ns) /
							 NS_PER_MS
					       : 0)));
	view_add(result, view_left(ctx, n));
	return result;
}

static bool wait_for(struct requests_context *ctx, const char *name,
		     struct control_client *client)
{
	for (unsigned i = 0; client && i < ARRAY_SIZE(ctx->waiting); i++) {
		struct requests_waiter *w = &ctx->waiting[i];

		if (w->client)
			continue;
		w->client = client;
		snprintf(w->node, sizeof(w->node), "%s", name);
		return true;
	}
	return false;
}

static json_t *start_drain(struct requests_context *ctx, const char *name,
			   uint64_t deadline_ns, struct control_client *waits)
{
	struct event ev = { .type = EVENT_DRAIN,
			    .name = name,
			    .deadline_ns = deadline_ns };
	json_t *error = request_step(ctx, &ev, "cannot drain node");
	const struct node *n = cluster_node_by_name(ctx->cluster, name);
	bool done = !n || n->state == NODE_DRAINED;
	json_t *result;

	if (error)
		return error;
	if (!done && wait_for(ctx, name, waits))
		return NULL;
	result = request_result();
	view_add(result, json_pack("{s:s, s:s, s:b}", "node", name, "state",
				   n ? node_state_name(n->state) : "gone",
				   "done", done));
	if (n)
		view_add(result, view_left(ctx, n));
	return result;
}

json_t *request_node_drain(struct requests_context *ctx, json_t *args,
			   struct control_client *client)
{
	int wait = false, dry_run = false;
	json_int_t deadline_ms = 0;
	const struct node *n;
	json_error_t error;
	const char *name;
	json_t *refusal;

	if (json_unpack_ex(args, &error, 0, "{s:s, s?b, s?b, s?I}", "name",
			   &name, "wait", &wait, "dry_run", &dry_run,
			   "deadline_ms", &deadline_ms))
		return request_bad_args(&error);
	n = request_find_node(ctx, name, "cannot drain node", &refusal);
	if (!n)
		return refusal;
	if (deadline_ms < 0 || deadline_ms > DEADLINE_MAX_MS)
		return request_error(&(struct request_error){
			.code = "usage",
			.what = "cannot drain node",
			.object = name,
			.why = "the deadline is not between 0 and 30 days",
		});
	if (dry_run) {
		json_t *result = rehearse_drain(ctx, n);

		view_add(result, view_left(ctx, n));
		return result;
	}
	return start_drain(ctx, name, (uint64_t)deadline_ms * NS_PER_MS,
			   wait ? client : NULL);
}

static json_t *rehearse_replace(struct requests_context *ctx,
				const struct node *n, const struct node *by)
{
	struct placement *then =
		placement_copy(cluster_placement(ctx->cluster));

	if (then)
		placement_replace(then, n->id, by->id);
	return rehearsal_view(ctx, n, then);
}

json_t *request_node_replace(struct requests_context *ctx, json_t *args,
			     struct control_client *client)
{
	static const char what[] = "cannot replace node";
	struct event ev = { .type = EVENT_REPLACE };
	const struct node *n, *by;
	json_t *result, *refusal;
	json_error_t error;
	int dry_run = false;

	if (json_unpack_ex(args, &error, 0, "{s:s, s:s, s?b}", "name", &ev.name,
			   "by", &ev.by, "dry_run", &dry_run))
		return request_bad_args(&error);
	n = request_find_node(ctx, ev.name, what, &refusal);
	by = n ? request_find_node(ctx, ev.by, "cannot replace by node",
				   &refusal)
	       : NULL;
	if (!by)
		return refusal;
	ev.rehearse = dry_run;
	refusal = request_step(ctx, &ev, what);
	if (refusal)
		return refusal;
	if (dry_run)
		return rehearse_replace(ctx, n, by);
	n = cluster_node_by_name(ctx->cluster, ev.name);
	result = request_result();
	view_add(result,
		 json_pack("{s:s, s:s, s:s}", "node", ev.name, "by", ev.by,
			   "state", n ? node_state_name(n->state) : "gone"));
	return result;
}

/* undrain, fail and rm: one event on one node */
static json_t *one_event(struct requests_context *ctx, json_t *args,
			 enum event_type type, const char *what)
{
	struct event ev = { .type = type };
	json_t *result, *refusal;
	const struct node *n;
	json_error_t error;

	if (json_unpack_ex(args, &error, 0, "{s:s}", "name", &ev.name))
		return request_bad_args(&error);
	if (!request_find_node(ctx, ev.name, what, &refusal))
		return refusal;
	refusal = request_step(ctx, &ev, what);
	if (refusal)
		return refusal;
	n = cluster_node_by_name(ctx->cluster, ev.name);
	result = request_result();
	view_add(result, json_pack("{s:s, s:s}", "node", ev.name, "state",
				   n ? node_state_name(n->state) : "gone"));
	return result;
}

json_t *request_node_undrain(struct requests_context *ctx, json_t *args,
			     struct control_client *client)
{
	return one_event(ctx, args, EVENT_UNDRAIN, "cannot undrain node");
}

json_t *request_node_fail(struct requests_context *ctx, json_t *args,
			  struct control_client *client)
{
	return one_event(ctx, args, EVENT_FAIL, "cannot fail node");
}

json_t *request_node_rm(struct requests_context *ctx, json_t *args,
			struct control_client *client)
{
	return one_event(ctx, args, EVENT_RM, "cannot remove node");
}
