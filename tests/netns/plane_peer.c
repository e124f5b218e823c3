// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both ends of TCP connections for the plane's test.
 *
 * plane_peer serve NAME FIRST-PORT COUNT
 *   greets each connection with "NAME\n", then echoes
 * plane_peer call ADDRESS PORT COUNT
 *   opens COUNT connections at once and says, with CLOCK_MONOTONIC microseconds
 *   first: "greeted NAME", "echoed" (answer to each line "ping" of standard
 *   input), "reset", "closed", "failed WHY"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/units.h"
#include "io/clock.h"

#define PEERS_MAX 4096

struct peers {
	const char *name;
	unsigned listeners, count;
	struct pollfd fds[PEERS_MAX]; /* listeners first */
	bool greeted[PEERS_MAX];
};

static void say(const char *what, const char *more)
{
	printf("%llu %s %s\n", clock_monotonic_ns() / NS_PER_US, what, more);
	fflush(stdout);
}

static void add(struct peers *p, int fd, short events)
{
	if (p->count < PEERS_MAX)
		p->fds[p->count++] = (struct pollfd){ fd, events, 0 };
	else
		close(fd);
}

static void drop(struct peers *p, unsigned i)
{
	close(p->fds[i].fd);
	p->count--;
	p->fds[i] = p->fds[p->count];
	p->greeted[i] = p->greeted[p->count];
}

static int listen_on(unsigned port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1024)) {
		perror("plane_peer: listen");
		return -1;
	}
	return fd;
}

static void greet(struct peers *p, unsigned listener)
{
	int fd = accept(p->fds[listener].fd, NULL, NULL);

	if (fd < 0)
		return;
	dprintf(fd, "%s\n", p->name);
	add(p, fd, POLLIN);
}

static void echo(struct peers *p, unsigned i)
{
	char buf[4096];
	ssize_t n = read(p->fds[i].fd, buf, sizeof(buf));

	if (n <= 0 || write(p->fds[i].fd, buf, (size_t)n) != n)
		drop(p, i);
}

static int serve(struct peers *p, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int fd = listen_on(first + i);

		if (fd < 0)
			return 1;
		add(p, fd, POLLIN);
	}
	p->listeners = count;
	say("ready", p->name);
	while (poll(p->fds, p->count, -1) > 0)
		for (unsigned i = p->count; i-- > 0;) {
			if (!p->fds[i].revents)
				continue;
			if (i < p->listeners)
				greet(p, i);
			else
				echo(p, i);
		}
	return 1;
}

static int start_call(const struct endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	endpoint_to_sockaddr(to, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&ss, len) && errno != EINPROGRESS)
		perror("plane_peer: connect");
	return fd;
}

static void hear(struct peers *p, unsigned i)
{
	char buf[256];
	ssize_t n = read(p->fds[i].fd, buf, sizeof(buf) - 1);

	if (n > 0) {
		buf[n] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
		say(p->greeted[i] ? "echoed" : "greeted", buf);
		p->greeted[i] = true;
	} else if (n == 0 || errno == ECONNRESET) {
		say(n ? "reset" : "closed", "");
		drop(p, i);
	} else if (errno != EAGAIN) {
		say("failed", strerror(errno));
		drop(p, i);
	}
}

static bool obey(struct peers *p)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	for (unsigned i = 1; i < p->count; i++)
		if (write(p->fds[i].fd, line, strlen(line)) < 0)
			say("failed", strerror(errno));
	return true;
}

static int call(struct peers *p, const struct endpoint *to, unsigned count)
{
	add(p, 0, POLLIN);
	for (unsigned i = 0; i < count; i++)
		add(p, start_call(to), POLLIN);
	while (poll(p->fds, p->count, -1) > 0) {
		for (unsigned i = p->count; i-- > 1;)
			if (p->fds[i].revents)
				hear(p, i);
		if (p->fds[0].revents && !obey(p))
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct rlimit files = { PEERS_MAX, PEERS_MAX };
	static struct peers p;
	struct endpoint to;

	if (argc != 5)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	setvbuf(stdin, NULL, _IONBF, 0);
	p.name = argv[2];
	if (!strcmp(argv[1], "serve"))
		return serve(&p, (unsigned)atoi(argv[3]),
			     (unsigned)atoi(argv[4]));
	if (addr_parse(&to.addr, argv[2]))
		return 2;
	to.port = (uint16_t)atoi(argv[3]);
	return call(&p, &to, (unsigned)atoi(argv[4]));
}
