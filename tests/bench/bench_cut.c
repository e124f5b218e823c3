/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long the agent takes to end 10,000 connections of a route that moves,
 * with 8,000 of a route that stays beside them, and how long it is deaf for a
 * beat meanwhile. In a network namespace of its own; needs root.
 */
#include <ev.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../nodeagent/cutter.h"
#include "base/units.h"
#include "io/clock.h"

#define MOVING	10000
#define STAYING 8000
#define DOOR	8001

struct run {
	uint64_t last_ns, longest_ns; /* between two rounds of the loop */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void set_up_world(void)
{
	struct rlimit files;

	if (unshare(CLONE_NEWNET))
		die("unshare");
	if (system("ip link set lo up && ip addr add 198.19.0.11/32 dev lo && "
		   "ip addr add 198.18.0.1/32 dev lo && "
		   "ip addr add 198.18.0.2/32 dev lo"))
		exit(1);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("setrlimit");
}

static int socket_at(const char *addr, uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct endpoint e = { .port = port };
	struct sockaddr_storage sa;
	socklen_t len;

	addr_parse(&e.addr, addr);
	endpoint_to_sockaddr(&e, &sa, &len);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len))
		die("bind");
	return fd;
}

/* In a process of its own, which goes when this one does. */
static void connect_all(const char *from, const struct sockaddr *door,
			socklen_t len, unsigned count)
{
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < count; i++)
		if (connect(socket_at(from, 0), door, len))
			die("connect");
	pause();
	_exit(0);
}

static void fill(const char *from, uint16_t port, unsigned count)
{
	int listener = socket_at("198.19.0.11", port);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (listen(listener, 4096) ||
	    getsockname(listener, (struct sockaddr *)&sa, &len))
		die("listen");
	connect_all(from, (struct sockaddr *)&sa, len, count);
	for (unsigned i = 0; i < count; i++)
		if (accept(listener, NULL, NULL) < 0)
			die("accept");
}

static void on_cut(void *arg, uint32_t id)
{
	ev_break(EV_DEFAULT, EVBREAK_ALL);
}

static void on_round(struct ev_loop *loop, ev_check *check, int revents)
{
	uint64_t now = clock_monotonic_ns();
	struct run *r = check->data;

	if (now - r->last_ns > r->longest_ns)
		r->longest_ns = now - r->last_ns;
	r->last_ns = now;
}

int main(void)
{
	static const uint16_t route[] = { 1 };
	struct cut cut = { .id = 1,
			   .routes = { route, 1 },
			   .doors = { 1, { DOOR } } };
	struct run r = { 0 };
	struct cutter *cutter;
	uint64_t began;
	ev_check check;

	if (geteuid()) {
		fprintf(stderr, "bench_cut: needs root\n");
		return 1;
	}
	set_up_world();
	fill("198.18.0.1", DOOR, MOVING);
	fill("198.18.0.2", DOOR + 1, STAYING);
	addr_parse(&cut.local[FAMILY_V4], "198.19.0.11");
	if (cutter_new(&cutter, EV_DEFAULT, on_cut, NULL))
		die("cutter");
	ev_check_init(&check, on_round);
	check.data = &r;
	ev_check_start(EV_DEFAULT, &check);
	began = r.last_ns = clock_monotonic_ns();
	cutter_begin(cutter, &cut);
	ev_run(EV_DEFAULT, 0);
	printf("agent_end_10k_sockets_ms %.1f ms\n",
	       (double)(clock_monotonic_ns() - began) / 1e6);
	printf("agent_end_10k_deaf_ms %.1f ms\n", (double)r.longest_ns / 1e6);
	cutter_free(cutter);
	return 0;
}
