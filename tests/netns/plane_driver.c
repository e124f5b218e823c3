// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opens a plane (HALO_PLANE, else nfqueue) on a table of its own and does what
 * its standard input says, a line a command; answers and events come out a line
 * each, with CLOCK_MONOTONIC microseconds first.
 *
 * plane_driver ROUTES VIP4 VIP6 WORKERS QUEUE [relearn]
 *   doors: tcp 8001…, udp 7001…
 *   node SEAT TAG ADDR4 ADDR6 · route FIRST LAST SEAT · apply · hold FIRST LAST
 *   doors VIP4 VIP6 [tcp|udp PORT]… · release FIRST LAST · end TAG FIRST LAST forced|planned · flows · stats
 *   quit keep|flush
 * HALO_CT_MARK_MASK, HALO_NO_NODE_HOLD_MS, HALO_NODE_PORT and HALO_SNAT (of the
 * lab's nodes) in the environment are settings.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/clock.h"
#include "plane/plane.h"

#define SEATS	  16
#define FLOWS_MAX 64

struct driver {
	const struct plane_ops *ops;
	struct plane *plane;
	struct table *next, *now;
	uint16_t ids[ROUTES_MAX];
	bool quit;
};

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list args;

	printf("%llu ", clock_monotonic_ns() / NS_PER_US);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static void answer(const char *what, int err)
{
	say("%s %s", what, err < 0 ? strerror(-err) : "ok");
}

static struct route_set range(struct driver *d, unsigned first, unsigned last)
{
	for (unsigned r = first; r <= last; r++)
		d->ids[r - first] = (uint16_t)r;
	return (struct route_set){ d->ids, last - first + 1 };
}

static void do_node(struct driver *d, const char *args)
{
	char v4[64] = "", v6[64] = "";
	unsigned seat, tag;
	struct table_seat *s;

	if (sscanf(args, "%u %u %63s %63s", &seat, &tag, v4, v6) != 4 ||
	    seat > SEATS)
		return answer("node", -EINVAL);
	s = &d->next->seat[seat];
	*s = (struct table_seat){ .tag = tag };
	addr_parse(&s->addr[FAMILY_V4], v4);
	addr_parse(&s->addr[FAMILY_V6], v6);
	answer("node", 0);
}

static void do_route(struct driver *d, const char *args)
{
	unsigned first, last, seat;

	if (sscanf(args, "%u %u %u", &first, &last, &seat) != 3 ||
	    last > d->next->routes || seat > SEATS)
		return answer("route", -EINVAL);
	for (unsigned r = first; r <= last; r++)
		d->next->seat_of[r] = (uint16_t)seat;
	answer("route", 0);
}

static void do_apply(struct driver *d, const char *args)
{
	struct table *to = table_copy(d->next);
	struct table_diff diff;
	int err;

	to->version = d->now ? d->now->version + 1 : 1;
	err = table_diff_init(&diff, d->now, to);
	if (!err) {
		err = d->ops->apply(d->plane, &diff);
		table_diff_fini(&diff);
	}
	table_put(d->now);
	d->now = to;
	answer("apply", err);
}

static void hold(struct driver *d, const char *args, bool on)
{
	unsigned first, last;
	struct route_set routes;

	if (sscanf(args, "%u %u", &first, &last) != 2 || last > d->next->routes)
		return answer(on ? "hold" : "release", -EINVAL);
	routes = range(d, first, last);
	answer(on ? "hold" : "release", d->ops->hold(d->plane, &routes, on));
}

static void do_hold(struct driver *d, const char *args)
{
	hold(d, args, true);
}

static void do_release(struct driver *d, const char *args)
{
	hold(d, args, false);
}

static void do_end(struct driver *d, const char *args)
{
	unsigned tag, first, last;
	struct route_set routes;
	char how[16] = "";

	if (sscanf(args, "%u %u %u %15s", &tag, &first, &last, how) != 4 ||
	    last > d->next->routes)
		return answer("end", -EINVAL);
	routes = range(d, first, last);
	say("end asked");
	answer("end", d->ops->end_flows(d->plane, tag, &routes,
					!strcmp(how, "forced")));
}

static void do_doors(struct driver *d, const char *args)
{
	struct engine_conf c = { .no_node_hold_ns = 3 * NS_PER_S };
	char v4[64], v6[64], protocol[4], err[256] = "";
	unsigned port;
	int n, ret;

	if (sscanf(args, "%63s %63s%n", v4, v6, &n) != 2)
		return answer("doors", -EINVAL);
	addr_parse(&c.vip[FAMILY_V4], v4);
	addr_parse(&c.vip[FAMILY_V6], v6);
	for (args += n; c.n_services < SERVICES_MAX &&
			sscanf(args, "%3s %u%n", protocol, &port, &n) == 2;
	     args += n)
		c.services[c.n_services++] = (struct engine_service){
			.name = "door",
			.listen = (uint16_t)port,
			.protocol =
				*protocol == 't' ? IPPROTO_TCP : IPPROTO_UDP,
		};
	ret = d->ops->set_doors(d->plane, &c, err, sizeof(err));
	say("doors %s", ret ? err : "ok");
}

static void do_flows(struct driver *d, const char *args)
{
	struct flow_query any = { 0 };
	struct flow_view flows[FLOWS_MAX];
	int n = d->ops->flows(d->plane, &any, flows, FLOWS_MAX);

	for (int i = 0; i < n; i++) {
		char client[ENDPOINT_STRLEN];

		say("flow %s route=%u tag=%u established=%d",
		    endpoint_format(&flows[i].client, client), flows[i].route,
		    flows[i].tag, flows[i].established);
	}
	say("flows %d", n);
}

static void do_stats(struct driver *d, const char *args)
{
	struct plane_stats s;

	d->ops->stats(d->plane, &s);
	for (unsigned i = 0; i < ENGINE_REASONS; i++)
		if (s.engine.count[i])
			say("count %s %" PRIu64, engine_reason_name(i),
			    s.engine.count[i]);
	say("stats queued=%" PRIu64 " batches=%" PRIu64 " lost=%" PRIu64
	    " truncated=%" PRIu64 " failed=%" PRIu64
	    " workers=%u flows=%" PRIu64 " by=%s",
	    s.queued, s.batches, s.lost_queue + s.lost_socket, s.truncated,
	    s.failed, s.workers, s.engine.flows, s.detail);
}

static void do_quit(struct driver *d, const char *args)
{
	d->ops->close(d->plane, strstr(args, "flush"));
	d->quit = true;
	answer("quit", 0);
}

static const struct {
	const char *name;
	void (*run)(struct driver *d, const char *args);
} commands[] = {
	{ "node", do_node },   { "route", do_route },	  { "apply", do_apply },
	{ "hold", do_hold },   { "doors", do_doors },	  { "end", do_end },
	{ "flows", do_flows }, { "release", do_release }, { "stats", do_stats },
	{ "quit", do_quit },
};

static void run_line(struct driver *d, const char *line)
{
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t len = strlen(commands[i].name);

		if (!strncmp(line, commands[i].name, len))
			return commands[i].run(d, line + len);
	}
	say("what? %s", line);
}

