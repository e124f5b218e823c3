// SPDX-License-Identifier: GPL-2.0-or-later
#include "reconf.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "io/clock.h"
#include "requests.h"
#include "settings.h"

static int change_doors(const struct reconf_parts *p, const struct conf *to,
			struct diag_list *diags)
{
	char err[160] = "";
	int ret = carrier_set_doors(p->carrier, p->conf, to, err, sizeof(err));

	if (ret)
		diag_error(diags, p->path, 0,
			   "the plane cannot take it over: %s", err);
	return ret;
}

static int change_cluster(const struct reconf_parts *p, const struct conf *to,
			  struct diag_list *diags)
{
	struct cluster_conf conf;
	int err;

	settings_cluster(&conf, to);
	err = cluster_reconf(p->cluster, &conf, clock_monotonic_ns(), p->fx);
	if (err)
		diag_error(diags, p->path, 0, "the cluster: %s",
			   strerror(-err));
	return err;
}

/* The doors as they were: what could be changed can be changed back. */
static void undo_doors(const struct reconf_parts *p, const struct conf *to)
{
	char err[160];

	if (carrier_set_doors(p->carrier, to, p->conf, err, sizeof(err)))
		log_error("doors not changed back", "why=\"%s\"", err);
}

int reconf_apply(const struct reconf_parts *p, struct reload_read *read)
{
	const struct conf *to = &read->conf;
	int err = read->err;

	if (!err)
		err = change_doors(p, to, &read->diags);
	if (err)
		return err;
	err = change_cluster(p, to, &read->diags);
	if (err) {
		undo_doors(p, to);
		return err;
	}
	agents_apply(p->agents, read->agents);
	read->agents = NULL;
	settings_log_level(p->conf, to);
	*p->conf = *to;
	return 0;
}

static json_t *diags_view(const struct diag_list *diags)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		json_array_append_new(
			list, json_pack("{s:s, s:i, s:s, s:s}", "file", d->file,
					"line", (int)d->line, "level",
					d->warning ? "warning" : "error",
					"text", d->text));
	}
	return list;
}

static void add_name(void *arg, const char *name)
{
	json_array_append_new(arg, json_string(name));
}

static json_t *refusal(const char *path, const struct diag_list *diags)
{
	char why[80];

	snprintf(why, sizeof(why), "%u %s; what was in force still is",
		 diags->errors, diags->errors == 1 ? "error" : "errors");
	return json_pack("{s:i, s:{s:s, s:s, s:s, s:s, s:s}, s:o}", "schema",
			 REQUESTS_SCHEMA, "error", "code", "refused", "what",
			 "cannot reload", "object", path, "why", why, "try",
			 "haloctl config check", "diagnostics",
			 diags_view(diags));
}

json_t *reconf_answer(const char *path, const struct conf *before,
		      const struct reload_read *read)
{
	json_t *changed;

	if (read->diags.errors)
		return refusal(path, &read->diags);
	changed = json_array();
	conf_changes(before, &read->conf, add_name, changed);
	return json_pack("{s:i, s:s, s:o, s:o}", "schema", REQUESTS_SCHEMA,
			 "file", path, "changed", changed, "diagnostics",
			 diags_view(&read->diags));
}
