/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine itself costs: nanoseconds per packet of established flows,
 * 10,000 of them in random order, small ACKs and full segments by turns; and
 * how long it takes to reset all of their clients.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/packet_world/packet_world.h"

#define FLOWS	 10000
#define PACKETS	 2000000
#define PORT_MIN 20000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The client's next packet of a flow, as it was built once and is restored. */
static void step(struct world *w, struct built *b, uint16_t port)
{
	struct packet p = { .data = b->data,
			    .len = (uint32_t)b->len,
			    .direction = FROM_CLIENT };
	uint32_t vip;

	memcpy(&vip, b->data + 16, sizeof(vip));
	packet_put16(b->data, b->transport, port);
	engine_packet(w->engine, &p, w->now_ns += 100);
	memcpy(b->data + 16, &vip, sizeof(vip));
}

static double run(struct world *w)
{
	struct packet_spec small = world_client_tcp(ACK, 1101, 5201, 0);
	struct packet_spec full = world_client_tcp(ACK, 1101, 5201, 1448);
	struct built packets[2] = { packet_build(&small), packet_build(&full) };
	uint32_t rng = 1;
	uint64_t begin_ns = now_ns();

	for (int i = 0; i < PACKETS; i++) {
		rng = rng * 1664525 + 1013904223;
		step(w, &packets[i % 2],
		     (uint16_t)(PORT_MIN + (rng >> 8) % FLOWS));
	}
	return (double)(now_ns() - begin_ns) / PACKETS;
}

static double end_all_ms(struct world *w)
{
	struct route_set all = { 0 };
	uint64_t begin_ns = now_ns();

	engine_end_flows(w->engine, TAG_A, &all, true, UINT32_MAX, w->now_ns);
	return (double)(now_ns() - begin_ns) / NS_PER_MS;
}

int main(void)
{
	struct world *w = world_new(2 * FLOWS, 16);
	double ns;

	for (uint16_t i = 0; i < FLOWS; i++)
		world_establish(w, (uint16_t)(PORT_MIN + i), BROWSER);
	ns = run(w);
	if (world_count(w, REASON_RESET_FLOWLESS)) {
		fprintf(stderr, "bench_engine: a flow was not found\n");
		return EXIT_FAILURE;
	}
	printf("engine_ns_per_packet %.1f ns\n", ns);
	printf("engine_end_10000_flows_ms %.2f ms\n", end_all_ms(w));
	world_free(w);
	return EXIT_SUCCESS;
}
