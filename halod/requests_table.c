// SPDX-License-Identifier: GPL-2.0-or-later
/* table dump, load: who sits where, to be taken to another gateway */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "requests_impl.h"
#include "view.h"

static const char cannot_load[] = "cannot load the table";

static json_t *saved_node_view(const struct cluster_saved_node *n)
{
	char instance[17];

	snprintf(instance, sizeof(instance), "%016llx",
		 (unsigned long long)n->instance);
	return json_pack("{s:s, s:o, s:o, s:s, s:s, s:o, s:s, s:I}", "name",
			 n->name, "slot", view_number(n->slot), "reserve_at",
			 view_number(n->reserve_at), "state",
			 node_state_name(n->state), "wish", view_wish(n->wish),
			 "addresses", view_addrs(n->addr), "instance", instance,
			 "failures", (json_int_t)n->failures);
}

/* Differs when anything that a dump holds does: pages that bear the same one
 * belong together. FNV-1a. */
static uint64_t stamp_of(const struct cluster_saved *saved)
{
	const uint8_t *bytes = (const uint8_t *)saved->nodes;
	size_t len = saved->n_nodes * sizeof(*saved->nodes);
	uint64_t h = 14695981039346656037ull ^ saved->version;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 1099511628211ull;
	return h;
}

static json_t *dump_page(struct requests_context *ctx,
			 const struct cluster_saved *saved, unsigned from)
{
	json_t *result = request_result(), *nodes = json_array();
	unsigned end = from + PAGE_NODES;
	char stamp[17];

	if (from > saved->n_nodes)
		from = saved->n_nodes;
	if (end > saved->n_nodes)
		end = saved->n_nodes;
	for (unsigned i = from; i < end; i++)
		json_array_append_new(nodes, saved_node_view(&saved->nodes[i]));
	snprintf(stamp, sizeof(stamp), "%016llx",
		 (unsigned long long)stamp_of(saved));
	view_add(result,
		 json_pack("{s:s, s:s, s:i, s:I, s:i, s:i, s:o, s:o}", "halod",
			   HALO_VERSION, "stamp", stamp, "routes",
			   (int)saved->routes, "version",
			   (json_int_t)saved->version, "slots",
			   (int)saved->slots, "reserve_wanted",
			   (int)ctx->conf->reserve, "nodes", nodes, "next",
			   view_number(end < saved->n_nodes ? end : 0)));
	return result;
}

json_t *request_table_dump(struct requests_context *ctx, json_t *args,
			   struct control_client *client)
{
	struct cluster_saved saved;
	json_error_t error;
	json_t *result;
	int from = 0;

	if (json_unpack_ex(args, &error, 0, "{s?i}", "from", &from))
		return request_bad_args(&error);
	if (cluster_save(ctx->cluster, &saved))
		return request_no_memory();
	result = dump_page(ctx, &saved, from < 0 ? 0 : (unsigned)from);
	cluster_saved_fini(&saved);
	return result;
}

/* Reads a table member by member; the first thing wrong is remembered. */
struct reader {
	struct cluster_saved saved;
	json_t *addresses; /* those seen so far, as members */
	char object[NODE_NAME_MAX + 32];
	char why[160];
};

__attribute__((format(printf, 2, 3))) static bool wrong(struct reader *r,
							const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return false;
}

/* null is 0 */
static bool take_number(struct reader *r, const json_t *from, const char *key,
			json_int_t max, json_int_t *out)
{
	const json_t *value = json_object_get(from, key);

	*out = json_integer_value(value);
	if (json_is_null(value) ||
	    (json_is_integer(value) && *out >= 0 && *out <= max))
		return true;
	return wrong(r, "%s is no number from 0 to %lld", key, (long long)max);
}

