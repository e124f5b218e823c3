/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the parts of the world: time, halod and store (world.c), nodes and
 * their agents (world_node.c), connections (world_conn.c).
 */
#ifndef HALO_TESTS_WORLD_PRIVATE_H
#define HALO_TESTS_WORLD_PRIVATE_H

#include "../cluster_fixture/fixture_private.h"
#include "world.h"

uint64_t world_draw(struct world *w);
/* An event for the cluster, now. */
void world_step(struct world *w, const struct event *ev);
void world_check_loss(struct world *w, const struct world_node *n);

/* world.c: the store */
void world_store(void *arg);
void world_write(struct world *w);

/* world_node.c */
uint64_t world_node_due(const struct world *w, unsigned i);
void world_run_node(struct world *w, unsigned i);
void world_feed_agent(struct world *w, unsigned i,
		      const struct agent_input *in);

/* world_conn.c */
struct world_conn *world_connect(struct world *w, unsigned node);
void world_send_to_halod(struct world *w, struct world_conn *c,
			 const struct message *m);
void world_close_by_agent(struct world *w, struct world_conn *c);
void world_send_to_agent(void *arg, uint64_t link, const struct message *m);
void world_close_link(void *arg, uint64_t link);
void world_deliver_to_halod(struct world *w, struct world_conn *c);
void world_deliver_to_agent(struct world *w, struct world_conn *c);
/* halod is gone: its ends are closed. */
void world_reset_conns(struct world *w);
void world_forget_closed(struct world *w);
void world_free_conns(struct world *w);

#endif
