// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl report: what somebody who is to help wants to see, in one file. It
 * never opens a key. What cannot be had is told in its place. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"
#include "conf/conf.h"
#include "config.h"
#include "io/store_db.h"
#include "options.h"
#include "print.h"
#include "table.h"

#define SECTION_MAX (1 << 20) /* bytes; what is more is cut, and said */
#define EVENTS_MAX  2000      /* the newest, from the disk */

struct report {
	struct haloctl *ctl;
	FILE *out;
	struct haloctl asks; /* tells its errors in the report */
	bool daemon;	     /* it answers */
	const char *config;
	char state[256]; /* the store's file */
};

static void title(struct report *r, const char *text)
{
	fprintf(r->out, "\n==== %s ====\n", text);
}

/* At most SECTION_MAX bytes of it. */
static void copy(struct report *r, FILE *in)
{
	size_t left = SECTION_MAX, n;
	char block[4096];

	while (left && (n = fread(block, 1, sizeof(block), in)) > 0) {
		n = n < left ? n : left;
		fwrite(block, 1, n, r->out);
		left -= n;
	}
	if (!left)
		fputs("\n… cut here\n", r->out);
}

static void copy_file(struct report *r, const char *path)
{
	FILE *in = fopen(path, "r");

	if (!in) {
		fprintf(r->out, "%s: %s\n", path, strerror(errno));
		return;
	}
	copy(r, in);
	fclose(in);
}

/* A fixed command of the system, for at most 10 s. */
static void run(struct report *r, const char *command)
{
	char line[200];
	FILE *in;

	title(r, command);
	snprintf(line, sizeof(line), "timeout 10 %s 2>&1", command);
	in = popen(line, "r");
	if (!in) {
		fprintf(r->out, "%s\n", strerror(errno));
		return;
	}
	copy(r, in);
	pclose(in);
}

static void put_json(struct report *r, json_t *take_value)
{
	char *text = json_dumps(take_value, JSON_INDENT(1));
	size_t len = text ? strlen(text) : 0;
	bool cut = len > SECTION_MAX;

	fwrite(text, 1, cut ? SECTION_MAX : len, r->out);
	fputs(cut ? "\n… cut here\n" : "\n", r->out);
	free(text);
	json_decref(take_value);
}

/* One question to the daemon; list: the member that comes in pages. */
static void ask(struct report *r, const char *cmd, const char *list,
		const char *page)
{
	json_t *request = json_pack("{s:s}", "cmd", cmd), *answer;
	int err;

	title(r, cmd);
	err = list ? client_ask_all(&r->asks, request, list, page, &answer)
		   : client_ask(&r->asks, request, &answer);
	if (!err)
		put_json(r, answer);
}

static void ask_table(struct report *r)
{
	json_t *table;

	title(r, "table.dump");
	if (!table_ask(&r->asks, &table))
		put_json(r, table);
}

static void ask_daemon(struct report *r)
{
	json_t *status;

	title(r, "status");
	r->daemon = !client_ask(&r->asks, json_pack("{s:s}", "cmd", "status"),
				&status);
	if (!r->daemon) {
		fputs("halod does not answer: what follows is what is left\n",
		      r->out);
		return;
	}
	put_json(r, status);
	ask(r, "doctor", NULL, NULL);
	ask(r, "stats", NULL, NULL);
	ask(r, "node.list", "nodes", "from");
	ask(r, "route.list", "routes", "from");
	ask_table(r);
}

static void put_diags(struct report *r, const struct diag_list *diags)
{
	for (unsigned i = 0; i < diags->count; i++)
		fprintf(r->out, "%s:%u: %s: %s\n", diags->items[i].file,
			diags->items[i].line,
			diags->items[i].warning ? "warning" : "error",
			diags->items[i].text);
	if (!diags->errors)
		fputs("good\n", r->out);
}

static void put_config(struct report *r)
{
	struct diag_list *diags = calloc(1, sizeof(*diags));
	struct conf *conf = calloc(1, sizeof(*conf));

	title(r, r->config);
	copy_file(r, r->config);
	title(r, "config check");
	if (diags && conf && !conf_load(conf, r->config, diags))
		snprintf(r->state, sizeof(r->state), "%s", conf->state);
	if (diags)
		put_diags(r, diags);
	free(conf);
	free(diags);
}

static void put_event(struct report *r, const struct store_event *e)
{
	const struct note *n = &e->note;
	char routes[128];

	fprintf(r->out, "%llu %llu.%03llu %s", (unsigned long long)e->seq,
		(unsigned long long)e->time_ms / 1000,
		(unsigned long long)e->time_ms % 1000, note_kind_name(n->kind));
	if (*n->node)
		fprintf(r->out, " node=%s", n->node);
	if (*n->from || *n->to)
		fprintf(r->out, " from=%s to=%s", n->from, n->to);
	if (n->routes.count)
		fprintf(r->out, " routes=%s",
			route_set_format(&n->routes, routes, sizeof(routes)));
	fprintf(r->out,
		" version=%llu ms=%llu applied_us=%llu why=\"%s\" "
		"event=\"%s\"\n",
		(unsigned long long)n->version, (unsigned long long)n->ms,
		(unsigned long long)e->applied_us, n->why, n->event);
}

