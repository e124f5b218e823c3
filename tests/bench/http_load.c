/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP clients in a closed loop: each sends its next request when the last
 * one is answered, on its connection or (--close) on a new one. After a turn to
 * warm up it counts for --seconds, in turns with others (--turn), then prints
 * one JSON object and ends. What a turn began, it ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/cpu.h"
#include "load/turns.h"

#define CLIENTS_MAX 1024
#define PATIENCE_NS (20 * NS_PER_MS) /* with answers, after a turn */
#define HEAD_MAX    2048
#define SINK_LEN    (256 << 10)

struct client {
	int fd;
	uint16_t port;
	bool idle;     /* has its answer, and it is not our turn */
	uint64_t body; /* bytes that are still to come; head_len is 0 then */
	size_t head_len;
	char head[HEAD_MAX];
};

struct load {
	struct sockaddr_in to;
	unsigned ports, n_clients, seconds;
	bool close;
	struct turns turns;
	bool sending; /* it is our turn */
	unsigned n_idle;
	const char *path;
	char request[256];
	size_t request_len;
	int epoll;
	uint64_t answered, failed, bytes, took_ns;
	struct cpu_watch cpu;
	struct client client[CLIENTS_MAX];
	char sink[SINK_LEN];
};

static int client_open(struct load *l, struct client *c)
{
	struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = c };
	struct sockaddr_in to = l->to;
	const int one = 1;

	to.sin_port = htons(c->port);
	c->head_len = 0;
	c->body = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) &&
	    errno != EINPROGRESS)
		return -errno;
	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) ? -errno : 0;
}

static int client_reopen(struct load *l, struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	return client_open(l, c);
}

static int client_send(struct load *l, const struct client *c)
{
	ssize_t n = send(c->fd, l->request, l->request_len, MSG_NOSIGNAL);

	return n == (ssize_t)l->request_len ? 0 : -EIO;
}

static int on_connected(struct load *l, struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev))
		return -errno;
	return client_send(l, c);
}

static int client_next(struct load *l, struct client *c)
{
	return l->close ? client_reopen(l, c) : client_send(l, c);
}

static int on_answer(struct load *l, struct client *c)
{
	l->answered++;
	if (l->sending)
		return client_next(l, c);
	if (l->close) {
		close(c->fd);
		c->fd = -1;
	}
	c->idle = true;
	l->n_idle++;
	return 0;
}

/* The head is complete: how much of the body is still to come? */
static int parse_head(struct client *c, const char *end)
{
	size_t head = (size_t)(end - c->head) + 4, had = c->head_len - head;
	const char *field = strcasestr(c->head, "\r\nContent-Length:");

	if (strncmp(c->head, "HTTP/1.1 200", 12) || !field || field > end)
		return -EPROTO;
	c->body = strtoull(field + 17, NULL, 10);
	if (!c->body || had > c->body)
		return -EPROTO;
	c->body -= had;
	c->head_len = 0;
	return 0;
}

static int read_head(struct load *l, struct client *c)
{
	ssize_t n = recv(c->fd, c->head + c->head_len,
			 sizeof(c->head) - 1 - c->head_len, 0);
	const char *end;
	int ret;

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -EPIPE;
	l->bytes += (uint64_t)n;
	c->head_len += (size_t)n;
	c->head[c->head_len] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return c->head_len == sizeof(c->head) - 1 ? -EPROTO : 0;
	ret = parse_head(c, end);
	return ret || c->body ? ret : on_answer(l, c);
}

