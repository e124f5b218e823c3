/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many clients that connect at the same moment, and how they fared.
 *
 * rush ADDRESS FIRST-PORT PORTS SOURCE SOURCES COUNT SECONDS
 *   COUNT connects, spread over PORTS doors and the SOURCES addresses that
 *   begin with SOURCE. Says "begun" when all SYNs are out. When all have been
 *   answered, or after SECONDS:
 *   "connected=N refused=N waiting=N retransmitted=N"
 *   (those whose SYN went out more than once). CLOCK_MONOTONIC microseconds
 *   come first.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/units.h"
#include "io/clock.h"

#define CLIENTS_MAX 20000
#define EVENTS	    512

struct rush {
	int epoll;
	struct endpoint door;
	struct addr source;
	unsigned doors, sources, count;
	unsigned connected, refused, retransmitted;
	int fds[CLIENTS_MAX];
};

static void say(const char *what)
{
	printf("%llu %s\n",
	       (unsigned long long)(clock_monotonic_ns() / NS_PER_US), what);
	fflush(stdout);
}

static int start(struct rush *r, unsigned i)
{
	struct endpoint from = { .addr = r->source }, to = r->door;
	struct epoll_event ev = { .events = EPOLLOUT, .data.u32 = i };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, on = 1;

	from.addr.bytes[addr_len(&from.addr) - 1] += (uint8_t)(i % r->sources);
	to.port = (uint16_t)(r->door.port + i % r->doors);
	endpoint_to_sockaddr(&from, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len))
		return -1;
	endpoint_to_sockaddr(&to, &ss, &len);
	if (connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS)
		return -1;
	r->fds[i] = fd;
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static bool was_retransmitted(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       info.tcpi_total_retrans;
}

/* Connections stay open: nobody is to make room for another. */
static void hear(struct rush *r, unsigned i)
{
	socklen_t len = sizeof(int);
	int err = 0;

	r->retransmitted += was_retransmitted(r->fds[i]);
	getsockopt(r->fds[i], SOL_SOCKET, SO_ERROR, &err, &len);
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, r->fds[i], NULL);
	if (err)
		r->refused++;
	else
		r->connected++;
}

static void run(struct rush *r, uint64_t deadline_ns)
{
	struct epoll_event events[EVENTS];
	uint64_t now_ns;
	char line[120];

	while (r->connected + r->refused < r->count &&
	       (now_ns = clock_monotonic_ns()) < deadline_ns) {
		int n = epoll_wait(r->epoll, events, EVENTS,
				   (int)((deadline_ns - now_ns) / NS_PER_MS) +
					   1);

		for (int i = 0; i < n; i++)
			hear(r, events[i].data.u32);
	}
	snprintf(line, sizeof(line),
		 "connected=%u refused=%u waiting=%u retransmitted=%u",
		 r->connected, r->refused, r->count - r->connected - r->refused,
		 r->retransmitted);
	say(line);
}

int main(int argc, char **argv)
{
	struct rlimit files = { CLIENTS_MAX + 16, CLIENTS_MAX + 16 };
	static struct rush r;

	if (argc != 8 || addr_parse(&r.door.addr, argv[1]) ||
	    addr_parse(&r.source, argv[4]))
		return 2;
	r.door.port = (uint16_t)atoi(argv[2]);
	r.doors = (unsigned)atoi(argv[3]);
	r.sources = (unsigned)atoi(argv[5]);
	r.count = (unsigned)atoi(argv[6]);
	if (!r.doors || !r.sources || r.count > CLIENTS_MAX)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < r.count; i++)
		if (start(&r, i)) {
			perror("rush");
			return 1;
		}
	say("begun");
	run(&r, clock_monotonic_ns() + (uint64_t)atoi(argv[7]) * NS_PER_S);
	return 0;
}
