/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a cluster's slots and routes become when a script of joins and losses
 * is played to the placement the daemon runs on (section 9 of the design). It
 * knows no time, no handover and no life of a node: see cluster.h for those.
 *
 * A line is an event, the names on it are one batch:
 *   join NAME…      always active; beyond N active nodes the slot owns nothing
 *   reserve NAME…   always to the reserve queue's tail
 *   register NAME…  active or reserve by the rule, in order of the names
 *   fail NAME…      active or reserve nodes are lost; they may join again
 *   drain NAME…     the same, planned
 *   replace OLD NEW NEW, in reserve or new, takes the slot of OLD, which leaves
 *   # comment       also behind an event; empty lines are fine
 */
#ifndef HALO_CONTROL_SIMULATE_H
#define HALO_CONTROL_SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/units.h"

struct simulate_step {
	char *event;	/* the line, words parted by one space, no comment */
	uint32_t moved; /* routes whose node changed; from or to none counts */
};

/* What the loss of a node would do to the outcome; see struct loss. */
struct simulate_loss {
	char node[NODE_NAME_MAX], successor[NODE_NAME_MAX]; /* "": nobody */
	uint16_t slot;					    /* 0: in reserve */
	uint32_t routes, moved, takers;
};

/* Where a script begins; borrowed. All zero but routes: nobody is there. */
struct simulate_start {
	unsigned routes;  /* 1..ROUTES_MAX */
	unsigned reserve; /* how many `register` keeps there */
	unsigned n_slots, n_reserve;
	const char (*slots)[NODE_NAME_MAX];	 /* slot i + 1 */
	const char (*in_reserve)[NODE_NAME_MAX]; /* head first */
	bool each; /* foresee the loss of each node at the end */
};

/* Owned by the caller; free with simulate_result_fini(). */
struct simulate_result {
	unsigned routes;
	unsigned n_slots, n_reserve, n_steps;
	char (*slots)[NODE_NAME_MAX];	/* slot i + 1 */
	char (*reserve)[NODE_NAME_MAX]; /* head first */
	uint16_t *owner;		/* slot of route i + 1; 0: none */
	struct simulate_step *steps;
	uint64_t moved; /* of all steps */
	unsigned n_losses;
	struct simulate_loss *losses; /* by slot, then the reserve */
};

/*
 * The script is any len bytes. 0, -ENOMEM, or -EINVAL with line and text in
 * *diag (its file is left alone): a word that is no event, no name or no valid
 * name, a joiner that is already there, a lost node that is not, a name twice
 * on a line, more than NODES_MAX nodes at once; by line 0 a name of *start that
 * is none or stands twice. *out changes on success only.
 */
int simulate_run(const char *script, size_t len,
		 const struct simulate_start *start,
		 struct simulate_result *out, struct diag *diag);
void simulate_result_fini(struct simulate_result *result);

#endif
