/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was published, who got it, and what an incident did to the clients.
 * Pure bookkeeping: no sockets, no clock.
 */
#ifndef HALO_DEMO_SCORE_H
#define HALO_DEMO_SCORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SCORE_MESSAGES_MAX  16384 /* per route */
#define SCORE_INCIDENTS_MAX 256

struct score;

struct score_totals {
	uint64_t published;  /* messages a server answered with 2xx */
	uint64_t expected;   /* times the subscribers of their routes */
	uint64_t delivered;  /* of these */
	uint64_t duplicates; /* told apart by number */
	uint64_t lost;	     /* of messages outside forced incidents */
	uint64_t lost_forced;
	uint64_t probes, probe_failures;
	unsigned broken, back; /* subscribers, in the incident that is open */
};

struct score *score_new(unsigned routes, unsigned subscribers);
void score_free(struct score *sc);

/* Subscriber who listens to the route from now on: it is owed all messages
 * that are accepted after this. Only the first call counts. */
void score_listens(struct score *sc, unsigned who, unsigned route);
/* seq counts from 1 within a route. */
void score_accepted(struct score *sc, unsigned route, uint32_t seq,
		    uint64_t now);
void score_received(struct score *sc, unsigned who, uint32_t seq);
/* When the message was accepted; 0: not (yet). */
uint64_t score_accepted_at(const struct score *sc, unsigned route,
			   uint32_t seq);

/* How a new connection from nowhere fared. */
struct score_probe {
	uint64_t opened_ns;
	uint64_t up_ns;	    /* established; 0: never */
	uint64_t answer_ns; /* the first byte of the answer; 0: never */
	uint64_t end_ns;
};

/* Incidents do not overlap: a begin ends the one before it. -E2BIG. */
int score_begin(struct score *sc, const char *name, bool forced, uint64_t now);
/* The one that is open began at this very moment. */
void score_began(struct score *sc, uint64_t at_ns);
/* One line of JSON about the incident; nothing when none is open. */
void score_end(struct score *sc, uint64_t now, FILE *out);

/* A subscriber's connection ended (home: that of one behind the home router),
 * or one is up again after that. */
void score_broken(struct score *sc, bool home, uint64_t now);
void score_back(struct score *sc, uint64_t broken_ns, uint64_t now);
void score_probe(struct score *sc, const struct score_probe *p);

void score_totals(struct score *sc, struct score_totals *out);

#endif
