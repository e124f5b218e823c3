// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/store_row.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/buf.h"

static void bind_text(sqlite3_stmt *st, int column, const char *text)
{
	sqlite3_bind_text(st, column, text, -1, SQLITE_STATIC);
}

/* An address that is not set is NULL. */
static void bind_addr(sqlite3_stmt *st, int column, const struct addr *a)
{
	if (addr_is_set(a))
		sqlite3_bind_blob(st, column, a->bytes, (int)addr_len(a),
				  SQLITE_STATIC);
}

void store_row_bind_meta(sqlite3_stmt *st, const struct cluster_saved *state)
{
	sqlite3_bind_int64(st, 1, (sqlite3_int64)state->version);
	sqlite3_bind_int64(st, 2, state->next_tag);
	sqlite3_bind_int(st, 3, state->routes);
	sqlite3_bind_int(st, 4, state->slots);
	sqlite3_bind_int(st, 5, state->frozen);
}

void store_row_bind_node(sqlite3_stmt *st,
			 const struct cluster_saved_node *node)
{
	bind_text(st, 1, node->name);
	sqlite3_bind_int64(st, 2, node->tag);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)node->instance);
	bind_addr(st, 4, &node->addr[FAMILY_V4]);
	bind_addr(st, 5, &node->addr[FAMILY_V6]);
	sqlite3_bind_int(st, 6, (int)node->state);
	sqlite3_bind_int(st, 7, (int)node->wish);
	sqlite3_bind_int(st, 8, node->slot);
	sqlite3_bind_int(st, 9, node->reserve_at);
	sqlite3_bind_int64(st, 10, node->failures);
}

/* Big-endian ids, so that the file can be moved to another machine. */
static int bind_routes(sqlite3_stmt *st, int column,
		       const struct route_set *routes)
{
	size_t len = routes->count * sizeof(uint16_t);
	uint8_t *bytes = sqlite3_malloc64(len + 1);
	struct buf b = buf_over(bytes, len);

	if (!bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < routes->count; i++)
		buf_put_be16(&b, routes->ids[i]);
	sqlite3_bind_blob64(st, column, bytes, len, sqlite3_free);
	return 0;
}

int store_row_bind_event(sqlite3_stmt *st, const struct store_event *event)
{
	const struct note *note = &event->note;

	sqlite3_bind_int64(st, 1, (sqlite3_int64)event->seq);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)event->time_ms);
	sqlite3_bind_int(st, 3, (int)note->kind);
	bind_text(st, 4, note->node);
	bind_text(st, 5, note->from);
	bind_text(st, 6, note->to);
	sqlite3_bind_int(st, 7, (int)note->reason);
	sqlite3_bind_int64(st, 8, (sqlite3_int64)note->version);
	sqlite3_bind_int64(st, 9, (sqlite3_int64)note->ms);
	sqlite3_bind_int(st, 10, note->slot);
	bind_text(st, 11, note->why);
	bind_text(st, 13, note->event);
	sqlite3_bind_int64(st, 14, (sqlite3_int64)event->applied_us);
	sqlite3_bind_int64(st, 15, (sqlite3_int64)event->first_us);
	return bind_routes(st, 12, &note->routes);
}

/* Column by column; errors stick, one check at the end. */
struct row {
	sqlite3_stmt *st;
	int column; /* next */
	bool bad;
};

static uint64_t take_number(struct row *r, uint64_t max)
{
	uint64_t value = (uint64_t)sqlite3_column_int64(r->st, r->column++);

	if (value <= max)
		return value;
	r->bad = true;
	return 0;
}

static void take_text(struct row *r, char *out, size_t size)
{
	const unsigned char *text = sqlite3_column_text(r->st, r->column);
	size_t len = (size_t)sqlite3_column_bytes(r->st, r->column++);

	if (text && len < size)
		memcpy(out, text, len + 1);
	else
		r->bad = true;
}

static void take_addr(struct row *r, uint8_t af, struct addr *out)
{
	const void *bytes = sqlite3_column_blob(r->st, r->column);
	int len = sqlite3_column_bytes(r->st, r->column++);

	if (!bytes)
		return;
	if (len == 4 && af == AF_INET)
		*out = addr_v4(bytes);
	else if (len == 16 && af == AF_INET6)
		*out = addr_v6(bytes);
	else
		r->bad = true;
}

int store_row_meta(sqlite3_stmt *st, struct cluster_saved *out)
{
	struct row r = { .st = st };

	out->version = take_number(&r, UINT64_MAX);
	out->next_tag = (uint32_t)take_number(&r, UINT32_MAX);
	out->routes = (uint16_t)take_number(&r, ROUTES_MAX);
	out->slots = (uint16_t)take_number(&r, NODES_MAX);
	out->frozen = take_number(&r, 1);
	return r.bad ? -EUCLEAN : 0;
}

int store_row_node(sqlite3_stmt *st, struct cluster_saved_node *out)
{
	struct row r = { .st = st };

	take_text(&r, out->name, sizeof(out->name));
	out->tag = (uint32_t)take_number(&r, UINT32_MAX);
	out->instance = take_number(&r, UINT64_MAX);
	take_addr(&r, AF_INET, &out->addr[FAMILY_V4]);
	take_addr(&r, AF_INET6, &out->addr[FAMILY_V6]);
	out->state = (enum node_state)take_number(&r, NODE_STATES - 1);
	out->wish = (enum node_wish)take_number(&r, WISH_RESERVE);
	out->slot = (uint16_t)take_number(&r, NODES_MAX);
	out->reserve_at = (uint16_t)take_number(&r, NODES_MAX);
	out->failures = (uint32_t)take_number(&r, UINT32_MAX);
	return r.bad ? -EUCLEAN : 0;
}

static void take_routes(struct row *r, struct route_set *out, uint16_t *ids,
			size_t room)
{
	const void *bytes = sqlite3_column_blob(r->st, r->column);
	size_t len = (size_t)sqlite3_column_bytes(r->st, r->column++);
	size_t count = len / sizeof(*ids);
	struct buf b = buf_reader(bytes, len);

	if (count > room) {
		r->bad = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		ids[i] = buf_get_be16(&b);
	*out = (struct route_set){ .ids = ids, .count = (uint32_t)count };
}

int store_row_event(sqlite3_stmt *st, struct store_event *out, uint16_t *ids,
		    size_t room)
{
	struct row r = { .st = st };
	struct note *note = &out->note;

	out->seq = take_number(&r, INT64_MAX);
	out->time_ms = take_number(&r, INT64_MAX);
	note->kind = (enum note_kind)take_number(&r, NOTE_KINDS - 1);
	take_text(&r, note->node, sizeof(note->node));
	take_text(&r, note->from, sizeof(note->from));
	take_text(&r, note->to, sizeof(note->to));
	note->reason = (enum move_reason)take_number(&r, MOVE_REASONS - 1);
	note->version = take_number(&r, UINT64_MAX);
	note->ms = take_number(&r, UINT64_MAX);
	note->slot = (uint16_t)take_number(&r, UINT16_MAX);
	take_text(&r, note->why, sizeof(note->why));
	take_routes(&r, &note->routes, ids, room);
	take_text(&r, note->event, sizeof(note->event));
	out->applied_us = take_number(&r, INT64_MAX);
	out->first_us = take_number(&r, INT64_MAX);
	return r.bad ? -EUCLEAN : 0;
}
