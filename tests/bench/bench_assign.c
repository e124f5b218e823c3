/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What T(N, n) costs at the largest N: building it for 2048 slots from
 * nothing, memory included, and one join there. Medians.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/units.h"
#include "table/assign.h"

#define SLOTS  2048
#define BUILDS 31
#define JOINS  256 /* from SLOTS - JOINS / 2 on */
#define UNDOS  20  /* rounds over the joins */

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * NS_PER_S + (double)ts.tv_nsec;
}

static int ascending(const void *l, const void *r)
{
	const double *a = l, *b = r;

	return (*a > *b) - (*a < *b);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), ascending);
	return values[n / 2];
}

static struct assign *build(unsigned slots)
{
	struct assign *a = assign_new(ROUTES_MAX, NODES_MAX);

	if (a)
		assign_grow_to(a, slots);
	return a;
}

/* Negative: no memory. */
static double measure_build(void)
{
	double ns[BUILDS];

	for (unsigned i = 0; i < BUILDS; i++) {
		double start = now_ns();
		struct assign *a = build(SLOTS);

		ns[i] = now_ns() - start;
		if (!a)
			return -1;
		assign_free(a);
	}
	return median(ns, BUILDS);
}

static double measure_join(void)
{
	static double ns[JOINS * UNDOS];
	struct assign *a = build(SLOTS - JOINS / 2);
	unsigned n = 0;

	if (!a)
		return -1;
	for (unsigned round = 0; round < UNDOS; round++) {
		for (unsigned i = 0; i < JOINS; i++) {
			double start = now_ns();

			assign_grow(a);
			ns[n++] = now_ns() - start;
		}
		for (unsigned i = 0; i < JOINS; i++)
			assign_shrink(a);
	}
	assign_free(a);
	return median(ns, n);
}

int main(void)
{
	double build_ns = measure_build(), join_ns = measure_join();

	if (build_ns < 0 || join_ns < 0)
		return EXIT_FAILURE;
	printf("assign_build_65535_2048_ms %.3f ms\n", build_ns / NS_PER_MS);
	printf("assign_join_us %.3f us\n", join_ns / NS_PER_US);
	return EXIT_SUCCESS;
}
