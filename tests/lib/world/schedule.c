// SPDX-License-Identifier: GPL-2.0-or-later
#include "schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define HOLD_DOWN_MAX (8 * NS_PER_S)

/* splitmix64: every schedule is its seed */
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

/* ---- acts ---- */

static void act_start(struct world *w, unsigned i, unsigned wish)
{
	w->node[i].wish = wish < 3 ? (enum node_wish)wish : WISH_NONE;
	world_start_agent(w, i);
}

static void act_kill(struct world *w, unsigned i, unsigned arg)
{
	world_kill_agent(w, i);
}

static void act_stop(struct world *w, unsigned i, unsigned arg)
{
	world_stop_agent(w, i);
}

static void act_freeze(struct world *w, unsigned i, unsigned arg)
{
	world_freeze(w, i, true);
}

static void act_thaw_machine(struct world *w, unsigned i, unsigned arg)
{
	world_freeze(w, i, false);
}

static void act_cut(struct world *w, unsigned i, unsigned arg)
{
	world_cut(w, i, true);
}

static void act_join(struct world *w, unsigned i, unsigned arg)
{
	world_cut(w, i, false);
}

/* arg: a bit per node */
static void act_partition(struct world *w, unsigned i, unsigned arg)
{
	for (unsigned k = 0; k < WORLD_NODES; k++)
		if (arg >> k & 1)
			world_cut(w, k, true);
}

static void act_join_all(struct world *w, unsigned i, unsigned arg)
{
	for (unsigned k = 0; k < WORLD_NODES; k++)
		if (w->node[k].cut)
			world_cut(w, k, false);
}

static void act_kill_server(struct world *w, unsigned i, unsigned arg)
{
	world_set_server(w, i, false);
}

static void act_heal_server(struct world *w, unsigned i, unsigned arg)
{
	world_set_server(w, i, true);
}

static void act_manners(struct world *w, unsigned i, unsigned arg)
{
	static const uint64_t manners[] = { 1 * MS, 20 * MS, 300 * MS, 700 * MS,
					    NEVER_ANSWERS };

	w->node[i].manners = manners[arg % ARRAY_SIZE(manners)];
}

static void act_kill_halod(struct world *w, unsigned i, unsigned arg)
{
	world_kill_halod(w);
}

static void act_start_halod(struct world *w, unsigned i, unsigned arg)
{
	world_start_halod(w);
}

static void act_restart_halod(struct world *w, unsigned i, unsigned arg)
{
	world_kill_halod(w);
	world_run(w, (arg % 3000) * MS);
	world_start_halod(w);
}

static void act_stall(struct world *w, unsigned i, unsigned arg)
{
	world_stall_halod(w, (arg % 5000) * MS);
}

static void act_disk(struct world *w, unsigned i, unsigned arg)
{
	w->disk_fails = arg & 1;
}

static void act_drain(struct world *w, unsigned i, unsigned arg)
{
	world_order(w, EVENT_DRAIN, i);
}

static void act_undrain(struct world *w, unsigned i, unsigned arg)
{
	world_order(w, EVENT_UNDRAIN, i);
}

static void act_fail(struct world *w, unsigned i, unsigned arg)
{
	world_order(w, EVENT_FAIL, i);
}

static void act_rm(struct world *w, unsigned i, unsigned arg)
{
	world_order(w, EVENT_RM, i);
}

static void act_freeze_cluster(struct world *w, unsigned i, unsigned arg)
{
	world_order(w, EVENT_FREEZE, i);
}

static void act_thaw(struct world *w, unsigned i, unsigned arg)
{
	world_order(w, EVENT_THAW, i);
}

static const struct {
	const char *name;
	void (*act)(struct world *w, unsigned i, unsigned arg);
	unsigned weight;
} acts[] = {
	{ "start", act_start, 34 },
	{ "kill-agent", act_kill, 6 },
	{ "stop-agent", act_stop, 4 },
	{ "freeze-machine", act_freeze, 5 },
	{ "thaw-machine", act_thaw_machine, 9 },
	{ "cut", act_cut, 6 },
	{ "join", act_join, 9 },
	{ "partition", act_partition, 2 },
	{ "join-all", act_join_all, 5 },
	{ "kill-server", act_kill_server, 7 },
	{ "heal-server", act_heal_server, 10 },
	{ "manners", act_manners, 6 },
	{ "kill-halod", act_kill_halod, 2 },
	{ "start-halod", act_start_halod, 8 },
	{ "restart-halod", act_restart_halod, 4 },
	{ "stall-halod", act_stall, 2 },
	{ "disk-fails", act_disk, 4 },
	{ "drain", act_drain, 6 },
	{ "undrain", act_undrain, 8 },
	{ "fail", act_fail, 3 },
	{ "rm", act_rm, 3 },
	{ "freeze", act_freeze_cluster, 2 },
	{ "thaw", act_thaw, 5 },
};

