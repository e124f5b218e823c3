// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many TCP connections on which nothing happens, and when they end.
 *
 * idle_peer serve PORT COUNT
 *   takes COUNT connections and greets each with an octet
 * idle_peer call ADDRESS PORT COUNT
 *   makes COUNT connections and reads the greetings
 *
 * Both say "ready", then "idle" when all are there and, when all have ended,
 * "ended resets=N others=N"; CLOCK_MONOTONIC microseconds come first. No
 * progress for 10 s: says what there was and fails.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/units.h"
#include "io/clock.h"

#define PEERS_MAX   20000
#define PATIENCE_MS 10000
#define EVENTS	    512
/* Connects under way at once: fewer than a listener's backlog. */
#define CONNECTS 256

struct peer {
	int epoll, listener; /* listener: -1 for a client */
	struct endpoint door;
	unsigned wanted, begun, greeted;
	unsigned resets, others;
};

static void say(const char *what)
{
	printf("%llu %s\n", clock_monotonic_ns() / NS_PER_US, what);
	fflush(stdout);
}

static void say_end(const struct peer *p, const char *what)
{
	char line[80];

	snprintf(line, sizeof(line), "%s greeted=%u resets=%u others=%u", what,
		 p->greeted, p->resets, p->others);
	say(line);
}

static void greeted_one(struct peer *p)
{
	if (++p->greeted == p->wanted)
		say("idle");
}

static bool watch(struct peer *p, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return !epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static void accept_one(struct peer *p)
{
	int fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0 || !watch(p, fd) || write(fd, "!", 1) != 1)
		perror("idle_peer: accept");
	else
		greeted_one(p);
}

static bool call_one(struct peer *p)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	endpoint_to_sockaddr(&p->door, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || !watch(p, fd) ||
	    (connect(fd, (struct sockaddr *)&ss, len) &&
	     errno != EINPROGRESS)) {
		perror("idle_peer: connect");
		return false;
	}
	p->begun++;
	return true;
}

static void hear(struct peer *p, int fd)
{
	char octet;
	ssize_t n = read(fd, &octet, 1);

	if (n == 1) {
		greeted_one(p);
		return;
	}
	if (n < 0 && errno == ECONNRESET)
		p->resets++;
	else
		p->others++;
	close(fd);
}

static bool call_more(struct peer *p)
{
	while (p->listener < 0 && p->begun < p->wanted &&
	       p->begun - p->greeted < CONNECTS)
		if (!call_one(p))
			return false;
	return true;
}

static int run(struct peer *p)
{
	struct epoll_event events[EVENTS];

	while (p->resets + p->others < p->wanted) {
		int n;

		if (!call_more(p))
			return 1;
		n = epoll_wait(p->epoll, events, EVENTS, PATIENCE_MS);
		if (n <= 0) {
			say_end(p, "stuck");
			return 1;
		}
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == p->listener)
				accept_one(p);
			else
				hear(p, events[i].data.fd);
	}
	say_end(p, "ended");
	return 0;
}

static int serve(struct peer *p, unsigned port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(fd, 2 * CONNECTS) || !watch(p, fd)) {
		perror("idle_peer: listen");
		return 1;
	}
	p->listener = fd;
	say("ready");
	return run(p);
}

static int call(struct peer *p, const char *address, unsigned port)
{
	if (addr_parse(&p->door.addr, address))
		return 2;
	p->door.port = (uint16_t)port;
	p->listener = -1;
	say("ready");
	return run(p);
}

int main(int argc, char **argv)
{
	struct rlimit files = { PEERS_MAX + 16, PEERS_MAX + 16 };
	struct peer p = { .epoll = epoll_create1(0) };

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc == 4 && !strcmp(argv[1], "serve")) {
		p.wanted = (unsigned)atoi(argv[3]);
		return serve(&p, (unsigned)atoi(argv[2]));
	}
	if (argc == 5 && !strcmp(argv[1], "call")) {
		p.wanted = (unsigned)atoi(argv[4]);
		return call(&p, argv[2], (unsigned)atoi(argv[3]));
	}
	return 2;
}
