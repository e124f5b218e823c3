// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl service list */
#include "client.h"
#include "commands.h"
#include "options.h"
#include "print.h"

static void print_services(struct haloctl *ctl, const json_t *services)
{
	static const char *const headings[] = { "NAME",	 "PROTOCOL", ">FIRST",
						">LAST", "HANDOVER", NULL };
	struct print_table *t = print_table_new(ctl, headings);
	const json_t *s;
	size_t i;

	json_array_foreach(services, i, s)
	{
		print_cell(t, NULL, "%s", print_text(s, "name"));
		print_cell(t, NULL, "%s", print_text(s, "protocol"));
		print_cell(t, NULL, "%lld", print_number(s, "first_port"));
		print_cell(t, NULL, "%lld", print_number(s, "last_port"));
		print_cell(t, NULL, "%s", print_text(s, "handover"));
	}
	print_table_end(t, "no services");
}

int cmd_service_list(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 0);
	json_t *answer, *services;

	if (!err)
		err = client_ask(ctl, json_pack("{s:s}", "cmd", "status"),
				 &answer);
	if (err)
		return err;
	services = json_object_get(answer, "services");
	if (ctl->json)
		haloctl_print_json(ctl, json_pack("{s:i, s:O}", "schema",
						  HALOCTL_SCHEMA, "services",
						  services));
	else
		print_services(ctl, services);
	json_decref(answer);
	return HALOCTL_OK;
}