static unsigned draw_kind(uint64_t *seed)
{
	unsigned sum = 0, at, kind = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(acts); i++)
		sum += acts[i].weight;
	at = below(seed, sum);
	while (at >= acts[kind].weight)
		at -= acts[kind++].weight;
	return kind;
}

/* A moment, a grace or a long while. */
static unsigned draw_pause(uint64_t *seed)
{
	static const unsigned upto_ms[] = { 5, 50, 400, 1500, 12000 };

	return below(seed, upto_ms[below(seed, ARRAY_SIZE(upto_ms))]);
}

void schedule_draw(struct schedule *s, uint64_t seed)
{
	static const unsigned routes[] = { 1, 2, 3, 7, 24, 24, 100, 300 };
	static const unsigned latency_us[] = { 50, 200, 1000, 4000 };
	bool fast = !below(&seed, 3);

	memset(s, 0, sizeof(*s));
	s->routes = routes[below(&seed, ARRAY_SIZE(routes))];
	s->reserve = below(&seed, 3);
	s->interval_ms = fast ? 10 : 200;
	s->miss = fast ? 3 : 5;
	s->keep = !below(&seed, 4);
	s->drain_ms = 1000 * below(&seed, 2);
	s->latency_us = latency_us[below(&seed, ARRAY_SIZE(latency_us))];
	s->loss_permille = below(&seed, 3) ? 0 : below(&seed, 20);
	s->write_ms = 1 + below(&seed, 50);
	s->n_acts = SCHEDULE_ACTS - below(&seed, SCHEDULE_ACTS / 2);
	for (unsigned i = 0; i < s->n_acts; i++)
		s->act[i] = (struct schedule_act){
			.pause_ms = draw_pause(&seed),
			.kind = draw_kind(&seed),
			.node = below(&seed, WORLD_NODES),
			.arg = below(&seed, 1 << 16),
		};
	s->seed = draw(&seed) >> 1;
}

/* ---- text ---- */

void schedule_print(const struct schedule *s, FILE *to)
{
	fprintf(to, "seed %llu\nroutes %u reserve %u interval %u miss %u\n",
		(unsigned long long)s->seed, s->routes, s->reserve,
		s->interval_ms, s->miss);
	fprintf(to,
		"keep %u drain %u latency_us %u loss_permille %u write %u\n",
		s->keep, s->drain_ms, s->latency_us, s->loss_permille,
		s->write_ms);
	for (unsigned i = 0; i < s->n_acts; i++)
		fprintf(to, "+%u %s n%u %u\n", s->act[i].pause_ms,
			acts[s->act[i].kind].name, s->act[i].node,
			s->act[i].arg);
}

static int read_act(struct schedule_act *a, const char *name)
{
	for (a->kind = 0; a->kind < ARRAY_SIZE(acts); a->kind++)
		if (!strcmp(acts[a->kind].name, name))
			return a->node < WORLD_NODES ? 0 : -EINVAL;
	return -EINVAL;
}

int schedule_read(struct schedule *s, FILE *from)
{
	unsigned long long seed;
	char name[32];

	memset(s, 0, sizeof(*s));
	if (fscanf(from, " seed %llu routes %u reserve %u interval %u miss %u",
		   &seed, &s->routes, &s->reserve, &s->interval_ms,
		   &s->miss) != 5 ||
	    fscanf(from,
		   " keep %u drain %u latency_us %u loss_permille %u write %u",
		   &s->keep, &s->drain_ms, &s->latency_us, &s->loss_permille,
		   &s->write_ms) != 5)
		return -EINVAL;
	s->seed = seed;
	while (s->n_acts < SCHEDULE_ACTS) {
		struct schedule_act *a = &s->act[s->n_acts];

		if (fscanf(from, " +%u %31s n%u %u", &a->pause_ms, name,
			   &a->node, &a->arg) != 4)
			break;
		if (read_act(a, name))
			return -EINVAL;
		s->n_acts++;
	}
	return feof(from) || s->n_acts == SCHEDULE_ACTS ? 0 : -EINVAL;
}

