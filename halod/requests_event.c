// SPDX-License-Identifier: GPL-2.0-or-later
/* history, and monitor --since: what has happened */
#include <stdlib.h>
#include <string.h>

#include "requests_impl.h"
#include "view.h"

#define REPLAY_MAX 1000 /* events a monitor may catch up with */

/* Events on disk after since; -errno. None without a store. */
static int read_store(struct requests_context *ctx, uint64_t since,
		      const char *node, uint64_t from_ms, unsigned max,
		      struct store_event **out)
{
	*out = NULL;
	if (!ctx->store)
		return 0;
	return store_history(ctx->store, since, node, from_ms, max, out);
}

static json_t *history_failed(int err)
{
	return request_error(&(struct request_error){
		.code = "failed",
		.what = "cannot read the history",
		.why = strerror(-err),
		.advice = "haloctl status",
	});
}

json_t *request_history(struct requests_context *ctx, json_t *args,
			struct control_client *client)
{
	json_int_t since = 0, from_ms = 0;
	json_t *result, *list;
	struct store_event *events;
	const char *node = NULL;
	json_error_t error;
	uint64_t next = 0;
	int n;

	if (json_unpack_ex(args, &error, 0, "{s?I, s?I, s?s}", "since", &since,
			   "from_ms", &from_ms, "node", &node))
		return request_bad_args(&error);
	n = read_store(ctx, (uint64_t)since, node, (uint64_t)from_ms,
		       PAGE_EVENTS, &events);
	if (n < 0)
		return history_failed(n);
	list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, requests_event(&events[i]));
	if (n == PAGE_EVENTS)
		next = events[n - 1].seq;
	free(events);
	result = request_result();
	view_add(result, json_pack("{s:o, s:o}", "events", list, "next",
				   view_number(next)));
	return result;
}

static uint64_t seq_of(const json_t *event)
{
	return (uint64_t)json_integer_value(json_object_get(event, "seq"));
}

static int cmp_seq(const void *a, const void *b)
{
	uint64_t x = seq_of(*(json_t *const *)a),
		 y = seq_of(*(json_t *const *)b);

	return x < y ? -1 : x > y;
}

/* What the store's thread may not have written yet. */
static void send_recent(struct requests_context *ctx,
			struct control_client *client, uint64_t since)
{
	json_t *sorted[REQUESTS_RECENT_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(ctx->recent); i++) {
		if (ctx->recent[i] && seq_of(ctx->recent[i]) > since)
			sorted[n++] = ctx->recent[i];
	}
	qsort(sorted, n, sizeof(sorted[0]), cmp_seq);
	for (unsigned i = 0; i < n; i++)
		control_send(client, json_incref(sorted[i]));
}

/* Everything after since, in order, once. */
static json_t *replay(struct requests_context *ctx,
		      struct control_client *client, uint64_t since)
{
	struct store_event *events;
	int n = read_store(ctx, since, NULL, 0, REPLAY_MAX, &events);

	if (n < 0)
		return history_failed(n);
	if (n == REPLAY_MAX) {
		free(events);
		return request_error(&(struct request_error){
			.code = "refused",
			.what = "cannot monitor from there",
			.why = "more than 1000 events have happened since",
			.advice = "haloctl history",
		});
	}
	control_subscribe(client);
	for (int i = 0; i < n; i++)
		control_send(client, requests_event(&events[i]));
	if (n)
		since = events[n - 1].seq;
	free(events);
	send_recent(ctx, client, since);
	return NULL;
}

json_t *request_monitor(struct requests_context *ctx, json_t *args,
			struct control_client *client)
{
	json_int_t since = -1;
	json_error_t error;

	if (json_unpack_ex(args, &error, 0, "{s?I}", "since", &since))
		return request_bad_args(&error);
	if (!client)
		return request_result();
	if (since >= 0)
		return replay(ctx, client, (uint64_t)since);
	control_subscribe(client);
	return NULL;
}
