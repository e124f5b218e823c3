// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a beat costs the control path without sockets and TLS: frame decoded,
 * cluster stepped, answer encoded, for 256 nodes in turn. Virtual time goes on
 * so that the nodes stay alive; the clock is read only around the whole.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/cluster.h"
#include "wire/frame.h"

#define NODES  256
#define ROUTES 1024
#define BEATS  2000000u
#define ROUNDS 3

struct bench {
	struct cluster *cl;
	struct effects *fx;
	uint64_t now;
	uint8_t frame[FRAME_BEAT_MAX];
	size_t len;
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void step(struct bench *b, const struct event *ev)
{
	int err = cluster_step(b->cl, ev, b->now, b->fx);

	assert(!err);
	(void)err;
}

static void join(struct bench *b, unsigned i)
{
	const uint8_t bytes[4] = { 198, 18, (uint8_t)(i >> 8), (uint8_t)i };
	struct message_hello hello = { .instance = i, .health = HEALTH_UP };
	struct event ev = { .type = EVENT_HELLO, .link = i, .hello = &hello };

	snprintf(hello.name, sizeof(hello.name), "node-%u", i);
	hello.addr[FAMILY_V4] = addr_v4(bytes);
	step(b, &ev);
	effects_clear(b->fx);
}

/* The version and the health it already has: a beat like nearly all. */
static void write_frame(struct bench *b)
{
	const struct message m = {
		.type = MESSAGE_BEAT,
		.beat = { .seq = 1,
			  .health = HEALTH_UP,
			  .connections = 1000,
			  .version = cluster_table(b->cl)->version },
	};
	int n = frame_encode(b->frame, sizeof(b->frame), &m);

	assert(n > 0);
	b->len = (size_t)n;
}

static void beat(struct bench *b, uint64_t link)
{
	uint8_t answer[FRAME_BEAT_MAX];
	struct frame_error error;
	struct message m;
	struct event ev = { .type = EVENT_BEAT, .link = link };
	int n = frame_decode(&m, b->frame, b->len, NULL, &error);

	assert(!n);
	ev.beat = &m.beat;
	step(b, &ev);
	n = frame_encode(answer, sizeof(answer),
			 &effects_at(b->fx, 0)->message);
	assert(n > 0 && effects_count(b->fx) == 1);
	effects_clear(b->fx);
}

static void settle(struct bench *b)
{
	const struct event tick = { .type = EVENT_TICK };

	for (unsigned i = 1; i <= NODES; i++)
		join(b, i);
	b->now = cluster_deadline(b->cl);
	step(b, &tick);
	effects_clear(b->fx);
	assert(placement_slots(cluster_placement(b->cl)) == NODES);
	write_frame(b);
}

static double beats_per_second(struct bench *b, uint64_t interval)
{
	uint64_t began = clock_ns();

	for (unsigned i = 0; i < BEATS; i++) {
		b->now += interval / NODES;
		beat(b, i % NODES + 1);
	}
	return BEATS * 1e9 / (double)(clock_ns() - began);
}

int main(void)
{
	const struct cluster_conf conf = {
		.routes = ROUTES,
		.interval_ns = 200 * NS_PER_MS,
		.miss = 5,
		.settle_ns = 100 * NS_PER_MS,
		.hold_down_ns = 10 * NS_PER_S,
		.hold_down_max_ns = 300 * NS_PER_S,
		.panic = 0.5,
	};
	struct bench b = { .cl = cluster_new(&conf, 0),
			   .fx = effects_new(),
			   .now = NS_PER_S };
	double best = 0;

	if (!b.cl || !b.fx)
		return 1;
	settle(&b);
	for (unsigned i = 0; i < ROUNDS; i++) {
		double rate = beats_per_second(&b, conf.interval_ns);

		best = rate > best ? rate : best;
	}
	printf("beats_per_second_per_core %.0f 1/s\n", best);
	cluster_free(b.cl);
	effects_free(b.fx);
	return 0;
}