/* ---- playing ---- */

static struct world_conf conf_of(const struct schedule *s)
{
	struct world_conf conf = {
		.cluster = fixture_conf(s->routes, s->reserve),
		.seed = s->seed,
		.latency_ns = s->latency_us * NS_PER_US,
		.loss_permille = s->loss_permille,
		.write_ns = s->write_ms * MS,
	};

	conf.cluster.hold_down_ns = HOLD_DOWN_MAX / 8;
	conf.cluster.hold_down_max_ns = HOLD_DOWN_MAX;
	conf.cluster.interval_ns = s->interval_ms * MS;
	conf.cluster.miss = s->miss;
	conf.cluster.keep = s->keep;
	conf.cluster.drain_deadline_ns = s->drain_ms * MS;
	return conf;
}

static void mend_node(struct world *w, unsigned i)
{
	world_cut(w, i, false);
	world_freeze(w, i, false);
	world_set_server(w, i, true);
	w->node[i].manners = 20 * MS;
	world_start_agent(w, i);
}

/* Everything is mended: in the end all must be well. */
static void mend(struct world *w)
{
	w->conf.loss_permille = 0;
	w->disk_fails = false;
	w->stalled = 0;
	world_start_halod(w);
	world_order(w, EVENT_THAW, 0);
	for (unsigned i = 0; i < WORLD_NODES; i++)
		mend_node(w, i);
	/* of a node whose agent is away it is refused */
	for (unsigned round = 0; round < 3; round++) {
		world_run(w, 15 * NS_PER_S);
		for (unsigned i = 0; i < WORLD_NODES; i++) {
			world_start_agent(w, i); /* had been asked to end */
			world_order(w, EVENT_UNDRAIN, i);
		}
	}
	world_run(w, 3 * HOLD_DOWN_MAX);
}

static void check_all_are_back(struct world *w)
{
	for (unsigned i = 0; i < WORLD_NODES && !w->core.broken[0]; i++) {
		enum node_state state = fixture_state(&w->core, i);

		if (state != NODE_ACTIVE && state != NODE_RESERVE)
			snprintf(w->core.broken, sizeof(w->core.broken),
				 "%s is %s when all is mended", w->node[i].name,
				 fixture_node(&w->core, i)
					 ? node_state_name(state)
					 : "unknown");
	}
}

bool schedule_play(const struct schedule *s, char **why, FILE *trace)
{
	struct world_conf conf = conf_of(s);
	static struct world w;
	bool good;

	world_init(&w, &conf);
	for (unsigned i = 0; i < s->n_acts && !w.core.broken[0]; i++) {
		const struct schedule_act *a = &s->act[i];

		world_run(&w, a->pause_ms * MS);
		if (!w.core.broken[0])
			acts[a->kind].act(&w, a->node, a->arg);
	}
	if (!w.core.broken[0])
		mend(&w);
	world_check_rest(&w);
	check_all_are_back(&w);
	good = !w.core.broken[0];
	if (trace)
		fputs(w.core.script ? w.core.script : "", trace);
	if (!good && why)
		*why = strdup(w.core.broken);
	world_fini(&w);
	return good;
}

/* Leaves out n acts from the first-th on; the time they took is kept. */
static void leave_out(struct schedule *s, unsigned first, unsigned n)
{
	uint32_t pause = 0;

	for (unsigned i = first; i < first + n; i++)
		pause += s->act[i].pause_ms;
	s->n_acts -= n;
	memmove(&s->act[first], &s->act[first + n],
		(s->n_acts - first) * sizeof(s->act[0]));
	if (first < s->n_acts)
		s->act[first].pause_ms += pause;
}

void schedule_shorten(struct schedule *s)
{
	for (unsigned n = s->n_acts / 2; n; n = n > 1 ? n / 2 : 0)
		for (unsigned i = 0; i + n <= s->n_acts;) {
			struct schedule less = *s;

			leave_out(&less, i, n);
			if (schedule_play(&less, NULL, NULL))
				i += n;
			else
				*s = less;
		}
}
