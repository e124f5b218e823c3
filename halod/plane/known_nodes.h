/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses whose packets are taken for nodes' packets: those that serve,
 * and for a while those that did, so that what a node still says about moved
 * or lost routes is answered by the engine and never reaches a client as it is.
 */
#ifndef HALO_PLANE_KNOWN_NODES_H
#define HALO_PLANE_KNOWN_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "io/rules.h"
#include "table/table.h"

/* After that the address may be another machine's. */
#define KNOWN_NODES_KEEP_NS (600ull * 1000000000)

struct known_node {
	struct rules_node node;
	uint64_t left_ns; /* TIME_NEVER while it serves */
};

struct known_nodes {
	struct known_node *nodes; /* ascending by address */
	unsigned count;
	bool written; /* the kernel knows just these */
};

/* The mark that stands for a node's address, 0: it has none. */
uint32_t known_nodes_mark(const struct known_node *nodes, unsigned count,
			  const struct addr *a);

void known_nodes_init(struct known_nodes *k);
void known_nodes_fini(struct known_nodes *k);
/* Tells the kernel (rules_change_nodes()). On failure what the kernel knew it
 * still knows. */
int known_nodes_update(struct known_nodes *k, const struct table *t,
		       uint64_t now_ns);
/* The kernel's sets may have lost them: tells all of them again. */
int known_nodes_rewrite(struct known_nodes *k);

#endif
