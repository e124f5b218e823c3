/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYNs of addresses that are not ours, each of a flow of its own, for the lab:
 * it ends by itself and tells nobody when it is answered.
 *
 * syn_flood ADDRESS FIRST-PORT PORTS SOURCE SOURCES COUNT [RATE]
 *   COUNT SYNs to ADDRESS, spread over PORTS doors, from the SOURCES addresses
 *   that begin with SOURCE; RATE a second, else as fast as one thread can.
 *   Prints "sent=N failed=N ms=N".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "io/clock.h"
#include "io/rawsock.h"
#include "packet/reset.h"

#define FIRST_PORT 1024
#define PORTS	   60000
#define BURST	   32 /* SYNs between two looks at the clock */
#define COUNT_MAX  1000000

struct flood {
	struct rawsock raw;
	struct endpoint door;
	struct addr source;
	unsigned doors, sources, count;
	unsigned long long rate; /* 0: as fast as one can */
};

/* The last four octets of an address are a number. */
static struct addr nth(const struct addr *first, unsigned n)
{
	struct addr a = *first;
	uint8_t *low = a.bytes + addr_len(&a) - 4;
	uint32_t number = ((uint32_t)low[0] << 24 | (uint32_t)low[1] << 16 |
			   (uint32_t)low[2] << 8 | low[3]) +
			  n;

	for (int i = 3; i >= 0; i--, number >>= 8)
		low[i] = (uint8_t)number;
	return a;
}

static void send_syn(struct flood *f, unsigned i)
{
	struct reset syn = {
		.src = { .addr = nth(&f->source, i % f->sources),
			 .port = (uint16_t)(FIRST_PORT +
					    i / f->sources % PORTS) },
		.dst = f->door,
		.seq = i + 1,
		.flags = TCP_SYN,
	};
	uint8_t out[RESET_LEN_MAX];

	syn.dst.port = (uint16_t)(f->door.port + i % f->doors);
	rawsock_send(&f->raw, out, reset_build(&syn, out));
}

static void wait_until(uint64_t ns)
{
	struct timespec at = { .tv_sec = (time_t)(ns / NS_PER_S),
			       .tv_nsec = (long)(ns % NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void run(struct flood *f)
{
	uint64_t began = clock_monotonic_ns();

	for (unsigned i = 0; i < f->count; i++) {
		if (f->rate && i % BURST == 0)
			wait_until(began + i * NS_PER_S / f->rate);
		send_syn(f, i);
	}
	printf("sent=%u failed=%llu ms=%llu\n",
	       f->count - (unsigned)f->raw.failed,
	       (unsigned long long)f->raw.failed,
	       (unsigned long long)((clock_monotonic_ns() - began) /
				    NS_PER_MS));
}

int main(int argc, char **argv)
{
	struct flood f = { 0 };

	if (argc < 7 || argc > 8 || addr_parse(&f.door.addr, argv[1]) ||
	    addr_parse(&f.source, argv[4]))
		return 2;
	f.door.port = (uint16_t)atoi(argv[2]);
	f.doors = (unsigned)atoi(argv[3]);
	f.sources = (unsigned)atoi(argv[5]);
	f.count = (unsigned)atoi(argv[6]);
	f.rate = argc == 8 ? (unsigned long long)atoll(argv[7]) : 0;
	if (!f.doors || !f.sources || f.count > COUNT_MAX)
		return 2;
	if (rawsock_init(&f.raw, 0)) {
		perror("syn_flood");
		return 1;
	}
	run(&f);
	rawsock_fini(&f.raw);
	return 0;
}
