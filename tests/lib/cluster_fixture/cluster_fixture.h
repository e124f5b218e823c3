/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster in virtual time with the world around it: agents that beat, hand
 * over and come back, machines that fall silent, servers that answer probes, a
 * plane that does as it is told. After every step the promises of the design
 * are checked; the first one broken stands in `broken`.
 */
#ifndef HALO_TESTS_CLUSTER_FIXTURE_H
#define HALO_TESTS_CLUSTER_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/cluster.h"
#include "packet/route_bits.h"

#define FIXTURE_AGENTS 12
#define MS	       NS_PER_MS
#define NEVER_ANSWERS  UINT64_MAX

struct fixture_agent {
	char name[NODE_NAME_MAX];
	uint64_t link; /* 0: none */
	uint64_t instance;
	bool running; /* the agent's process; connects when it is not linked */
	bool silent;  /* the machine: nothing leaves or reaches it */
	bool server;  /* accepts connections */
	bool checked; /* its check reports the server's health */
	bool said_goodbye;
	enum node_wish wish;
	uint64_t beat_at, connect_at;
	uint64_t answer_after; /* MOVING → MOVED_OK; NEVER_ANSWERS */
	uint64_t moved_at;     /* a MOVED_OK is due; 0: none */
	uint32_t moved_id;
	uint64_t seq;
	uint64_t version; /* of the last ASSIGNED */
	uint32_t digest;  /* of its routes */
	unsigned routes;
	unsigned errors; /* ERROR messages received */
	enum error_code last_error;
	struct message_welcome welcome;
	struct message_moving moving; /* the last; its routes are not kept */
	unsigned movings;
	bool told_of_moves;	   /* leaving may have some */
	struct route_bits leaving; /* what MOVING said it will lose */
};

/* Takes the place of the fixture's own agents, for a world with more to it. */
struct fixture_hooks {
	void (*send)(void *arg, uint64_t link, const struct message *m);
	void (*close)(void *arg, uint64_t link);
	void (*store)(void *arg);
	void (*note)(void *arg, const struct note *n);
	void *arg;
};

struct fixture {
	const struct fixture_hooks *hooks; /* NULL: its own agents; borrowed */
	struct cluster_conf conf;
	struct cluster *cl;
	struct effects *fx; /* of the last step */
	uint64_t now;
	uint64_t next_link, next_instance;
	struct fixture_agent agent[FIXTURE_AGENTS];
	bool probes_answered; /* else PROBE effects are left alone */
	uint32_t probe[FIXTURE_AGENTS * 4];
	unsigned n_probes;
	/* the plane */
	struct table *carried; /* the last one applied */
	uint64_t version;
	uint32_t *tag;	  /* by route */
	bool *held;	  /* by route */
	uint32_t *ends;	  /* by route: flows of that tag have yet to be ended */
	uint16_t **model; /* by n: T(N, n), built the literal way */
	/* what happened: a text line an event, effect or note */
	char *script;
	size_t script_len, script_cap;
	bool quiet; /* keep no script of beats */
	unsigned steps;
	char broken[256]; /* "" while all promises hold */
};

struct cluster_conf fixture_conf(unsigned routes, unsigned reserve);
void fixture_init(struct fixture *f, const struct cluster_conf *conf);
void fixture_fini(struct fixture *f);

/* One event at the present time. Returns cluster_step()'s answer. */
int fixture_step(struct fixture *f, const struct event *ev);
/* Lets time pass: beats, answers and ticks in order. */
void fixture_run(struct fixture *f, uint64_t ns);

void fixture_start(struct fixture *f, unsigned i);   /* its agent: HELLO now */
void fixture_join(struct fixture *f, unsigned n);    /* 0..n-1, then settled */
void fixture_silence(struct fixture *f, unsigned i); /* the machine */
void fixture_wake(struct fixture *f, unsigned i);
void fixture_kill_agent(struct fixture *f, unsigned i);
void fixture_kill_server(struct fixture *f, unsigned i);
void fixture_heal_server(struct fixture *f, unsigned i);
void fixture_goodbye(struct fixture *f, unsigned i);
int fixture_order(struct fixture *f, enum event_type type, unsigned i);
void fixture_reconf(struct fixture *f, const struct cluster_conf *conf);
/* halod is gone and back: by save and restore. */
void fixture_restart(struct fixture *f);
/* A new life that finds what is stored (NULL: nothing) and, in the plane, the
 * table that the former one left there. */
void fixture_recover(struct fixture *f, const struct cluster_saved *saved);

const struct node *fixture_node(const struct fixture *f, unsigned i);
enum node_state fixture_state(const struct fixture *f, unsigned i);
unsigned fixture_served(const struct fixture *f, unsigned i); /* routes */
unsigned fixture_held(const struct fixture *f);
unsigned fixture_moving(const struct fixture *f);
/* Position of the nth effect of that type in the last step, or -1. */
int fixture_find(const struct fixture *f, enum effect_type type, unsigned nth);
/* Whether the script has that text. */
bool fixture_saw(const struct fixture *f, const char *text);
void fixture_forget_script(struct fixture *f);
/* All is over: nothing held, nothing moving, agents know their routes. */
void fixture_check_rest(struct fixture *f);

#endif
