// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl key new, list, rm: files, no daemon */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "conf/conf.h"
#include "config.h"
#include "io/keys.h"
#include "options.h"
#include "print.h"

#define KEYS_DEFAULT "/etc/halod/keys"

/* What --keys says, else the configuration, else the default. */
static int take_folder(struct haloctl *ctl, int *argc, char **argv, int words,
		       char *out, size_t size)
{
	const char *keys = NULL, *file = CONFIG_FILE;
	const struct option_spec specs[] = {
		{ .name = "keys", .value = &keys },
		{ .name = "config", .value = &file },
		{ 0 },
	};
	int err = options_parse(ctl, argc, argv, specs, words, words);
	struct diag_list *diags = calloc(1, sizeof(*diags));
	struct conf *conf = calloc(1, sizeof(*conf));

	snprintf(out, size, "%s", keys ? keys : KEYS_DEFAULT);
	if (!err && !keys && diags && conf && !access(file, R_OK) &&
	    !conf_load(conf, file, diags))
		snprintf(out, size, "%s", conf->agents.keys);
	free(diags);
	free(conf);
	return err;
}

static int fail(struct haloctl *ctl, const char *what, const char *name,
		int err)
{
	struct haloctl_error error = { .what = what,
				       .object = name,
				       .why = strerror(-err) };
	enum haloctl_exit code = HALOCTL_FAILED;

	if (err == -EEXIST) {
		error.why = "there is one of this name";
		error.advice = "haloctl key rm NAME, if it is to be replaced";
	} else if (err == -EINVAL) {
		error.why = "it is no name or pattern: letters, digits, '.', "
			    "'_', '-', and '*'";
	} else if (err == -ENOENT) {
		error.why = "there is none of this name";
		error.advice = "haloctl key list";
		code = HALOCTL_NOT_FOUND;
	} else if (err == -EACCES || err == -EPERM) {
		error.advice = "run it as root, or name a folder by --keys";
	}
	return haloctl_fail(ctl, code, &error);
}

int cmd_key_new(struct haloctl *ctl, int argc, char **argv)
{
	char folder[256], path[512];
	int err = take_folder(ctl, &argc, argv, 1, folder, sizeof(folder));

	if (err)
		return err;
	err = keys_create(folder, argv[1], path, sizeof(path));
	if (err)
		return fail(ctl, "cannot make key", argv[1], err);
	if (ctl->json)
		return haloctl_print_json(
			ctl, json_pack("{s:i, s:[{s:s, s:s}]}", "schema",
				       HALOCTL_SCHEMA, "keys", "name", argv[1],
				       "path", path));
	fprintf(ctl->out,
		"%s\n  copy it to the node, readable by its agent alone:\n"
		"  halo-agent --key %s …\n"
		"  systemctl reload halod makes it valid\n",
		path, path);
	return HALOCTL_OK;
}

/* Files that are no keys are told; the others are listed all the same. */
static void print_diags(struct haloctl *ctl, const struct diag_list *diags)
{
	for (unsigned i = 0; i < diags->count; i++)
		fprintf(ctl->err, "%s: %s\n", diags->items[i].file,
			diags->items[i].text);
}

static void print_keys(struct haloctl *ctl, const struct keys *keys,
		       const char *folder)
{
	static const char *const headings[] = { "NAME", "FILE", NULL };
	struct print_table *t = print_table_new(ctl, headings);

	for (unsigned i = 0; i < keys_count(keys); i++) {
		print_cell(t, NULL, "%s", keys_name_at(keys, i));
		print_cell(t, NULL, "%s/%s", folder, keys_name_at(keys, i));
	}
	print_table_end(t, "no keys");
}

static int print_keys_json(struct haloctl *ctl, const struct keys *keys,
			   const char *folder)
{
	json_t *list = json_array();
	char path[512];

	for (unsigned i = 0; i < keys_count(keys); i++) {
		const char *name = keys_name_at(keys, i);

		snprintf(path, sizeof(path), "%s/%s", folder, name);
		json_array_append_new(list, json_pack("{s:s, s:s}", "name",
						      name, "path", path));
	}
	return haloctl_print_json(ctl, json_pack("{s:i, s:o}", "schema",
						 HALOCTL_SCHEMA, "keys", list));
}

int cmd_key_list(struct haloctl *ctl, int argc, char **argv)
{
	struct diag_list *diags = calloc(1, sizeof(*diags));
	struct keys *keys = NULL;
	char folder[256];
	int err = take_folder(ctl, &argc, argv, 0, folder, sizeof(folder));

	if (err || !diags) {
		free(diags);
		return err ? err : HALOCTL_FAILED;
	}
	err = keys_load(&keys, folder, diags);
	if (err)
		err = haloctl_fail(
			ctl, HALOCTL_FAILED,
			&(struct haloctl_error){
				"cannot read the keys in", folder,
				diags->count ? diags->items[0].text
					     : strerror(-err),
				"--keys DIR, if they are elsewhere" });
	else
		print_diags(ctl, diags);
	free(diags);
	if (err)
		return err;
	if (ctl->json)
		print_keys_json(ctl, keys, folder);
	else
		print_keys(ctl, keys, folder);
	keys_free(keys);
	return HALOCTL_OK;
}

int cmd_key_rm(struct haloctl *ctl, int argc, char **argv)
{
	char folder[256];
	int err = take_folder(ctl, &argc, argv, 1, folder, sizeof(folder));

	if (err)
		return err;
	err = keys_remove(folder, argv[1]);
	if (err)
		return fail(ctl, "cannot remove key", argv[1], err);
	if (ctl->json)
		return haloctl_print_json(ctl,
					  json_pack("{s:i, s:[{s:s}]}",
						    "schema", HALOCTL_SCHEMA,
						    "keys", "name", argv[1]));
	fprintf(ctl->out,
		"removed %s; systemctl reload halod closes its "
		"connections\n",
		argv[1]);
	return HALOCTL_OK;
}
