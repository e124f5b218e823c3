// SPDX-License-Identifier: GPL-2.0-or-later
/* The handovers that are under way, for status and node show. */
#include "requests_impl.h"
#include "view.h"

#define MOVES_SHOWN 32

struct pending {
	struct route_view view; /* of its first route */
	unsigned count;
};

static bool same_move(const struct route_view *a, const struct route_view *b)
{
	return a->node == b->node && a->to == b->to &&
	       a->deadline_ns == b->deadline_ns && a->reason == b->reason;
}

/* What is beyond the room is left out. */
static unsigned add(struct pending *list, unsigned n,
		    const struct route_view *v)
{
	unsigned i = 0;

	while (i < n && !same_move(&list[i].view, v))
		i++;
	if (i == MOVES_SHOWN)
		return n;
	list[i].view = *v;
	list[i].count++;
	return i == n ? n + 1 : n;
}

static json_t *name_view(const struct node *n)
{
	return n ? json_string(n->name) : json_null();
}

static json_t *pending_view(const struct pending *p, uint64_t now_ns)
{
	const struct route_view *v = &p->view;
	uint64_t left_ns =
		v->deadline_ns != TIME_NEVER && v->deadline_ns > now_ns
			? v->deadline_ns - now_ns
			: 0;

	return json_pack("{s:o, s:o, s:i, s:s, s:I}", "from",
			 name_view(v->node), "to", name_view(v->to), "routes",
			 (int)p->count, "reason", move_reason_name(v->reason),
			 "deadline_ms", (json_int_t)(left_ns / NS_PER_MS));
}

json_t *request_moves(struct requests_context *ctx, const struct node *only)
{
	unsigned routes = ctx->conf->routes, n = 0;
	struct pending list[MOVES_SHOWN + 1] = { 0 };
	json_t *out = json_array();

	for (unsigned r = 1; r <= routes; r++) {
		struct route_view v;

		cluster_route(ctx->cluster, (uint16_t)r, &v);
		if (v.to && (!only || v.node == only || v.to == only))
			n = add(list, n, &v);
	}
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(out,
				      pending_view(&list[i], ctx->now_ns()));
	return out;
}