static bool take_address(struct reader *r, struct cluster_saved_node *n,
			 const json_t *value)
{
	const char *text = json_string_value(value);
	struct addr addr, *to;
	char plain[ADDR_STRLEN];

	if (!text || addr_parse(&addr, text))
		return wrong(r, "an address is none");
	to = &n->addr[addr_len(&addr) == 4 ? FAMILY_V4 : FAMILY_V6];
	if (addr_is_set(to))
		return wrong(r, "it has two addresses of a family");
	*to = addr;
	addr_format(&addr, plain);
	if ((n->slot || n->reserve_at) && json_object_get(r->addresses, plain))
		return wrong(r, "another node has the address %s", plain);
	json_object_set_new(r->addresses, plain, json_true());
	return true;
}

static bool take_addresses(struct reader *r, struct cluster_saved_node *n,
			   const json_t *node)
{
	const json_t *list = json_object_get(node, "addresses"), *value;
	size_t i;

	if (!json_is_array(list))
		return wrong(r, "addresses is no list");
	json_array_foreach(list, i, value)
	{
		if (!take_address(r, n, value))
			return false;
	}
	return true;
}

static bool take_words(struct reader *r, struct cluster_saved_node *n,
		       const json_t *node)
{
	const char *state = json_string_value(json_object_get(node, "state"));
	const char *wish = json_string_value(json_object_get(node, "wish"));
	const char *instance =
		json_string_value(json_object_get(node, "instance"));
	char *end;

	for (unsigned i = 0; state && i <= NODE_STATES; i++) {
		if (i == NODE_STATES)
			return wrong(r, "state is none");
		n->state = (enum node_state)i;
		if (!strcmp(node_state_name(n->state), state))
			break;
	}
	n->wish = wish && !strcmp(wish, "active")    ? WISH_ACTIVE
		  : wish && !strcmp(wish, "reserve") ? WISH_RESERVE
						     : WISH_NONE;
	if (!state || !wish || !instance)
		return wrong(r, "state, wish or instance is missing");
	n->instance = strtoull(instance, &end, 16);
	return !*end || wrong(r, "instance is no number in hexadecimal");
}

static bool take_name(struct reader *r, struct cluster_saved_node *n,
		      const json_t *node, size_t at)
{
	const char *name = json_string_value(json_object_get(node, "name"));

	snprintf(r->object, sizeof(r->object), "nodes[%zu] %.*s", at,
		 NODE_NAME_MAX, name ? name : "");
	if (!name || !node_name_is_valid(name))
		return wrong(r, "it has no valid name");
	snprintf(n->name, sizeof(n->name), "%s", name);
	return true;
}

static bool take_node(struct reader *r, const json_t *node, size_t at)
{
	struct cluster_saved_node *n = &r->saved.nodes[r->saved.n_nodes++];
	json_int_t slot, reserve_at, failures;

	if (!take_name(r, n, node, at) ||
	    !take_number(r, node, "slot", NODES_MAX, &slot) ||
	    !take_number(r, node, "reserve_at", NODES_MAX, &reserve_at) ||
	    !take_number(r, node, "failures", UINT32_MAX, &failures))
		return false;
	n->slot = (uint16_t)slot;
	n->reserve_at = (uint16_t)reserve_at;
	n->failures = (uint32_t)failures;
	return take_words(r, n, node) && take_addresses(r, n, node);
}

static bool take_table(struct reader *r, const json_t *table)
{
	const json_t *nodes = json_object_get(table, "nodes"), *node;
	json_int_t routes, version, slots;
	size_t i;

	snprintf(r->object, sizeof(r->object), "the table");
	if (!take_number(r, table, "routes", ROUTES_MAX, &routes) ||
	    !take_number(r, table, "version", INT64_MAX, &version) ||
	    !take_number(r, table, "slots", NODES_MAX, &slots))
		return false;
	if (!json_is_array(nodes) || json_array_size(nodes) > NODES_MAX)
		return wrong(r, "nodes is no list of at most %d", NODES_MAX);
	r->saved.routes = (uint16_t)routes;
	r->saved.version = (uint64_t)version;
	r->saved.slots = (uint16_t)slots;
	r->saved.nodes =
		calloc(json_array_size(nodes) + 1, sizeof(*r->saved.nodes));
	r->addresses = json_object();
	if (!r->saved.nodes || !r->addresses)
		return wrong(r, "halod is out of memory");
	json_array_foreach(nodes, i, node)
	{
		if (!take_node(r, node, i))
			return false;
	}
	return true;
}

