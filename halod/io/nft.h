/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nf_tables over netlink: changes gather in a transaction that the kernel takes
 * whole or not at all. For elements and for the one rule nft's text cannot say;
 * objects are created as text, by rules.c.
 */
#ifndef HALO_IO_NFT_H
#define HALO_IO_NFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* One transaction on one table. Fill, then commit or fini; what goes wrong
 * while it is filled is told by nft_commit(). */
struct nft_batch {
	const char *table;
	uint8_t family; /* inet; set AF_INET before the first message for ip */
	char *buf;
	uint32_t len, size, seq;
	uint32_t port; /* by which the kernel names us, after nft_commit() */
	int err;
};

void nft_batch_init(struct nft_batch *b, const char *table);
void nft_batch_fini(struct nft_batch *b);

void nft_set_flush(struct nft_batch *b, const char *set);
/* Adding what is there is fine; removing what is not fails it all. */
void nft_set_add(struct nft_batch *b, const char *set, const struct addr *key);
void nft_set_remove(struct nft_batch *b, const char *set,
		    const struct addr *key);
/* The same of maps from marks to addresses. */
void nft_map_add(struct nft_batch *b, const char *map, uint32_t mark,
		 const struct addr *value);
void nft_map_remove(struct nft_batch *b, const char *map, uint32_t mark);
/* xtables' NFQUEUE (revision 3) as the chain's first rule. bypass: while nobody
 * has the queue, packets pass instead of being dropped. */
void nft_insert_xt_queue(struct nft_batch *b, const char *chain, uint16_t queue,
			 bool bypass);

/* 0 or the first -errno. Blocks while the kernel works. */
int nft_commit(struct nft_batch *b);

/* Adds a number for each rule (equal ones at another place or time differ) or
 * element to *sum; their order does not matter. -ENOENT: there are no rules, no
 * such set. */
int nft_sum_rules(const char *table, uint64_t *sum);
int nft_sum_elements(const char *table, const char *set, uint64_t *sum);

/* A chain that hangs on a hook, whosever it is. Strings are borrowed. */
struct nft_base_chain {
	const char *family; /* as nft writes it */
	const char *table, *name, *type;
	uint32_t hook;
	int32_t priority;
	bool drops; /* what no rule has judged */
};
typedef void (*nft_chain_fn)(void *arg, const struct nft_base_chain *chain);
int nft_each_base_chain(nft_chain_fn fn, void *arg);

#endif
