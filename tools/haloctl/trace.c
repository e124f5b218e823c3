// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl trace */
#include <string.h>

#include "client.h"
#include "commands.h"
#include "options.h"
#include "print.h"

static const char *colour_of(const char *state)
{
	if (!strcmp(state, "served"))
		return "green";
	if (!strcmp(state, "moving") || !strcmp(state, "held"))
		return "yellow";
	return strcmp(state, "unowned") ? NULL : "red";
}

static void print_trace(struct haloctl *ctl, const json_t *answer)
{
	const json_t *trace = json_object_get(answer, "trace");
	const json_t *steps = json_object_get(trace, "steps");
	const char *state = print_text(trace, "state");
	const char *address = print_text(trace, "address");
	size_t i, n = json_array_size(steps);

	for (i = 0; i + 1 < n; i++)
		fprintf(ctl->out, "  %s\n",
			json_string_value(json_array_get(steps, i)));
	print_coloured(ctl, colour_of(state), state, 0);
	fprintf(ctl->out, ": %s%s%s%s\n", print_text(trace, "verdict"),
		*address ? " (at " : "", address, *address ? ")" : "");
}

int cmd_trace(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 2, 3);

	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s, s:s, s:s, s:s}", "cmd",
					   "trace", "client", argv[1], "to",
					   argv[2], "protocol",
					   argc > 3 ? argv[3] : "tcp"),
				 print_trace);
}
