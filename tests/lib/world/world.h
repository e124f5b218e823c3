/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole deployment in virtual time, from a seed: the cluster, real agents
 * (nodeagent/agent.h) that speak to it in frames over connections with latency
 * and loss, a plane that outlives halod and a store that may fail. After every
 * step the promises of the design are checked; the first one broken stands in
 * `core.broken`. What happens to the world is the caller's business.
 */
#ifndef HALO_TESTS_WORLD_H
#define HALO_TESTS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "../cluster_fixture/cluster_fixture.h"
#include "../../../nodeagent/agent.h"
#include "pipe.h"
#include "wire/assembler.h"

#define WORLD_NODES FIXTURE_AGENTS

struct world_conf {
	struct cluster_conf cluster;
	uint64_t seed;
	uint64_t latency_ns; /* one way; a random part as large on top */
	unsigned loss_permille;
	uint64_t write_ns; /* what the store takes */
};

struct world_conn {
	uint64_t link; /* halod's; 0: not accepted yet */
	unsigned node;
	struct pipe up, down; /* to halod, to the agent */
	struct assembler at_halod, at_agent;
	bool agent_closed, halod_closed;
	struct world_conn *next;
};

struct world_node {
	char name[NODE_NAME_MAX];
	struct agent *agent; /* NULL: its process does not run */
	uint64_t instance;
	struct world_conn *conn; /* the agent's present one */
	uint64_t connected_at;	 /* an attempt ends then; TIME_NEVER: none */
	bool frozen;		 /* the machine: it runs nothing */
	bool cut;		 /* the cable: bytes wait */
	bool server;
	enum node_wish wish;
	uint64_t manners; /* MOVING → the application is done */
	uint64_t done_at;
	uint32_t done_id;
	uint64_t ended_at;  /* connections of what moves away are gone */
	uint32_t ending;    /* of which handover */
	uint64_t health_at; /* the check finds out */
	uint64_t heard_ns;  /* halod had a frame of it */
	/* what its agent believes */
	bool fenced;
	unsigned routes;
};

struct world {
	struct world_conf conf;
	struct fixture_hooks hooks;
	struct fixture core; /* cluster, plane and promises; its own agents
			      * stay unused */
	uint64_t rng;
	bool running;	  /* halod */
	uint64_t stalled; /* halod does nothing until then */
	struct world_node node[WORLD_NODES];
	struct world_conn *conns;
	/* the store */
	bool disk_fails;
	bool on_disk, writing;
	struct cluster_saved disk, write;
	uint64_t write_at;
	uint64_t probe_at;
};

void world_init(struct world *w, const struct world_conf *conf);
void world_fini(struct world *w);
void world_run(struct world *w, uint64_t ns);

void world_start_agent(struct world *w, unsigned i);
void world_kill_agent(struct world *w, unsigned i);
void world_stop_agent(struct world *w, unsigned i); /* SIGTERM */
void world_freeze(struct world *w, unsigned i, bool on);
void world_cut(struct world *w, unsigned i, bool on);
void world_set_server(struct world *w, unsigned i, bool up);
void world_order(struct world *w, enum event_type type, unsigned i);
void world_kill_halod(struct world *w);
/* With what the store and the plane still have. */
void world_start_halod(struct world *w);
/* halod runs nothing for that long: its clock jumps. */
void world_stall_halod(struct world *w, uint64_t ns);
/* Nothing is under way, and agents believe what the plane carries. */
void world_check_rest(struct world *w);

#endif
