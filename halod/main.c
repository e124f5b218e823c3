// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "conf/conf.h"
#include "daemon.h"
#include "io/host.h"
#include "io/privileges.h"
#include "settings.h"

#define DEFAULT_CONF "/etc/halod/halod.conf"

static const char usage[] =
	"Usage: halod [-c FILE] [-d]\n"
	"       halod [-c FILE] -t | -T\n"
	"\n"
	"The load balancer of long-lived connections, on the gateway.\n"
	"\n"
	"  -c, --config FILE  read FILE (" DEFAULT_CONF ")\n"
	"  -t, --test         check FILE and this host, report all that is\n"
	"                     wrong, and exit\n"
	"  -T, --print        print every setting in force, and exit\n"
	"  -d, --debug        log at level debug\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n"
	"\n"
	"See halod(8), halod.conf(5); haloctl(8) looks at a running halod.\n";

struct options {
	const char *path;
	bool test, print, debug;
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "print", no_argument, NULL, 'T' },
	{ "debug", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static void parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:tTdhV", long_options, NULL)) !=
	       -1) {
		switch (c) {
		case 'c':
			o->path = optarg;
			break;
		case 't':
			o->test = true;
			break;
		case 'T':
			o->print = true;
			break;
		case 'd':
			o->debug = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts("halod " HALO_VERSION);
			exit(EXIT_SUCCESS);
		default:
			fputs("Try 'halod --help'.\n", stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "halod: unexpected argument \"%s\"\n",
			argv[optind]);
		exit(2);
	}
}

static void print_diags(const struct diag_list *diags)
{
	for (unsigned i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		if (d->line)
			fprintf(stderr, "%s:%u: %s%s\n", d->file, d->line,
				d->warning ? "warning: " : "", d->text);
		else
			fprintf(stderr, "%s: %s%s\n", d->file,
				d->warning ? "warning: " : "", d->text);
	}
	if (diags->dropped)
		fprintf(stderr, "halod: and %u more\n", diags->dropped);
}

/* What of this host is not as it should be: told, but the file is valid. */
static void print_host_findings(const struct conf *conf)
{
	static struct host_report report;

	host_check(&report, conf, false);
	for (unsigned i = 0; i < report.count; i++) {
		const struct host_finding *f = &report.findings[i];

		if (f->level != HOST_OK)
			fprintf(stderr, "host: %s: %s: %s; fix: %s\n",
				f->subject,
				f->level == HOST_WARNING ? "warning"
							 : "problem",
				f->text, f->fix);
	}
}

/* 2048 agents, their handshakes, and the control socket need more than 1024. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Before there are threads: they have what this one has. */
static void reduce_privileges(const struct conf *conf)
{
	struct privileges wants = {
		.realtime = conf->agents.profile == PROFILE_FAST,
		.low_port = conf->agents.listen.port < 1024,
	};
	int err = privileges_reduce(&wants);

	if (err)
		log_warn("privileges not reduced", "why=\"%s\"",
			 strerror(-err));
}

static int run(const struct conf *conf, const char *path)
{
	char err[256] = "";
	struct daemon *d;
	int failed;

	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	reduce_privileges(conf);
	if (daemon_open(&d, conf, path, err, sizeof(err))) {
		fprintf(stderr, "halod: %s\n", err);
		return EXIT_FAILURE;
	}
	failed = daemon_run(d);
	daemon_close(d);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct diag_list diags;
	static struct conf conf;
	struct options o = { .path = DEFAULT_CONF };
	int err;

	parse_options(&o, argc, argv);
	err = conf_load(&conf, o.path, &diags);
	print_diags(&diags);
	if (err)
		return EXIT_FAILURE;
	if (o.print) {
		conf_print(&conf, stdout);
		return EXIT_SUCCESS;
	}
	if (o.test) {
		print_host_findings(&conf);
		printf("%s: valid\n", o.path);
		return EXIT_SUCCESS;
	}
	settings_log_level(&conf, &conf);
	if (o.debug)
		log_set_level(LOG_LEVEL_DEBUG);
	return run(&conf, o.path);
}