static const char *served_by(const struct cluster *cl, unsigned route)
{
	struct route_view v;

	cluster_route(cl, (uint16_t)route, &v);
	return v.node ? v.node->name : "";
}

/* Routes whose node by the table is not the one that serves them now. -1: no
 * memory. */
static int count_moves(const struct requests_context *ctx,
		       const struct cluster_saved *saved)
{
	const char **names = calloc(saved->slots + 1, sizeof(*names));
	struct assign *a =
		assign_new(saved->routes, saved->slots ? saved->slots : 1);
	int moves = names && a ? 0 : -1;

	for (uint32_t i = 0; names && i < saved->n_nodes; i++)
		if (saved->nodes[i].slot)
			names[saved->nodes[i].slot] = saved->nodes[i].name;
	if (a)
		assign_grow_to(a, saved->slots);
	for (unsigned r = 1; moves >= 0 && r <= saved->routes; r++) {
		const char *to = names[assign_owner(a, (uint16_t)r)];

		moves += strcmp(served_by(ctx->cluster, r), to ? to : "") != 0;
	}
	assign_free(a);
	free(names);
	return moves;
}

/* Nodes with a place that have no connection here. */
static int count_awaited(const struct requests_context *ctx,
			 const struct cluster_saved *saved)
{
	int awaited = 0;

	for (uint32_t i = 0; i < saved->n_nodes; i++) {
		const struct cluster_saved_node *n = &saved->nodes[i];
		const struct node *known =
			cluster_node_by_name(ctx->cluster, n->name);

		awaited +=
			(n->slot || n->reserve_at) && !(known && known->link);
	}
	return awaited;
}

static json_t *refuse_load(struct requests_context *ctx, json_t *take_refusal)
{
	json_t *error = json_object_get(take_refusal, "error");
	bool serves = placement_slots(cluster_placement(ctx->cluster)) > 0;

	json_object_set_new(
		error, "try",
		json_string(serves ? "haloctl table load FILE --move "
				     "--dry-run, then without --dry-run"
				   : "haloctl status"));
	return take_refusal;
}

static json_t *load(struct requests_context *ctx,
		    const struct cluster_saved *saved, bool move, bool dry_run)
{
	/* first only rehearsed: the answer tells what then happens */
	struct event ev = {
		.type = EVENT_LOAD, .saved = saved, .ok = move, .rehearse = true
	};
	json_t *refusal = request_step(ctx, &ev, cannot_load), *result;
	int moves, awaited;

	if (refusal)
		return refuse_load(ctx, refusal);
	moves = count_moves(ctx, saved);
	awaited = count_awaited(ctx, saved);
	if (moves < 0)
		return request_no_memory();
	ev.rehearse = false;
	refusal = dry_run ? NULL : request_step(ctx, &ev, cannot_load);
	if (refusal)
		return refusal;
	result = request_result();
	view_add(result,
		 json_pack("{s:b, s:i, s:i, s:i, s:i, s:I}", "dry_run", dry_run,
			   "nodes", (int)saved->n_nodes, "slots",
			   (int)saved->slots, "awaited", awaited, "moved",
			   moves, "version",
			   (json_int_t)cluster_table(ctx->cluster)->version));
	return result;
}

json_t *request_table_load(struct requests_context *ctx, json_t *args,
			   struct control_client *client)
{
	struct reader r = { .why = "" };
	int move = false, dry_run = false;
	json_error_t error;
	json_t *table, *result;

	if (json_unpack_ex(args, &error, 0, "{s:o, s?b, s?b}", "table", &table,
			   "move", &move, "dry_run", &dry_run))
		return request_bad_args(&error);
	if (take_table(&r, table))
		result = load(ctx, &r.saved, move, dry_run);
	else
		result = request_error(&(struct request_error){
			.code = "refused",
			.what = cannot_load,
			.object = r.object,
			.why = r.why,
		});
	json_decref(r.addresses);
	cluster_saved_fini(&r.saved);
	return result;
}
