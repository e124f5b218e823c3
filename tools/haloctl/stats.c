// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl stats */
#include "client.h"
#include "commands.h"
#include "options.h"
#include "print.h"

static void print_losses(struct haloctl *ctl, const json_t *answer)
{
	const json_t *plane = json_object_get(answer, "plane");
	const json_t *agents = json_object_get(answer, "agents");
	char a[PRINT_UNIT_MAX], b[PRINT_UNIT_MAX];

	print_field(ctl, "plane", "%s, %s packets in %s batches",
		    print_text(plane, "name"),
		    print_count(print_number(plane, "queued"), a),
		    print_count(print_number(plane, "batches"), b));
	print_field(ctl, "lost",
		    "%lld in the queue, %lld at the socket, %lld verdicts",
		    print_number(plane, "lost_queue"),
		    print_number(plane, "lost_socket"),
		    print_number(plane, "failed"));
	if (print_number(plane, "journal_taken"))
		print_field(
			ctl, "journal", "%s SYNs, %lld lost",
			print_count(print_number(plane, "journal_taken"), a),
			print_number(plane, "journal_lost"));
	print_carried(ctl, "flows", plane);
	print_field(ctl, "agents",
		    "%lld accepted, %lld refused, %lld handshakes (%lld "
		    "failed), %s beats",
		    print_number(agents, "accepted"),
		    print_number(agents, "refused"),
		    print_number(agents, "handshakes"),
		    print_number(agents, "handshake_failures"),
		    print_count(print_number(agents, "beats"), a));
	fputc('\n', ctl->out);
}

static void print_packets(struct haloctl *ctl, const json_t *answer, bool all)
{
	static const char *const headings[] = { "PACKETS", ">COUNT", NULL };
	struct print_table *t = print_table_new(ctl, headings);
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(answer, "packets"), i, item)
	{
		if (!all && !print_number(item, "count"))
			continue;
		print_cell(t, NULL, "%s", print_text(item, "reason"));
		print_cell(t, NULL, "%lld", print_number(item, "count"));
	}
	print_table_end(t, "no packet has been seen");
}

int cmd_stats(struct haloctl *ctl, int argc, char **argv)
{
	bool all = false;
	const struct option_spec specs[] = { { .name = "all", .flag = &all },
					     { 0 } };
	int err = options_parse(ctl, &argc, argv, specs, 0, 0);
	json_t *answer;

	if (!err)
		err = client_ask(ctl, json_pack("{s:s}", "cmd", "stats"),
				 &answer);
	if (err)
		return err;
	if (ctl->json)
		return haloctl_print_json(ctl, answer);
	print_losses(ctl, answer);
	print_packets(ctl, answer, all);
	json_decref(answer);
	return HALOCTL_OK;
}