static int read_events(struct store_db *db, struct store_event **out)
{
	uint64_t last;
	int err = store_db_last_seq(db, &last);

	return err ? err
		   : store_db_history(db,
				      last > EVENTS_MAX ? last - EVENTS_MAX : 0,
				      NULL, 0, EVENTS_MAX, out);
}

/* Straight from the disk: the daemon may be dead, and may not have written
 * what it says. Nothing is written there. */
static void put_history(struct report *r)
{
	struct store_event *events = NULL;
	struct store_db *db = NULL;
	int n;

	title(r, "history on disk (seq, seconds since 1970, event)");
	n = *r->state ? store_db_open_readonly(&db, r->state) : -ENOENT;
	if (!n)
		n = read_events(db, &events);
	if (n < 0)
		fprintf(r->out, "%s: %s\n", *r->state ? r->state : "no state",
			strerror(-n));
	for (int i = 0; i < n; i++)
		put_event(r, &events[i]);
	free(events);
	store_db_close(db);
}

static void put_sysctls(struct report *r)
{
	static const char *const names[] = {
		"net/ipv4/ip_forward",
		"net/ipv6/conf/all/forwarding",
		"net/ipv4/conf/all/rp_filter",
		"net/ipv4/ip_local_port_range",
		"net/netfilter/nf_conntrack_max",
		"net/netfilter/nf_conntrack_count",
		"net/netfilter/nf_conntrack_events",
		"net/netfilter/nf_conntrack_tcp_loose",
		"net/netfilter/nf_conntrack_tcp_be_liberal",
		"net/core/rmem_max",
	};
	char path[96];

	title(r, "sysctls");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/sys/%s", names[i]);
		fprintf(r->out, "%s = ", names[i]);
		copy_file(r, path);
	}
	title(r, "netfilter queues, logs");
	copy_file(r, "/proc/net/netfilter/nfnetlink_queue");
	copy_file(r, "/proc/net/netfilter/nfnetlink_log");
}

static void gather(struct report *r)
{
	static const char *const commands[] = {
		"uname -a",
		"nft --stateless list table inet halod",
		"nft list tables",
		"ip -br addr",
		"ip route",
		"ip -6 route",
		"journalctl -u halod -n 300 --no-pager",
	};
	time_t now = time(NULL);

	fprintf(r->out, "haloctl %s, report of %s", HALO_VERSION, ctime(&now));
	ask_daemon(r);
	put_config(r);
	put_history(r);
	put_sysctls(r);
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		run(r, commands[i]);
}

static int fail(struct haloctl *ctl, const char *file, int err)
{
	return haloctl_fail(ctl, HALOCTL_FAILED,
			    &(struct haloctl_error){
				    .what = "cannot write the report to",
				    .object = file,
				    .why = strerror(err),
				    .advice = "haloctl report FILE, where "
					      "there is no such file yet" });
}

/* For its owner alone, and never over a file that is there. */
static FILE *create(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int tell(struct report *r, const char *file, long bytes)
{
	if (r->ctl->json)
		return haloctl_print_json(
			r->ctl,
			json_pack("{s:i, s:s, s:I, s:b}", "schema",
				  HALOCTL_SCHEMA, "file", file, "bytes",
				  (json_int_t)bytes, "daemon", r->daemon));
	fprintf(r->ctl->out, "%s: %ld bytes%s\n", file, bytes,
		r->daemon ? "" : "; halod did not answer");
	return HALOCTL_OK;
}

int cmd_report(struct haloctl *ctl, int argc, char **argv)
{
	struct report r = { .ctl = ctl, .config = CONFIG_FILE };
	const struct option_spec specs[] = {
		{ .name = "config", .value = &r.config },
		{ 0 },
	};
	int err = options_parse(ctl, &argc, argv, specs, 0, 1);
	char name[64];
	const char *file = name;
	time_t now = time(NULL);
	struct tm tm;
	long bytes;

	if (err)
		return err;
	gmtime_r(&now, &tm);
	strftime(name, sizeof(name), "halod-report-%Y%m%dT%H%M%SZ.txt", &tm);
	if (argc > 1)
		file = argv[1];
	r.out = create(file);
	if (!r.out)
		return fail(ctl, file, errno);
	r.asks = *ctl;
	r.asks.json = false;
	r.asks.err = r.asks.out = r.out;
	gather(&r);
	bytes = ftell(r.out);
	err = ferror(r.out);
	if (fclose(r.out) || err)
		return fail(ctl, file, errno ? errno : EIO);
	return tell(&r, file, bytes);
}