static int read_body(struct load *l, struct client *c)
{
	size_t want = c->body < SINK_LEN ? (size_t)c->body : SINK_LEN;
	ssize_t n = recv(c->fd, l->sink, want, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -EPIPE;
	l->bytes += (uint64_t)n;
	c->body -= (uint64_t)n;
	return c->body ? 0 : on_answer(l, c);
}

static int client_step(struct load *l, struct client *c, uint32_t events)
{
	if (events & EPOLLOUT)
		return events & EPOLLERR ? -ECONNREFUSED : on_connected(l, c);
	return c->body ? read_body(l, c) : read_head(l, c);
}

/* Until then, or until nobody waits for an answer. */
static int run_until(struct load *l, uint64_t deadline)
{
	struct epoll_event ev[64];
	int n = 0;

	while (n >= 0 && l->n_idle < l->n_clients &&
	       turns_now_ns() < deadline) {
		n = epoll_wait(l->epoll, ev, 64, 10);
		for (int i = 0; i < n; i++) {
			struct client *c = ev[i].data.ptr;

			if (!client_step(l, c, ev[i].events))
				continue;
			l->failed++;
			if (client_reopen(l, c))
				return -errno;
		}
	}
	return n < 0 ? -errno : 0;
}

static int wake_idle(struct load *l)
{
	for (unsigned i = 0; i < l->n_clients; i++) {
		struct client *c = &l->client[i];

		if (!c->idle)
			continue;
		c->idle = false;
		l->n_idle--;
		if (client_next(l, c) && client_reopen(l, c))
			return -errno;
	}
	return 0;
}

static int run_turn(struct load *l, unsigned turn)
{
	uint64_t ends = turns_await(&l->turns, turn), began = turns_now_ns();
	int ret;

	cpu_begin(&l->cpu);
	l->sending = true;
	ret = wake_idle(l);
	if (!ret)
		ret = run_until(l, ends);
	l->sending = false;
	if (!ret)
		ret = run_until(l, ends + PATIENCE_NS);
	l->took_ns += turns_now_ns() - began;
	cpu_end(&l->cpu);
	return ret;
}

static int start(struct load *l)
{
	l->request_len = (size_t)snprintf(
		l->request, sizeof(l->request),
		"GET %s HTTP/1.1\r\nHost: halo\r\n"
		"%s\r\n",
		l->path, l->close ? "Connection: close\r\n" : "");
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return -errno;
	for (unsigned i = 0; i < l->n_clients; i++) {
		struct client *c = &l->client[i];
		int ret;

		c->port = (uint16_t)(ntohs(l->to.sin_port) + i % l->ports);
		ret = client_open(l, c);
		if (ret)
			return ret;
	}
	return 0;
}

static void print(const struct load *l)
{
	printf("{\"answered\":%llu,\"failed\":%llu,\"bytes\":%llu,"
	       "\"seconds\":%.6f,\"cpu_ns\":",
	       (unsigned long long)l->answered, (unsigned long long)l->failed,
	       (unsigned long long)l->bytes,
	       (double)l->took_ns / (double)NS_PER_S);
	cpu_print(&l->cpu, stdout);
	printf("}\n");
}

static int measure(struct load *l)
{
	int ret = run_turn(l, 0);

	l->answered = 0;
	l->bytes = 0;
	l->took_ns = 0;
	cpu_reset(&l->cpu);
	for (unsigned i = 1; !ret && i <= l->seconds * TURNS_IN_S; i++)
		ret = run_turn(l, i);
	print(l);
	return ret;
}

static int usage(void)
{
	fprintf(stderr, "usage: http_load --to ADDRESS [--port 8001] "
			"[--ports 24]\n"
			"       [--clients 32] [--seconds 2] [--path /] "
			"[--close]\n"
			"       [--turn FROM_US,MINE,OF,REST_MS]\n"
			"       [--watch NAME=TID[,TID…]]…\n");
	return 2;
}

static int parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "port", required_argument, NULL, 'p' },
		{ "ports", required_argument, NULL, 'n' },
		{ "clients", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "path", required_argument, NULL, 'f' },
		{ "close", no_argument, NULL, 'x' },
		{ "turn", required_argument, NULL, 'r' },
		{ "watch", required_argument, NULL, 'w' },
		{ 0 },
	};
	int c, ret = 0;

	while (!ret && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned number = optarg ? (unsigned)atoi(optarg) : 0;

		if (c == 't')
			ret = inet_pton(AF_INET, optarg, &l->to.sin_addr) - 1;
		else if (c == 'p')
			l->to.sin_port = htons((uint16_t)number);
		else if (c == 'n')
			l->ports = number;
		else if (c == 'c')
			l->n_clients = number;
		else if (c == 's')
			l->seconds = number;
		else if (c == 'f')
			l->path = optarg;
		else if (c == 'x')
			l->close = true;
		else if (c == 'r')
			ret = turns_parse(&l->turns, optarg);
		else if (c == 'w')
			ret = cpu_add(&l->cpu, optarg);
		else
			ret = -EINVAL;
	}
	return ret || !l->to.sin_addr.s_addr || !l->ports || !l->n_clients ||
			       l->n_clients > CLIENTS_MAX
		       ? -EINVAL
		       : 0;
}

int main(int argc, char **argv)
{
	static struct load l = { .to = { .sin_family = AF_INET },
				 .ports = 24,
				 .n_clients = 32,
				 .seconds = 2,
				 .path = "/" };
	char self[32];
	int ret;

	l.to.sin_port = htons(8001);
	l.turns = turns_alone();
	snprintf(self, sizeof(self), "client=%d", getpid());
	if (cpu_add(&l.cpu, self) || parse(&l, argc, argv))
		return usage();
	ret = start(&l);
	if (!ret)
		ret = measure(&l);
	if (ret)
		fprintf(stderr, "http_load: %s\n", strerror(-ret));
	return ret ? 1 : 0;
}
