/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "score.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

/* Accepted so shortly before a fault, a message may have died on its way. */
#define FORCED_BEFORE_NS (100 * NS_PER_MS)

struct incident {
	char name[64];
	bool forced;
	uint64_t begin_ns, end_ns; /* TIME_NEVER: open */
	unsigned broken, home_broken, back, connects, failed;
	unsigned answers, cut_short;
	uint64_t broken_first_ns, broken_last_ns, back_last_ns;
	uint64_t home_broken_last_ns;
	uint64_t gap_ns, connect_ns, answer_ns;
};

struct route_score {
	uint32_t last; /* highest number accepted */
	uint64_t accepted_ns[SCORE_MESSAGES_MAX + 1];
};

struct listener {
	unsigned route; /* 0: has never listened */
	uint32_t since; /* owed are numbers above this */
	uint8_t got[SCORE_MESSAGES_MAX / 8 + 1];
};

struct score {
	unsigned routes, subscribers;
	struct route_score *route; /* [routes + 1] */
	struct listener *listener;
	uint64_t published, duplicates, probes, probe_failures;
	unsigned n_incidents;
	struct incident incident[SCORE_INCIDENTS_MAX];
};

struct score *score_new(unsigned routes, unsigned subscribers)
{
	struct score *sc = calloc(1, sizeof(*sc));

	if (!sc)
		return NULL;
	sc->routes = routes;
	sc->subscribers = subscribers;
	sc->route = calloc(routes + 1, sizeof(*sc->route));
	sc->listener = calloc(subscribers + 1, sizeof(*sc->listener));
	if (!sc->route || !sc->listener) {
		score_free(sc);
		return NULL;
	}
	return sc;
}

void score_free(struct score *sc)
{
	if (!sc)
		return;
	free(sc->route);
	free(sc->listener);
	free(sc);
}

void score_listens(struct score *sc, unsigned who, unsigned route)
{
	struct listener *l = &sc->listener[who];

	if (l->route)
		return;
	l->route = route;
	l->since = sc->route[route].last;
}

void score_accepted(struct score *sc, unsigned route, uint32_t seq,
		    uint64_t now)
{
	struct route_score *r = &sc->route[route];

	if (seq > SCORE_MESSAGES_MAX || r->accepted_ns[seq])
		return;
	r->accepted_ns[seq] = now;
	if (seq > r->last)
		r->last = seq;
	sc->published++;
}

uint64_t score_accepted_at(const struct score *sc, unsigned route, uint32_t seq)
{
	return seq <= SCORE_MESSAGES_MAX ? sc->route[route].accepted_ns[seq]
					 : 0;
}

static bool has(const struct listener *l, uint32_t seq)
{
	return l->got[seq / 8] >> seq % 8 & 1;
}

void score_received(struct score *sc, unsigned who, uint32_t seq)
{
	struct listener *l = &sc->listener[who];

	if (!seq || seq > SCORE_MESSAGES_MAX)
		return;
	if (has(l, seq))
		sc->duplicates++;
	l->got[seq / 8] |= (uint8_t)(1 << seq % 8);
}

static struct incident *open_incident(struct score *sc)
{
	struct incident *last = sc->incident + sc->n_incidents;

	return sc->n_incidents && last[-1].end_ns == TIME_NEVER ? last - 1
								: NULL;
}

int score_begin(struct score *sc, const char *name, bool forced, uint64_t now)
{
	struct incident *i = open_incident(sc);

	if (i)
		i->end_ns = now;
	if (sc->n_incidents == SCORE_INCIDENTS_MAX)
		return -E2BIG;
	i = &sc->incident[sc->n_incidents++];
	*i = (struct incident){ .forced = forced,
				.begin_ns = now,
				.end_ns = TIME_NEVER };
	snprintf(i->name, sizeof(i->name), "%s", name);
	return 0;
}

void score_began(struct score *sc, uint64_t at_ns)
{
	struct incident *i = open_incident(sc);

	if (i)
		i->begin_ns = at_ns;
}

static double ms_since(uint64_t ns, uint64_t begin_ns)
{
	return ns > begin_ns ? (double)(ns - begin_ns) / NS_PER_MS : 0;
}

