// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl monitor: events as they happen, over restarts of the daemon */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "client.h"
#include "commands.h"
#include "event.h"
#include "history.h"
#include "options.h"
#include "print.h"
#include "when.h"

#define RETRY_MS 60000 /* a restart takes less */
#define PAUSE_MS 200

struct monitor {
	struct haloctl *ctl;
	json_int_t seq; /* of the last event seen; -1: none so far */
	uint64_t retry_ms;
	bool connected;	  /* it has been: to lose it may be a restart */
	bool broken_pipe; /* nobody reads: main() tells */
};

static int parse_seq(const char *text, json_int_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno || *text < '0' || *text > '9' || *end ? -EINVAL : 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* An exit code, when the stream has ended. */
static int follow(struct monitor *m, struct client *client)
{
	json_t *event;
	int err;

	while (!(err = client_receive(client, &event, -1))) {
		m->seq = print_number(event, "seq");
		history_print(m->ctl, event);
		json_decref(event);
		if (fflush(m->ctl->out)) {
			m->broken_pipe = true;
			break;
		}
	}
	return err;
}

/* What is long ago comes in pages, the rest by the stream. */
static int subscribe(struct monitor *m, struct client **out)
{
	json_t *request = json_pack("{s:s}", "cmd", "monitor");
	int err = m->seq >= 0 ? history_catch_up(m->ctl, &m->seq) : 0;

	if (m->seq >= 0)
		json_object_set_new(request, "since", json_integer(m->seq));
	if (!err)
		err = client_open(m->ctl, out);
	if (err)
		json_decref(request);
	else
		err = client_send(*out, request);
	return err;
}

static int run_once(struct monitor *m)
{
	struct client *client = NULL;
	int err = subscribe(m, &client);

	if (!err) {
		m->connected = true;
		m->ctl->retries = m->retry_ms > 0;
		err = follow(m, client);
	}
	client_close(client);
	return err;
}

/* One that says its events end before ours began to count anew, or lost what a
 * crash kept from its disk: to wait for greater numbers would be to miss some.
 */
static int meet_again(struct monitor *m, uint64_t lost_ms)
{
	json_t *status;
	json_int_t last;
	char text[PRINT_UNIT_MAX];
	bool behind;
	int err = client_ask(m->ctl, json_pack("{s:s}", "cmd", "status"),
			     &status);

	if (err)
		return err;
	last = print_number(json_object_get(status, "store"), "seq");
	json_decref(status);
	behind = m->seq > last;
	if (behind)
		m->seq = last;
	if (m->ctl->json)
		return haloctl_print_json(
			m->ctl,
			json_pack("{s:i, s:s, s:I, s:o, s:b}", "schema",
				  HALOCTL_SCHEMA, "notice", "reconnected",
				  "lost_ms", (json_int_t)lost_ms, "since",
				  m->seq >= 0 ? json_integer(m->seq)
					      : json_null(),
				  "gap", behind));
	fprintf(m->ctl->err, "haloctl: connected again after %s%s\n",
		print_duration((long long)lost_ms, text),
		behind ? "; some events may be missing" : "");
	return HALOCTL_OK;
}

/* HALOCTL_UNREACHABLE, told, when its patience is over. */
static int reconnect(struct monitor *m)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000l };
	uint64_t lost = now_ms();
	int err;

	fputs("haloctl: lost halod: connecting again\n", m->ctl->err);
	do {
		nanosleep(&pause, NULL);
		m->ctl->retries = now_ms() - lost < m->retry_ms;
		err = meet_again(m, now_ms() - lost);
	} while (err == HALOCTL_UNREACHABLE && m->ctl->retries);
	return err;
}

static int watch(struct monitor *m)
{
	int err = run_once(m);

	while (err == HALOCTL_UNREACHABLE && m->ctl->retries &&
	       !m->broken_pipe) {
		err = reconnect(m);
		if (!err)
			err = run_once(m);
	}
	return err;
}

int cmd_monitor(struct haloctl *ctl, int argc, char **argv)
{
	struct monitor m = { .ctl = ctl, .seq = -1, .retry_ms = RETRY_MS };
	const char *since = NULL, *retry = NULL;
	const struct option_spec specs[] = {
		{ .name = "since", .value = &since },
		{ .name = "retry", .value = &retry },
		{ 0 },
	};
	int err = options_parse(ctl, &argc, argv, specs, 0, 0);

	if (err)
		return err;
	if (since && parse_seq(since, &m.seq))
		return haloctl_usage(ctl,
				     "'%s' is no sequence number: an "
				     "event's seq",
				     since);
	if (retry && when_parse_duration(retry, &m.retry_ms))
		return haloctl_usage(ctl, "'%s' is no duration: 0s, 30s, 10m",
				     retry);
	return watch(&m);
}
