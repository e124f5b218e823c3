/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A struct table as the kernel carries it, and what of it is held: written in
 * atomic steps, read back after a restart. The main thread's alone; it sees no
 * packet.
 *
 * A door is an element of a verdict map that leads to its route's seat, a chain
 * of its own; a seat's rule marks the flow with the node instance's tag, and by
 * the tag the node's address is found.
 */
#ifndef HALO_PLANE_PLANE_NFT_TABLE_H
#define HALO_PLANE_PLANE_NFT_TABLE_H

#include <stdbool.h>

#include "io/nft_txn.h"
#include "packet/route_bits.h"
#include "plane/plane_nft_text.h"
#include "table/diff.h"

/* Holds are void when nobody has renewed them for so long. */
#define PLANE_NFT_ALIVE_MS 1000

/* A door as the maps have it: protocol, address, port, each padded to 4. */
struct plane_nft_door {
	uint8_t key[4 + 16 + 4];
	uint32_t len;
};
struct plane_nft_door plane_nft_door(uint8_t protocol, const struct addr *vip,
				     uint16_t port);
/* What leads from doors to seats, and what holds them. */
const char *plane_nft_door_map(unsigned family);
const char *plane_nft_door_holds(unsigned family);

struct plane_nft_table {
	struct plane_nft_conf conf;
	struct nft_txn txn;
	struct table *now; /* what the kernel has; never NULL */
	uint32_t layout;
	uint32_t xt_port; /* by which the kernel saw xt rules come; 0: none */
	unsigned seats;	  /* chains 1..seats exist */
	bool adopted;	  /* now is what a former life left */
	bool serving;	  /* a table has been applied, once */
	bool unowned;	  /* no route has a node: new flows wait */
	struct route_bits held;
	uint32_t n_held;
};

/* Takes over the table that a former life left if it is laid out alike; if its
 * tags alone are elsewhere in the marks, writes it anew and moves them;
 * else writes a new one. 0 or -errno with a line for the operator. */
int plane_nft_table_init(struct plane_nft_table *t,
			 const struct plane_nft_conf *conf, char *err,
			 unsigned err_size);
void plane_nft_table_fini(struct plane_nft_table *t);
/* From the kernel. Nothing there is fine. */
int plane_nft_table_remove(char *err, unsigned err_size);

/* No route has a node. */
bool plane_nft_table_is_unowned(const struct table *t);

/* All or nothing. Writes what differs from what the kernel has, which is found
 * out anew when the difference is one to another table. */
int plane_nft_table_apply(struct plane_nft_table *t,
			  const struct table_diff *d);
int plane_nft_table_load(struct plane_nft_table *t, struct table *to);
int plane_nft_table_hold(struct plane_nft_table *t,
			 const struct route_set *routes, bool on);
/* Writes everything anew, whatever is there. */
int plane_nft_table_rebuild(struct plane_nft_table *t);

/* Holds go on for PLANE_NFT_ALIVE_MS from now, in any thread's transaction. */
void plane_nft_table_keep_alive(struct nft_txn *txn);

#endif
