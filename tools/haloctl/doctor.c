// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl doctor */
#include <string.h>

#include "client.h"
#include "commands.h"
#include "options.h"
#include "print.h"

static const char *colour_of(const char *level)
{
	if (!strcmp(level, "ok"))
		return "green";
	return strcmp(level, "warn") ? "red" : "yellow";
}

static void print_checks(struct haloctl *ctl, const json_t *answer)
{
	const json_t *checks = json_object_get(answer, "checks"), *check;
	size_t i;

	json_array_foreach(checks, i, check)
	{
		const char *level = print_text(check, "level");
		const char *fix = print_text(check, "fix");

		print_coloured(ctl, colour_of(level), level, 6);
		fprintf(ctl->out, "%-20s %s\n", print_text(check, "check"),
			print_text(check, "text"));
		if (*fix)
			fprintf(ctl->out, "%26s fix: %s\n", "", fix);
	}
	if (!json_array_size(checks))
		fputs("this halod has no checks of its host\n", ctl->out);
}

static bool has_failed(const json_t *answer)
{
	const json_t *check;
	size_t i;

	json_array_foreach(json_object_get(answer, "checks"), i, check)
	{
		if (!strcmp(print_text(check, "level"), "fail"))
			return true;
	}
	return false;
}

int cmd_doctor(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 0);
	json_t *answer;

	if (!err)
		err = client_ask(ctl, json_pack("{s:s}", "cmd", "doctor"),
				 &answer);
	if (err)
		return err;
	err = has_failed(answer) ? HALOCTL_FAILED : HALOCTL_OK;
	if (ctl->json) {
		haloctl_print_json(ctl, answer);
		return err;
	}
	print_checks(ctl, answer);
	json_decref(answer);
	return err;
}
