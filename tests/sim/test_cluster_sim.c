// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole clusters through random histories in virtual time. The fixture checks
 * the promises of the design after every step; here is only what happens to
 * the world. HALO_SIM_SEED=… replays one history, HALO_SIM_RUNS=… sets how
 * many there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/cluster_fixture/cluster_fixture.h"

#ifdef __SANITIZE_ADDRESS__ /* five times slower */
#define RUNS_DEFAULT 40
#else
#define RUNS_DEFAULT 150
#endif
#define ACTS 60

/* splitmix64: every history is its seed */
static uint64_t draw(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static unsigned below(uint64_t *seed, unsigned n)
{
	return (unsigned)(draw(seed) % n);
}

static void act_start(struct fixture *f, unsigned i, uint64_t *seed)
{
	struct fixture_agent *a = &f->agent[i];

	if (a->running)
		return;
	a->wish = below(seed, 6) ? WISH_NONE : below(seed, 3);
	fixture_start(f, i);
}

static void act_silence(struct fixture *f, unsigned i, uint64_t *seed)
{
	(void)seed;
	fixture_silence(f, i);
}

static void act_wake(struct fixture *f, unsigned i, uint64_t *seed)
{
	(void)seed;
	if (f->agent[i].silent)
		fixture_wake(f, i);
}

static void act_kill_agent(struct fixture *f, unsigned i, uint64_t *seed)
{
	(void)seed;
	fixture_kill_agent(f, i);
}

static void act_kill_server(struct fixture *f, unsigned i, uint64_t *seed)
{
	(void)seed;
	fixture_kill_server(f, i);
}

static void act_heal_server(struct fixture *f, unsigned i, uint64_t *seed)
{
	(void)seed;
	fixture_heal_server(f, i);
}

/* Its answers to MOVING: at once, slow, or none at all. */
static void act_change_manners(struct fixture *f, unsigned i, uint64_t *seed)
{
	static const uint64_t manners[] = { 1 * MS, 20 * MS, 300 * MS, 700 * MS,
					    NEVER_ANSWERS };

	f->agent[i].answer_after = manners[below(seed, ARRAY_SIZE(manners))];
	f->agent[i].checked = below(seed, 4);
}

static void act_goodbye(struct fixture *f, unsigned i, uint64_t *seed)
{
	if (!f->agent[i].link || f->agent[i].silent)
		return;
	fixture_goodbye(f, i);
	if (below(seed, 2))
		fixture_run(f, 600 * MS);
	fixture_kill_agent(f, i);
}

static void act_partition(struct fixture *f, unsigned i, uint64_t *seed)
{
	for (unsigned k = 0; k < FIXTURE_AGENTS; k++)
		if (below(seed, 4))
			fixture_silence(f, k);
	fixture_run(f, below(seed, 3000) * MS);
	for (unsigned k = 0; k < FIXTURE_AGENTS; k++)
		if (below(seed, 3))
			fixture_wake(f, k);
}

static void act_restart(struct fixture *f, unsigned i, uint64_t *seed)
{
	(void)i;
	(void)seed;
	fixture_restart(f);
}

static void act_refuse(struct fixture *f, unsigned i, uint64_t *seed)
{
	const struct node *n = fixture_node(f, i);
	struct event ev = { .type = EVENT_REFUSED, .tag = n ? n->tag : 0 };

	(void)seed;
	if (n)
		fixture_step(f, &ev);
}

static void order(struct fixture *f, enum event_type type, unsigned i,
		  uint64_t *seed)
{
	struct event ev = { .type = type, .name = f->agent[i].name };

	if (type == EVENT_DRAIN && below(seed, 2))
		ev.deadline_ns = below(seed, 4000) * MS;
	fixture_step(f, &ev);
}

static void act_drain(struct fixture *f, unsigned i, uint64_t *seed)
{
	order(f, EVENT_DRAIN, i, seed);
}

static void act_replace(struct fixture *f, unsigned i, uint64_t *seed)
{
	struct event ev = { .type = EVENT_REPLACE,
			    .name = f->agent[i].name,
			    .by = f->agent[below(seed, FIXTURE_AGENTS)].name };

	fixture_step(f, &ev);
}

static void act_undrain(struct fixture *f, unsigned i, uint64_t *seed)
{
	order(f, EVENT_UNDRAIN, i, seed);
}

static void act_fail(struct fixture *f, unsigned i, uint64_t *seed)
{
	order(f, EVENT_FAIL, i, seed);
}

static void act_rm(struct fixture *f, unsigned i, uint64_t *seed)
{
	order(f, EVENT_RM, i, seed);
}

static void act_freeze(struct fixture *f, unsigned i, uint64_t *seed)
{
	order(f, EVENT_FREEZE, i, seed);
}

static void act_thaw(struct fixture *f, unsigned i, uint64_t *seed)
{
	order(f, EVENT_THAW, i, seed);
}

static const struct {
	void (*act)(struct fixture *f, unsigned i, uint64_t *seed);
	unsigned weight;
} acts[] = {
	{ act_start, 30 },	   { act_silence, 8 },
	{ act_wake, 14 },	   { act_kill_agent, 8 },
	{ act_kill_server, 8 },	   { act_heal_server, 10 },
	{ act_change_manners, 6 }, { act_goodbye, 3 },
	{ act_partition, 2 },	   { act_restart, 2 },
	{ act_refuse, 3 },	   { act_drain, 6 },
	{ act_replace, 6 },	   { act_undrain, 8 },
	{ act_fail, 3 },	   { act_rm, 3 },
	{ act_freeze, 2 },	   { act_thaw, 5 },
};

static void act_at_random(struct fixture *f, uint64_t *seed)
{
	unsigned sum = 0, at;

	for (unsigned i = 0; i < ARRAY_SIZE(acts); i++)
		sum += acts[i].weight;
	at = below(seed, sum);
	for (unsigned i = 0; i < ARRAY_SIZE(acts); i++) {
		if (at < acts[i].weight) {
			acts[i].act(f, below(seed, FIXTURE_AGENTS), seed);
			return;
		}
		at -= acts[i].weight;
	}
}

/* A moment, a grace or a long while. */
static uint64_t draw_pause(uint64_t *seed)
{
	static const unsigned upto_ms[] = { 5, 50, 400, 1500, 8000 };

	return below(seed, upto_ms[below(seed, ARRAY_SIZE(upto_ms))]) * MS;
}

/* Everything is mended: in the end all must be well. */
static void mend(struct fixture *f)
{
	fixture_order(f, EVENT_THAW, 0);
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++) {
		fixture_heal_server(f, i);
		fixture_wake(f, i);
		if (!f->agent[i].running)
			fixture_start(f, i);
		fixture_order(f, EVENT_UNDRAIN, i);
	}
	fixture_run(f, 10 * NS_PER_S);
	/* of a draining node whose agent was away it was refused */
	for (unsigned i = 0; i < FIXTURE_AGENTS; i++)
		fixture_order(f, EVENT_UNDRAIN, i);
	fixture_run(f, 700 * NS_PER_S); /* longer than any hold-down */
}

