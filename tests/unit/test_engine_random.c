/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random and mutated packets, tables, holds and ends from a printed seed
 * (HALO_SEED=n repeats one): the engine must not crash, must not touch what it
 * accepts, nor a byte behind the packet, and must not repair a checksum.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "../lib/packet_world/packet_world.h"

#define ROUNDS 20 /* a new engine each */
#define STEPS  10000

static uint32_t seed = 20250131;

static uint32_t next_random(uint32_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 17;
	*rng ^= *rng << 5;
	return *rng;
}

static uint32_t below(uint32_t *rng, uint32_t n)
{
	return next_random(rng) % n;
}

/* SYNs and what refuses them more often than chance would have it. */
static uint8_t plausible_flags(uint32_t *rng, enum packet_direction direction)
{
	if (below(rng, 4))
		return (uint8_t)below(rng, 32);
	return direction == FROM_CLIENT ? SYN : RST | ACK;
}

static const uint8_t extensions[] = { IPPROTO_HOPOPTS, IPPROTO_FRAGMENT };

/* A plausible packet of a few clients, so that flows are met again. */
static struct built plausible(uint32_t *rng, enum packet_direction direction)
{
	bool v6 = below(rng, 4) == 0, udp = below(rng, 5) == 0;
	uint16_t client = (uint16_t)(40000 + below(rng, 20));
	uint16_t door = (uint16_t)((udp ? DATAGRAMS : BROWSER) + below(rng, 3));
	struct packet_spec s = { .src = v6 ? WORLD_CLIENT_V6 : WORLD_CLIENT,
				 .dst = v6 ? WORLD_VIP_V6 : WORLD_VIP,
				 .src_port = client,
				 .dst_port = door,
				 .protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
				 .flags = plausible_flags(rng, direction),
				 .seq = below(rng, 4) * 100,
				 .ack = below(rng, 4) * 100 + 1,
				 .payload = below(rng, 100),
				 .tcp_options = below(rng, 3) * 4,
				 .extensions = extensions,
				 .n_extensions = v6 ? below(rng, 3) : 0,
				 .ip_options = v6 ? 0 : below(rng, 3) * 4 };

	if (direction == FROM_NODE) {
		s.dst = s.src;
		s.src = v6		? WORLD_NODE_A_V6
			: below(rng, 3) ? WORLD_NODE_A
					: WORLD_NODE_B;
		s.src_port = door;
		s.dst_port = client;
	}
	return packet_build(&s);
}

/* An error that quotes a packet of the other direction. */
static struct built plausible_error(uint32_t *rng,
				    enum packet_direction direction)
{
	bool from_client = direction == FROM_CLIENT;
	struct built q = plausible(rng, from_client ? FROM_NODE : FROM_CLIENT);
	bool v6 = q.data[0] >> 4 == 6;
	size_t quoted = below(rng, (uint32_t)q.len + 1);

	/* As the outer network saw it: from the VIP; inside: to the node. */
	if (from_client && v6)
		inet_pton(AF_INET6, WORLD_VIP_V6, q.data + 8);
	else if (from_client)
		inet_pton(AF_INET, WORLD_VIP, q.data + 12);
	else if (v6)
		inet_pton(AF_INET6, WORLD_NODE_A_V6, q.data + 24);
	else
		inet_pton(AF_INET, WORLD_NODE_A, q.data + 16);
	if (v6)
		return packet_build_error(
			"fd00:198:18::9",
			from_client ? WORLD_VIP_V6 : WORLD_CLIENT_V6,
			(uint8_t)(1 + below(rng, 4)), 0, 0, q.data, quoted);
	return packet_build_error("198.18.9.9",
				  from_client ? WORLD_VIP : WORLD_CLIENT,
				  below(rng, 2) ? 3 : 11, 0, 0, q.data, quoted);
}

static struct built garbage(uint32_t *rng)
{
	struct built b = { .len = below(rng, 200) };

	for (size_t i = 0; i < b.len; i++)
		b.data[i] = (uint8_t)next_random(rng);
	if (b.len && below(rng, 2))
		b.data[0] = below(rng, 2) ? 0x45 : 0x60;
	return b;
}

static struct built any_packet(uint32_t *rng, enum packet_direction direction)
{
	struct built b;

