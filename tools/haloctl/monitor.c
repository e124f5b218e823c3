// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl monitor: events as they happen */
#include <errno.h>
#include <stdlib.h>

#include "client.h"
#include "commands.h"
#include "event.h"
#include "history.h"
#include "options.h"
#include "print.h"

static int parse_seq(const char *text, json_int_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno || *text < '0' || *text > '9' || *end ? -EINVAL : 0;
}

static int follow(struct haloctl *ctl, struct client *client)
{
	json_t *event;
	int err;

	for (;;) {
		err = client_receive(client, &event, -1);
		if (err)
			return err;
		history_print(ctl, event);
		json_decref(event);
		if (fflush(ctl->out)) /* nobody reads: main() tells */
			return HALOCTL_OK;
	}
}

int cmd_monitor(struct haloctl *ctl, int argc, char **argv)
{
	const char *since = NULL;
	const struct option_spec specs[] = {
		{ .name = "since", .value = &since }, { 0 }
	};
	int err = options_parse(ctl, &argc, argv, specs, 0, 0);
	json_t *request;
	struct client *client;
	json_int_t seq;

	if (err)
		return err;
	if (since && parse_seq(since, &seq))
		return haloctl_usage(ctl,
				     "'%s' is no sequence number: an "
				     "event's seq",
				     since);
	request = json_pack("{s:s}", "cmd", "monitor");
	if (since) {
		/* what is long ago comes in pages, the rest by the stream */
		err = history_catch_up(ctl, &seq);
		json_object_set_new(request, "since", json_integer(seq));
	}
	if (!err)
		err = client_open(ctl, &client);
	if (err) {
		json_decref(request);
		return err;
	}
	err = client_send(client, request);
	if (!err)
		err = follow(ctl, client);
	client_close(client);
	return err;
}
