// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/conf.h"

#include <errno.h>
#include <libconfig.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "conf/change.h"
#include "conf/check.h"
#include "conf/print.h"
#include "conf/read.h"
#include "conf/source.h"

static const struct conf defaults = {
	.agents = {
		.profile = PROFILE_DEFAULT,
		.auth = AUTH_PSK,
		.keys = "/etc/halod/keys",
	},
	.plane = "auto",
	.state = "/var/lib/halod/halod.db",
	.control = "/run/halod/halod.sock",
	.log_level = "info",
	.settle_ns = 500 * NS_PER_MS,
	.move_grace_ns = 500 * NS_PER_MS,
	.rejoin_ns = 5 * NS_PER_S,
	.hold_down_ns = 10 * NS_PER_S,
	.hold_down_max_ns = 300 * NS_PER_S,
	.restart_grace_ns = 10 * NS_PER_S,
	.no_node_hold_ns = 3 * NS_PER_S,
	.panic = 0.5,
	.ct_mark_mask = 0xffff0000,
	.nfqueue = {
		.queue = 100,
		.workers = 1,
		.queue_len = 16384,
		.flows_max = 1000000,
		.held_max = 8192,
	},
};

static const struct {
	uint64_t interval_ns;
	unsigned miss;
} profiles[] = {
	[PROFILE_DEFAULT] = { 200 * NS_PER_MS, 5 },
	[PROFILE_FAST] = { 10 * NS_PER_MS, 3 },
};

/* What the file does not say, the profile does. */
static void complete_agents(struct conf_agents *agents)
{
	if (!agents->interval_ns)
		agents->interval_ns = profiles[agents->profile].interval_ns;
	if (!agents->miss)
		agents->miss = profiles[agents->profile].miss;
}

static void read_root(const struct setting_source *src, const config_t *config,
		      struct conf *conf)
{
	const config_setting_t *root = config_root_setting(config);

	*conf = defaults;
	read_group(src, root, rule_root, conf);
	complete_agents(&conf->agents);
	check_conf(src, root, conf);
}

static void report_syntax(const struct setting_source *src,
			  const config_t *config)
{
	const char *file = config_error_file(config);

	diag_error(
		src->diags, file ? file : src->name,
		(unsigned)config_error_line(config),
		"%s; expected is name = value; with values as in halod.conf(5)",
		config_error_text(config));
}

/* Where the text is from, and what it is to be measured by. */
struct origin {
	const char *name;
	const char *dir; /* of relative includes; NULL: the working one */
	const struct conf *running; /* NULL: nothing runs */
};

static int parse(struct conf *out, const char *text,
		 const struct origin *origin, struct diag_list *diags)
{
	struct setting_source src = { .name = origin->name, .diags = diags };
	unsigned errors_before = diags->errors;
	struct conf conf;
	config_t config;

	if (source_check(text, origin->name, origin->dir, diags))
		return -EINVAL;
	config_init(&config);
	if (origin->dir)
		config_set_include_dir(&config, origin->dir);
	if (config_read_string(&config, text))
		read_root(&src, &config, &conf);
	else
		report_syntax(&src, &config);
	if (diags->errors == errors_before && origin->running)
		check_change(&src, config_root_setting(&config),
			     origin->running, &conf);
	config_destroy(&config);
	if (diags->errors != errors_before)
		return -EINVAL;
	*out = conf;
	return 0;
}

int conf_parse(struct conf *out, const char *text, const char *name,
	       struct diag_list *diags)
{
	struct origin origin = { .name = name };

	return parse(out, text, &origin, diags);
}

static int load(struct conf *out, const char *path, const struct conf *running,
		struct diag_list *diags)
{
	char *text = source_read(path, "configuration", diags);
	const char *slash = strrchr(path, '/');
	struct origin origin = { .name = path, .running = running };
	char *dir;
	int err;

	if (!text)
		return -EINVAL;
	dir = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1)
		    : NULL;
	origin.dir = dir;
	err = parse(out, text, &origin, diags);
	free(dir);
	free(text);
	return err;
}

int conf_load(struct conf *out, const char *path, struct diag_list *diags)
{
	return load(out, path, NULL, diags);
}

int conf_reload(struct conf *out, const char *path, const struct conf *running,
		struct diag_list *diags)
{
	return load(out, path, running, diags);
}

void conf_print(const struct conf *conf, FILE *out)
{
	print_group(out, rule_root, conf, 0);
}