	switch (below(rng, 8)) {
	case 0:
		return garbage(rng);
	case 1:
	case 2:
		b = plausible_error(rng, direction);
		break;
	default:
		b = plausible(rng, direction);
	}
	while (below(rng, 4) == 0 && b.len) /* mutate */
		b.data[below(rng, (uint32_t)b.len)] ^=
			(uint8_t)next_random(rng);
	if (below(rng, 16) == 0) /* truncate */
		b.len = below(rng, (uint32_t)b.len + 1);
	return b;
}

/* Both are the same packet but for its addresses and checksums. */
static void assert_nothing_repaired(const struct built *in, const uint8_t *out)
{
	uint8_t protocol = in->data[0] >> 4 == 6 ? in->data[6] : in->data[9];

	if (protocol == IPPROTO_UDP || protocol == 0 || protocol == 44)
		return; /* an absent UDP checksum is absent, not wrong */
	assert_int_equal(packet_check_error(out, in->len),
			 packet_check_error(in->data, in->len));
}

static void put(struct world *w, uint32_t *rng)
{
	struct packet p = { .direction = below(rng, 2) };
	struct built in = any_packet(rng, p.direction);
	/* Exactly as long as it is, so that ASan sees a byte too many. */
	uint8_t *data = malloc(in.len ? in.len : 1);
	enum verdict verdict;

	assert_non_null(data);
	memcpy(data, in.data, in.len);
	p.data = data;
	p.len = (uint32_t)in.len;
	p.csum_not_ready = below(rng, 8) == 0;
	p.gso = below(rng, 2);
	verdict = engine_packet(w->engine, &p, w->now_ns);
	assert_int_equal(p.len, in.len);
	assert_ptr_equal(p.data, data);
	if (verdict != VERDICT_REWRITE)
		assert_memory_equal(data, in.data, in.len);
	else if (!p.csum_not_ready)
		assert_nothing_repaired(&in, data);
	free(data);
}

static void disturb(struct world *w, uint32_t *rng)
{
	uint16_t route = (uint16_t)(1 + below(rng, 3));
	struct route_set one = world_route(route);

	switch (below(rng, 6)) {
	case 0:
		engine_hold(w->engine, &one);
		break;
	case 1:
		engine_release(w->engine, &one, w->now_ns);
		break;
	case 2:
		world_assign(w, route, route, (uint16_t)below(rng, 3));
		break;
	case 3:
		engine_end_flows(w->engine, TAG_A + below(rng, 2), &one,
				 below(rng, 2), below(rng, 20), w->now_ns);
		break;
	case 4:
		engine_set_relearn(w->engine, &one);
		break;
	case 5:
		w->now_ns +=
			below(rng, 40) * (below(rng, 2) ? NS_PER_S : NS_PER_MS);
		engine_expire(w->engine, below(rng, 10), w->now_ns);
		break;
	}
}

static uint64_t settled_or_held(struct world *w)
{
	struct engine_stats stats;

	engine_stats(w->engine, &stats);
	return w->n_settled + stats.held;
}

static void run(uint32_t *rng, uint64_t count[ENGINE_REASONS])
{
	struct world *w = world_new(40, 8);

	for (int i = 0; i < STEPS; i++) {
		put(w, rng);
		if (below(rng, 20) == 0)
			disturb(w, rng);
	}
	/* Every held packet is settled exactly once. */
	assert_int_equal(settled_or_held(w),
			 world_count(w, REASON_HELD) +
				 world_count(w, REASON_REFUSAL_HELD));
	for (int reason = 0; reason < ENGINE_REASONS; reason++)
		count[reason] += world_count(w, reason);
	world_free(w);
}

static void nothing_that_arrives_breaks_the_engine(void **state)
{
	uint64_t count[ENGINE_REASONS] = { 0 };
	uint32_t rng = seed;

	for (int i = 0; i < ROUNDS; i++)
		run(&rng, count);
	for (int reason = 0; reason < ENGINE_REASONS; reason++)
		if (!count[reason])
			fail_msg("never reached: %s",
				 engine_reason_name(reason));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_that_arrives_breaks_the_engine),
	};
	const char *given = getenv("HALO_SEED");

	if (given)
		seed = (uint32_t)strtoul(given, NULL, 0) | 1;
	printf("seed %u\n", seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
