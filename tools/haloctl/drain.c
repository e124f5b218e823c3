// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl node drain: the order, what is left, and the wait for it */
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"
#include "node.h"
#include "options.h"
#include "print.h"
#include "when.h"

#define LOOK_EVERY_MS 500

static void print_left(struct haloctl *ctl, const json_t *answer)
{
	static const char *const headings[] = { ">ROUTE", ">CONNECTIONS",
						NULL };
	const json_t *list = json_object_get(answer, "flow_routes"), *at;
	struct print_table *t;
	size_t i;

	if (!print_number(answer, "flows"))
		return;
	fprintf(ctl->out, "%lld%s connections\n", print_number(answer, "flows"),
		json_is_true(json_object_get(answer, "more")) ? " or more"
							      : "");
	t = print_table_new(ctl, headings);
	json_array_foreach(list, i, at)
	{
		print_cell(t, NULL, "%lld", print_number(at, "route"));
		print_cell(t, NULL, "%lld", print_number(at, "flows"));
	}
	print_table_end(t, "");
}

static void print_ordered(struct haloctl *ctl, const json_t *answer)
{
	node_print_outcome(ctl, answer);
	print_left(ctl, answer);
}

/* On a terminal one line that changes, with -j a line each time, else none. */
static void show_progress(struct haloctl *ctl, const json_t *left)
{
	char until[PRINT_UNIT_MAX];

	if (ctl->json) {
		haloctl_print_json(ctl, json_incref((json_t *)left));
		fflush(ctl->out);
		return;
	}
	if (!isatty(fileno(ctl->out)))
		return;
	fprintf(ctl->out, "\r%s is %s: %lld connections on %zu routes",
		print_text(left, "node"), print_text(left, "state"),
		print_number(left, "flows"),
		json_array_size(json_object_get(left, "flow_routes")));
	if (print_number(left, "until_ms"))
		fprintf(ctl->out, ", %s more",
			print_duration(print_number(left, "until_ms"), until));
	fputs("\033[K", ctl->out);
	fflush(ctl->out);
}

static void end_progress(struct haloctl *ctl)
{
	if (!ctl->json && isatty(fileno(ctl->out)))
		fputs("\r\033[K", ctl->out);
}

/* How many connections the node still has; an exit code after telling. */
static int look(struct haloctl *ctl, const char *name, long long *flows)
{
	json_t *left;
	int err = client_ask(
		ctl, json_pack("{s:s, s:s}", "cmd", "node.flows", "name", name),
		&left);

	if (err)
		return err;
	*flows = print_number(left, "flows");
	if (*flows)
		show_progress(ctl, left);
	json_decref(left);
	return 0;
}

/* The daemon answers the order when the node is drained, or will never be. */
static int wait_for_answer(struct haloctl *ctl, struct client *client,
			   const char *name, json_t **answer)
{
	long long flows;
	int err = 0;

	while (!err && !client_is_ready(client, LOOK_EVERY_MS))
		err = look(ctl, name, &flows);
	return err ? err : client_receive(client, answer, CLIENT_TIMEOUT_MS);
}

/* Drained, it may have connections that are being ended, or that live on where
 * there is no deadline. */
static int wait_for_last(struct haloctl *ctl, const char *name)
{
	long long flows = 0;
	int err = look(ctl, name, &flows);

	while (!err && flows) {
		usleep(LOOK_EVERY_MS * 1000);
		err = look(ctl, name, &flows);
	}
	return err;
}

static int drain_and_wait(struct haloctl *ctl, json_t *take_request,
			  const char *name)
{
	struct client *client;
	json_t *answer = NULL;
	int err = client_open(ctl, &client);

	if (err) {
		json_decref(take_request);
		return err;
	}
	err = client_send(client, take_request);
	if (!err)
		err = wait_for_answer(ctl, client, name, &answer);
	client_close(client);
	if (!err)
		err = wait_for_last(ctl, name);
	end_progress(ctl);
	if (!err && ctl->json)
		return haloctl_print_json(ctl, answer);
	if (!err)
		node_print_outcome(ctl, answer);
	json_decref(answer);
	return err;
}

int cmd_node_drain(struct haloctl *ctl, int argc, char **argv)
{
	bool wait = false, dry_run = false;
	const char *deadline = NULL;
	const struct option_spec specs[] = {
		{ .name = "wait", .flag = &wait },
		{ .name = "dry-run", .flag = &dry_run },
		{ .name = "deadline", .value = &deadline },
		{ 0 },
	};
	int err = options_parse(ctl, &argc, argv, specs, 1, 1);
	uint64_t deadline_ms = 0;
	json_t *request;

	if (err)
		return err;
	if (deadline && when_parse_duration(deadline, &deadline_ms))
		return haloctl_usage(ctl,
				     "'%s' is no duration: 500ms, 30s, 10m, 2h",
				     deadline);
	wait &= !dry_run;
	request = json_pack("{s:s, s:s, s:b, s:b, s:I}", "cmd", "node.drain",
			    "name", argv[1], "wait", wait, "dry_run", dry_run,
			    "deadline_ms", (json_int_t)deadline_ms);
	return wait ? drain_and_wait(ctl, request, argv[1])
		    : client_show(ctl, request, print_ordered);
}