static void show_events(struct driver *d)
{
	static const char *const names[] = {
		[PLANE_FLOWS_ENDED] = "flows-ended",
		[PLANE_REFUSED] = "refused",
		[PLANE_LOST] = "lost",
		[PLANE_DRIFT] = "drift",
	};
	struct plane_event ev;

	while (!d->ops->next_event(d->plane, &ev))
		say("event %s tag=%u route=%u count=%" PRIu64 " ok=%d",
		    names[ev.type], ev.tag, ev.route, ev.count, ev.ok);
}

static void run(struct driver *d)
{
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN },
				{ .fd = d->ops->event_fd(d->plane),
				  .events = POLLIN } };
	char line[256];

	while (!d->quit) {
		poll(fds, 2, -1);
		if (fds[1].revents)
			show_events(d);
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			snprintf(line, sizeof(line), "quit flush");
		run_line(d, line);
	}
}

/* Of the environment. */
static uint32_t number_of(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

static int open_plane(struct driver *d, char **argv, bool relearn)
{
	struct plane_conf conf = {
		.engine = { .routes = (uint16_t)atoi(argv[1]),
			    .n_services = 2,
			    .services = { { "tcp", 8001, IPPROTO_TCP, false },
					  { "udp", 7001, IPPROTO_UDP, false } },
			    .flows_max = 65536,
			    .held_max = 1024,
			    .no_node_hold_ns =
				    number_of("HALO_NO_NODE_HOLD_MS", 3000) *
				    NS_PER_MS,
			    .now_ns = clock_monotonic_ns(),
			    .seed = 0x5eed },
		.workers = (unsigned)atoi(argv[4]),
		.queue = (uint16_t)atoi(argv[5]),
		.queue_len = 8192,
		.ct_mark_mask = number_of("HALO_CT_MARK_MASK", 0xffff0000),
	};
	const char *name = getenv("HALO_PLANE");
	struct prefix networks[2];
	char err[256] = "";
	int ret;

	for (unsigned i = 0; i < conf.engine.n_services; i++)
		conf.engine.nat[i] = (struct engine_nat){
			.node_port = (uint16_t)number_of("HALO_NODE_PORT", 0),
			.snat = getenv("HALO_SNAT"),
		};
	prefix_parse(&networks[0], "198.19.0.0/24");
	prefix_parse(&networks[1], "fd00:198:18:1::/64");
	conf.networks = networks;
	conf.n_networks = ARRAY_SIZE(networks);
	addr_parse(&conf.engine.vip[FAMILY_V4], argv[2]);
	addr_parse(&conf.engine.vip[FAMILY_V6], argv[3]);
	if (relearn)
		conf.relearn = range(d, 1, conf.engine.routes);
	d->next = table_new(conf.engine.routes, SEATS);
	d->ops = plane_by_name(name ? name : "nfqueue");
	ret = d->ops->open(&d->plane, &conf, err, sizeof(err));
	say("open %s", ret ? err : "ok");
	return ret;
}

int main(int argc, char **argv)
{
	static struct driver d;

	if (argc < 6) {
		fprintf(stderr, "usage: plane_driver ROUTES VIP4 VIP6 WORKERS "
				"QUEUE [relearn]\n");
		return 2;
	}
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see every line */
	if (open_plane(&d, argv, argc > 6))
		return 1;
	run(&d);
	table_put(d.now);
	table_put(d.next);
	return 0;
}
