// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl shutdown */
#include "client.h"
#include "commands.h"
#include "options.h"
#include "print.h"

static void print_stopping(struct haloctl *ctl, const json_t *answer)
{
	bool flush = json_is_true(json_object_get(answer, "flush"));

	fprintf(ctl->out, "halod stops; its rules and flows %s\n",
		flush ? "are removed" : "stay");
}

int cmd_shutdown(struct haloctl *ctl, int argc, char **argv)
{
	bool flush = false;
	const struct option_spec specs[] = {
		{ .name = "flush", .flag = &flush }, { 0 }
	};
	int err = options_parse(ctl, &argc, argv, specs, 0, 0);

	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s, s:b}", "cmd", "shutdown",
					   "flush", flush),
				 print_stopping);
}