void score_end(struct score *sc, uint64_t now, FILE *out)
{
	struct incident *i = open_incident(sc);

	if (!i)
		return;
	i->end_ns = now;
	fprintf(out,
		"{\"incident\":\"%s\",\"forced\":%s,\"broken\":%u,"
		"\"broken_first_ms\":%.1f,\"broken_last_ms\":%.1f,"
		"\"home_broken\":%u,\"home_broken_last_ms\":%.1f,"
		"\"back\":%u,\"back_last_ms\":%.1f,\"gap_max_ms\":%.1f,"
		"\"connects\":%u,\"connect_failed\":%u,"
		"\"connect_max_ms\":%.1f,\"answers\":%u,"
		"\"answer_max_ms\":%.1f,\"cut_short\":%u}\n",
		i->name, i->forced ? "true" : "false", i->broken,
		ms_since(i->broken_first_ns, i->begin_ns),
		ms_since(i->broken_last_ns, i->begin_ns), i->home_broken,
		ms_since(i->home_broken_last_ns, i->begin_ns), i->back,
		ms_since(i->back_last_ns, i->begin_ns), ms_since(i->gap_ns, 0),
		i->connects, i->failed, ms_since(i->connect_ns, 0), i->answers,
		ms_since(i->answer_ns, 0), i->cut_short);
	fflush(out);
}

void score_broken(struct score *sc, bool home, uint64_t now)
{
	struct incident *i = open_incident(sc);

	if (!i)
		return;
	if (!i->broken++)
		i->broken_first_ns = now;
	i->broken_last_ns = now;
	if (home) {
		i->home_broken++;
		i->home_broken_last_ns = now;
	}
}

void score_back(struct score *sc, uint64_t broken_ns, uint64_t now)
{
	struct incident *i = open_incident(sc);

	if (!i || broken_ns < i->begin_ns)
		return;
	i->back++;
	i->back_last_ns = now;
	if (now - broken_ns > i->gap_ns)
		i->gap_ns = now - broken_ns;
}

/* What it waited before the incident is not the incident's. */
static void add_wait(const struct incident *i, const struct score_probe *p,
		     uint64_t until_ns, uint64_t *max_ns)
{
	uint64_t from = p->opened_ns;

	if (from < i->begin_ns)
		from = i->begin_ns;
	if (until_ns > from && until_ns - from > *max_ns)
		*max_ns = until_ns - from;
}

static void add_connect(struct incident *i, const struct score_probe *p)
{
	if ((p->up_ns ? p->up_ns : p->end_ns) < i->begin_ns)
		return;
	i->connects++;
	i->failed += !p->up_ns;
	add_wait(i, p, p->up_ns, &i->connect_ns);
}

static void add_answer(struct incident *i, const struct score_probe *p)
{
	if ((p->answer_ns ? p->answer_ns : p->end_ns) < i->begin_ns)
		return;
	i->answers += p->answer_ns > 0;
	i->cut_short += p->up_ns && !p->answer_ns;
	add_wait(i, p, p->answer_ns, &i->answer_ns);
}

void score_probe(struct score *sc, const struct score_probe *p)
{
	struct incident *i = open_incident(sc);

	sc->probes++;
	sc->probe_failures += !p->up_ns;
	if (!i)
		return;
	add_connect(i, p);
	add_answer(i, p);
}

static bool is_forced(const struct score *sc, uint64_t accepted_ns)
{
	for (unsigned n = 0; n < sc->n_incidents; n++) {
		const struct incident *i = &sc->incident[n];

		if (i->forced && accepted_ns + FORCED_BEFORE_NS > i->begin_ns &&
		    accepted_ns < i->end_ns)
			return true;
	}
	return false;
}

static void add_listener(const struct score *sc, const struct listener *l,
			 struct score_totals *out)
{
	const struct route_score *r = &sc->route[l->route];

	for (uint32_t seq = l->since + 1; seq <= r->last; seq++) {
		if (!r->accepted_ns[seq])
			continue;
		out->expected++;
		if (has(l, seq))
			out->delivered++;
		else if (is_forced(sc, r->accepted_ns[seq]))
			out->lost_forced++;
		else
			out->lost++;
	}
}

void score_totals(struct score *sc, struct score_totals *out)
{
	const struct incident *i = open_incident(sc);

	*out = (struct score_totals){
		.published = sc->published,
		.duplicates = sc->duplicates,
		.probes = sc->probes,
		.probe_failures = sc->probe_failures,
		.broken = i ? i->broken : 0,
		.back = i ? i->back : 0,
	};
	for (unsigned who = 0; who < sc->subscribers; who++)
		if (sc->listener[who].route)
			add_listener(sc, &sc->listener[who], out);
}
