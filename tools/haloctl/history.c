// SPDX-License-Identifier: GPL-2.0-or-later
#include "history.h"

#include <time.h>

#include "client.h"
#include "commands.h"
#include "event.h"
#include "options.h"
#include "print.h"
#include "when.h"

#define DEFAULT_SINCE "24h"

void history_print(struct haloctl *ctl, json_t *event)
{
	if (ctl->json)
		haloctl_print_json(ctl, json_incref(event));
	else
		event_print(ctl, event);
}

/* A page at a time: what a daemon has kept may be long. */
int history_catch_up(struct haloctl *ctl, json_int_t *seq)
{
	json_t *answer, *event;
	bool more = true;
	size_t i;

	while (more) {
		int err = client_ask(ctl,
				     json_pack("{s:s, s:I}", "cmd", "history",
					       "since", *seq),
				     &answer);

		if (err)
			return err;
		json_array_foreach(json_object_get(answer, "events"), i, event)
		{
			history_print(ctl, event);
			*seq = print_number(event, "seq");
		}
		more = print_number(answer, "next") != 0;
		json_decref(answer);
		if (fflush(ctl->out))
			return HALOCTL_FAILED;
	}
	return HALOCTL_OK;
}

static void print_history(struct haloctl *ctl, const json_t *answer)
{
	const json_t *events = json_object_get(answer, "events"), *event;
	size_t i;

	json_array_foreach(events, i, event) event_print(ctl, event);
	if (!json_array_size(events))
		fputs("nothing has happened\n", ctl->out);
}

int cmd_history(struct haloctl *ctl, int argc, char **argv)
{
	const char *node = NULL, *since = DEFAULT_SINCE;
	const struct option_spec specs[] = {
		{ .name = "node", .value = &node },
		{ .name = "since", .value = &since },
		{ 0 },
	};
	int err = options_parse(ctl, &argc, argv, specs, 0, 0);
	json_t *request, *answer;
	uint64_t from_ms;

	if (err)
		return err;
	if (when_parse_since(since, (uint64_t)time(NULL) * 1000, &from_ms))
		return haloctl_usage(ctl,
				     "'%s' is no time: 10m, 2h, "
				     "2026-11-21T03:04:05Z, seconds since 1970",
				     since);
	request = json_pack("{s:s, s:I}", "cmd", "history", "from_ms",
			    (json_int_t)from_ms);
	if (node)
		json_object_set_new(request, "node", json_string(node));
	err = client_ask_all(ctl, request, "events", "since", &answer);
	if (err)
		return err;
	if (ctl->json)
		return haloctl_print_json(ctl, answer);
	print_history(ctl, answer);
	json_decref(answer);
	return HALOCTL_OK;
}