static void check_all_are_back(struct fixture *f)
{
	for (unsigned i = 0; i < FIXTURE_AGENTS && !f->broken[0]; i++)
		if (fixture_state(f, i) != NODE_ACTIVE &&
		    fixture_state(f, i) != NODE_RESERVE)
			snprintf(f->broken, sizeof(f->broken), "%s is %s",
				 f->agent[i].name,
				 fixture_node(f, i)
					 ? node_state_name(fixture_state(f, i))
					 : "unknown");
}

static struct cluster_conf draw_conf(uint64_t *seed)
{
	static const unsigned small[] = { 1, 2, 3, 7, 24, 24, 100, 300 };
	struct cluster_conf conf = fixture_conf(
		below(seed, 100) ? small[below(seed, ARRAY_SIZE(small))]
				 : 65535,
		below(seed, 3));

	if (!below(seed, 3)) {
		conf.interval_ns = 10 * MS;
		conf.miss = 3;
	}
	conf.keep = !below(seed, 4);
	conf.drain_deadline_ns = below(seed, 2) * NS_PER_S;
	return conf;
}

/* A history; true when every promise held. */
static bool play(uint64_t seed)
{
	uint64_t state = seed;
	struct cluster_conf conf = draw_conf(&state);
	unsigned n = conf.routes == ROUTES_MAX ? ACTS / 4 : ACTS;
	struct fixture f;
	bool good;

	fixture_init(&f, &conf);
	for (unsigned i = 0; i < n && !f.broken[0]; i++) {
		act_at_random(&f, &state);
		fixture_run(&f, draw_pause(&state));
	}
	mend(&f);
	fixture_check_rest(&f);
	check_all_are_back(&f);
	good = !f.broken[0];
	if (!good)
		fprintf(stderr,
			"%s\nN=%u reserve=%u keep=%d interval=%llums: %s\n"
			"replay with HALO_SIM_SEED=%llu\n",
			f.script, conf.routes, conf.reserve, conf.keep,
			(unsigned long long)(conf.interval_ns / MS), f.broken,
			(unsigned long long)seed);
	fixture_fini(&f);
	return good;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void random_histories_keep_every_promise(void **state)
{
	uint64_t seed = number_from("HALO_SIM_SEED", 0);
	uint64_t runs = number_from("HALO_SIM_RUNS", RUNS_DEFAULT);

	(void)state;
	if (seed) {
		assert_true(play(seed));
		return;
	}
	print_message("seeds 1..%llu\n", (unsigned long long)runs);
	for (seed = 1; seed <= runs; seed++)
		assert_true(play(seed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_histories_keep_every_promise),
	};

	return cmocka_run_group_tests_name("cluster_sim", tests, NULL, NULL);
}
