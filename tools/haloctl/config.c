// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl config check: what halod -t would say, no daemon needed; reload */
#include "config.h"

#include <stdlib.h>

#include "client.h"
#include "commands.h"
#include "conf/conf.h"
#include "options.h"
#include "print.h"

static const char *level_of(const struct diag *d)
{
	return d->warning ? "warning" : "error";
}

static void print_diag(struct haloctl *ctl, const struct diag *d)
{
	fprintf(ctl->out, "%s:", d->file);
	if (d->line)
		fprintf(ctl->out, "%u:", d->line);
	fputc(' ', ctl->out);
	print_coloured(ctl, d->warning ? "yellow" : "red", level_of(d), 0);
	fprintf(ctl->out, ": %s\n", d->text);
}

static void print_diags(struct haloctl *ctl, const struct diag_list *diags,
			const char *file)
{
	for (unsigned i = 0; i < diags->count; i++)
		print_diag(ctl, &diags->items[i]);
	if (diags->dropped)
		fprintf(ctl->out, "and %u more\n", diags->dropped);
	if (!diags->errors)
		fprintf(ctl->out, "%s: good\n", file);
}

static void print_diags_json(struct haloctl *ctl, const struct diag_list *diags,
			     const char *file)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		json_array_append_new(
			list, json_pack("{s:s, s:i, s:s, s:s}", "file", d->file,
					"line", (int)d->line, "level",
					level_of(d), "text", d->text));
	}
	haloctl_print_json(ctl,
			   json_pack("{s:i, s:s, s:b, s:i, s:o}", "schema",
				     HALOCTL_SCHEMA, "file", file, "good",
				     !diags->errors, "errors",
				     (int)diags->errors, "diagnostics", list));
}

int cmd_config_check(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 1);
	const char *file = argc > 1 ? argv[1] : CONFIG_FILE;
	struct diag_list *diags = calloc(1, sizeof(*diags));
	struct conf *conf = calloc(1, sizeof(*conf));

	if (!err && diags && conf) {
		conf_load(conf, file, diags);
		if (ctl->json)
			print_diags_json(ctl, diags, file);
		else
			print_diags(ctl, diags, file);
		err = diags->errors ? HALOCTL_FAILED : HALOCTL_OK;
	}
	free(conf);
	free(diags);
	return err;
}

static void print_reload(struct haloctl *ctl, const json_t *answer)
{
	const json_t *changed = json_object_get(answer, "changed");
	const json_t *name;
	size_t i;

	fputs(json_array_size(changed) ? "changed:" : "nothing has changed",
	      ctl->out);
	json_array_foreach(changed, i, name) fprintf(
		ctl->out, "%s %s", i ? "," : "", json_string_value(name));
	fputc('\n', ctl->out);
}

int cmd_config_reload(struct haloctl *ctl, int argc, char **argv)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 0);

	return err ? err
		   : client_show(ctl,
				 json_pack("{s:s}", "cmd", "config.reload"),
				 print_reload);
}
