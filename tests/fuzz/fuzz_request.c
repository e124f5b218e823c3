// SPDX-License-Identifier: GPL-2.0-or-later
/* Bytes of the control socket, a request a line, against a small cluster: they
 * are answered by an object with a schema, whatever they say. */
#include <assert.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "requests.h"

#define ROUTES	     24
#define REQUESTS_MAX 32 /* of one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t now_ns = 1000 * NS_PER_S;

static uint64_t virtual_now(void)
{
	return now_ns;
}

static void note(struct requests_context *ctx, const struct note *note)
{
	struct store_event event = { .seq = now_ns, .note = *note };

	requests_note(ctx, &event);
}

static int step(void *arg, const struct event *ev)
{
	struct requests_context *ctx = arg;
	struct effects *fx = effects_new();
	int err;

	now_ns += 300 * NS_PER_MS;
	err = cluster_step(ctx->cluster, ev, now_ns, fx);
	for (unsigned i = 0; i < effects_count(fx); i++) {
		if (effects_at(fx, i)->type == EFFECT_NOTE)
			note(ctx, &effects_at(fx, i)->note);
	}
	effects_free(fx);
	return err;
}

static void ignore_shutdown(void *arg, bool flush)
{
}

static void join(struct requests_context *ctx, unsigned i)
{
	const uint8_t bytes[4] = { 198, 19, 0, (uint8_t)i };
	struct message_hello hello = { .instance = i, .health = HEALTH_UP };
	struct event ev = { .type = EVENT_HELLO, .link = i, .hello = &hello };

	snprintf(hello.name, sizeof(hello.name), "n%u", i);
	hello.addr[FAMILY_V4] = addr_v4(bytes);
	step(ctx, &ev);
}

static void fill_conf(struct conf *conf)
{
	const uint8_t vip[4] = { 198, 18, 0, 100 };

	conf->routes = ROUTES;
	conf->vip[FAMILY_V4] = addr_v4(vip);
	conf->n_services = 1;
	conf->services[0] = (struct conf_service){ .name = "browser",
						   .listen = 8001,
						   .protocol = IPPROTO_TCP };
}

static void ask(struct requests_context *ctx, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *answer;
	char *text;

	if (json_is_object(request)) {
		answer = requests_handle(ctx, request, NULL);
		text = json_dumps(answer, JSON_COMPACT);
		assert(text && json_object_get(answer, "schema"));
		free(text);
		json_decref(answer);
	}
	json_decref(request);
}

static void ask_lines(struct requests_context *ctx, const char *text,
		      size_t size)
{
	for (unsigned i = 0; size && i < REQUESTS_MAX; i++) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;

		ask(ctx, text, len);
		len += end != NULL;
		text += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cluster_conf conf = { .routes = ROUTES,
					   .interval_ns = NS_PER_S,
					   .miss = 5,
					   .panic = 0.5 };
	static struct conf settings;
	struct requests_context ctx = { .conf = &settings,
					.now_ns = virtual_now,
					.step = step,
					.shutdown = ignore_shutdown };
	struct event tick = { .type = EVENT_TICK };

	fill_conf(&settings);
	ctx.arg = &ctx;
	ctx.cluster = cluster_new(&conf, now_ns);
	for (unsigned i = 1; i <= 3; i++)
		join(&ctx, i);
	step(&ctx, &tick);
	ask_lines(&ctx, (const char *)data, size);
	requests_fini(&ctx);
	cluster_free(ctx.cluster);
	return 0;
}
