/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small UDP packets as fast as one thread can send them, over --flows flows
 * spread over --ports doors. Sends for --seconds, in turns with others
 * (--turn), then prints one JSON object and ends; who counts what arrived is
 * not this program's business.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load/cpu.h"
#include "load/turns.h"

#define FLOWS_MAX 1024
#define BATCH	  32
#define PAYLOAD	  18 /* the shortest Ethernet frame */

struct flood {
	struct sockaddr_in to;
	unsigned ports, flows, seconds;
	struct turns turns;
	struct cpu_watch cpu;
	uint64_t sent, refused, took_ns;
	int fd[FLOWS_MAX];
	struct iovec iov;
	struct mmsghdr msg[BATCH];
};

static int open_flow(const struct flood *f, unsigned i)
{
	struct sockaddr_in to = f->to;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	to.sin_port = htons((uint16_t)(ntohs(to.sin_port) + i % f->ports));
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : fd;
}

static int start(struct flood *f)
{
	static char payload[PAYLOAD];

	f->iov = (struct iovec){ payload, sizeof(payload) };
	for (unsigned i = 0; i < BATCH; i++) {
		f->msg[i].msg_hdr.msg_iov = &f->iov;
		f->msg[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned i = 0; i < f->flows; i++) {
		f->fd[i] = open_flow(f, i);
		if (f->fd[i] < 0)
			return f->fd[i];
	}
	return 0;
}

static void send_batch(struct flood *f, int fd)
{
	int n = sendmmsg(fd, f->msg, BATCH, 0);

	if (n > 0)
		f->sent += (unsigned)n;
	else
		f->refused++;
}

static void send_until(struct flood *f, uint64_t deadline)
{
	while (turns_now_ns() < deadline)
		for (unsigned i = 0; i < f->flows; i++)
			send_batch(f, f->fd[i]);
}

/* What waits in the gateway is carried in the rest: its time counts, as do the
 * packets. */
static void run_turn(struct flood *f, unsigned turn)
{
	struct timespec rest = { .tv_nsec = (long)f->turns.rest_ns };
	uint64_t ends = turns_await(&f->turns, turn), began = turns_now_ns();

	cpu_begin(&f->cpu);
	send_until(f, ends);
	f->took_ns += turns_now_ns() - began;
	nanosleep(&rest, NULL);
	cpu_end(&f->cpu);
}

static void measure(struct flood *f)
{
	for (unsigned i = 0; i < f->seconds * TURNS_IN_S; i++)
		run_turn(f, i);
	printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.6f,\"cpu_ns\":",
	       (unsigned long long)f->sent, (unsigned long long)f->refused,
	       (double)f->took_ns / (double)NS_PER_S);
	cpu_print(&f->cpu, stdout);
	printf("}\n");
}

static int usage(void)
{
	fprintf(stderr, "usage: udp_flood --to ADDRESS [--port 7001] "
			"[--ports 24]\n"
			"       [--flows 24] [--seconds 1] "
			"[--watch NAME=TID[,TID…]]…\n");
	return 2;
}

static int parse(struct flood *f, int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "port", required_argument, NULL, 'p' },
		{ "ports", required_argument, NULL, 'n' },
		{ "flows", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "turn", required_argument, NULL, 'r' },
		{ "watch", required_argument, NULL, 'w' },
		{ 0 },
	};
	int c, ret = 0;

	while (!ret && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned number = optarg ? (unsigned)atoi(optarg) : 0;

		if (c == 't')
			ret = inet_pton(AF_INET, optarg, &f->to.sin_addr) - 1;
		else if (c == 'p')
			f->to.sin_port = htons((uint16_t)number);
		else if (c == 'n')
			f->ports = number;
		else if (c == 'c')
			f->flows = number;
		else if (c == 's')
			f->seconds = number;
		else if (c == 'r')
			ret = turns_parse(&f->turns, optarg);
		else if (c == 'w')
			ret = cpu_add(&f->cpu, optarg);
		else
			ret = -EINVAL;
	}
	return ret || !f->to.sin_addr.s_addr || !f->ports || !f->flows ||
			       f->flows > FLOWS_MAX
		       ? -EINVAL
		       : 0;
}

int main(int argc, char **argv)
{
	static struct flood f = { .to = { .sin_family = AF_INET },
				  .ports = 24,
				  .flows = 24,
				  .seconds = 1 };
	char self[32];
	int ret;

	f.to.sin_port = htons(7001);
	f.turns = turns_alone();
	snprintf(self, sizeof(self), "client=%d", getpid());
	if (cpu_add(&f.cpu, self) || parse(&f, argc, argv))
		return usage();
	ret = start(&f);
	if (!ret)
		measure(&f);
	else
		fprintf(stderr, "udp_flood: %s\n", strerror(-ret));
	return ret ? 1 : 0;
}
