/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the nft plane's changes of its table cost, in a network namespace of its
 * own without a packet: another node in a seat with 5,000 routes behind it,
 * 1024 routes to another seat, a first table of 65,000 routes. Medians; needs
 * root.
 */
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/clock.h"
#include "plane/plane_nft_table.h"

#define RUNS  31
#define SEATS 16

static const struct plane_nft_conf *conf_for(unsigned routes)
{
	static struct engine_conf engine = {
		.n_services = 1,
		.services = { { "bench", 1, IPPROTO_TCP, false } },
		.vip = { { AF_INET, { 198, 18, 0, 100 } } },
	};
	static const struct plane_nft_conf conf = {
		.engine = &engine,
		.queue = 5,
		.group = 5,
		.mark = 1,
		.replay = 2,
		.tag = { 0xffff0000, 16 },
		.how = RULES_XT_QUEUE,
	};

	engine.routes = (uint16_t)routes;
	return &conf;
}

/* Routes all lead to seat 1. */
static struct table *table_of(unsigned routes)
{
	struct table *t = table_new(routes, SEATS);

	for (unsigned r = 1; t && r <= routes; r++)
		t->seat_of[r] = 1;
	for (unsigned s = 1; t && s <= SEATS; s++)
		t->seat[s] = (struct table_seat){
			.tag = s,
			.addr[FAMILY_V4] = addr_v4(
				(uint8_t[]){ 198, 19, 0, (uint8_t)(10 + s) }),
		};
	return t;
}

static void swap_seat(struct table *t, unsigned run)
{
	t->seat[1].tag = 100 + run;
	t->seat[1].addr[FAMILY_V4].bytes[3] = (uint8_t)(100 + run);
}

static void swap_routes(struct table *t, unsigned run)
{
	for (unsigned r = 1; r <= 1024; r++)
		t->seat_of[r] = (uint16_t)(2 + run % 2);
}

static int ascending(const void *l, const void *r)
{
	const double *a = l, *b = r;

	return (*a > *b) - (*a < *b);
}

/* Microseconds of one apply, the median; negative: it failed. */
static double measure(struct plane_nft_table *t,
		      void (*change)(struct table *t, unsigned run))
{
	double us[RUNS];

	for (unsigned i = 0; i < RUNS; i++) {
		struct table *to = table_copy(t->now);
		struct table_diff diff;
		uint64_t start;
		int err;

		change(to, i);
		to->version++;
		table_diff_init(&diff, t->now, to);
		start = clock_monotonic_ns();
		err = plane_nft_table_apply(t, &diff);
		us[i] = (double)(clock_monotonic_ns() - start) / NS_PER_US;
		table_diff_fini(&diff);
		table_put(to);
		if (err) {
			fprintf(stderr, "apply: %s\n", strerror(-err));
			return -1;
		}
	}
	qsort(us, RUNS, sizeof(us[0]), ascending);
	return us[RUNS / 2];
}

/* Microseconds of the first table. */
static double load(struct plane_nft_table *t, unsigned routes)
{
	struct table *to = table_of(routes);
	char err[256];
	uint64_t start;
	int ret = plane_nft_table_init(t, conf_for(routes), err, sizeof(err));

	if (ret) {
		fprintf(stderr, "%s\n", err);
		return -1;
	}
	start = clock_monotonic_ns();
	ret = plane_nft_table_load(t, to);
	table_put(to);
	return ret ? -1 : (double)(clock_monotonic_ns() - start) / NS_PER_US;
}

int main(void)
{
	struct plane_nft_table t;
	double slot, routes, all;

	if (unshare(CLONE_NEWNET)) {
		perror("bench_nft_table: needs root");
		return EXIT_FAILURE;
	}
	if (load(&t, 5000) < 0)
		return EXIT_FAILURE;
	slot = measure(&t, swap_seat);
	routes = measure(&t, swap_routes);
	plane_nft_table_fini(&t);
	all = load(&t, 65000);
	printf("slot_swap_us %.1f us\n", slot);
	printf("routes_1024_swap_ms %.2f ms\n", routes / 1000);
	printf("load_65000_routes_ms %.1f ms\n", all / 1000);
	plane_nft_table_fini(&t);
	return slot < 0 || routes < 0 || all < 0;
}
