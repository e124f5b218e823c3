/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions on one nf_tables table of family inet, element by element and
 * rule by rule, on a socket that stays open; and reading back what is there.
 * Objects are created as text (nft_text.h), apart from chains that come in
 * numbers.
 */
#ifndef HALO_IO_NFT_TXN_H
#define HALO_IO_NFT_TXN_H

#include <libnftnl/rule.h>
#include <stdint.h>

/* Fill, then commit; what goes wrong meanwhile is told by nft_txn_commit(). */
struct nft_txn {
	const char *table;
	struct mnl_socket *nl;
	char *buf;
	uint32_t len, size, seq;
	int err;
	/* the element message that is being filled; offsets in buf */
	uint32_t elements, list;
	uint16_t elements_type;
	const char *elements_set;
};

/* table: borrowed. 0 or -errno. */
int nft_txn_init(struct nft_txn *t, const char *table);
void nft_txn_fini(struct nft_txn *t);
/* By which the kernel names us in notifications. */
uint32_t nft_txn_port(const struct nft_txn *t);

struct nft_element {
	const void *key;
	uint32_t key_len; /* each part of a concatenation padded to 4 */
	const void *data; /* of a data map */
	uint32_t data_len;
	const char *jump;    /* of a verdict map: the chain */
	uint64_t timeout_ms; /* 0: the set's own, or none */
};
/* set: borrowed until the commit. Adding what is there is fine unless its data
 * differ; removing what is not fails it all. */
void nft_txn_add(struct nft_txn *t, const char *set,
		 const struct nft_element *e);
void nft_txn_remove(struct nft_txn *t, const char *set,
		    const struct nft_element *e);
void nft_txn_flush_set(struct nft_txn *t, const char *set);

void nft_txn_add_chain(struct nft_txn *t, const char *chain);
void nft_txn_flush_chain(struct nft_txn *t, const char *chain);
/* Takes the rule, NULL included (no memory); table is set here. */
void nft_txn_add_rule(struct nft_txn *t, struct nftnl_rule *take);

/* 0 or the first -errno. Blocks while the kernel works; ready for the next
 * transaction afterwards. */
int nft_txn_commit(struct nft_txn *t);

/* What is read back is borrowed for the call. -ENOENT: no such table or set. */
typedef void (*nft_element_fn)(void *arg, const struct nft_element *e);
int nft_read_elements(const char *table, const char *set, nft_element_fn fn,
		      void *arg);
typedef void (*nft_rule_fn)(void *arg, const struct nftnl_rule *r);
int nft_read_rules(const char *table, nft_rule_fn fn, void *arg);
typedef void (*nft_counter_fn)(void *arg, const char *name, uint64_t packets);
int nft_read_counters(const char *table, nft_counter_fn fn, void *arg);

#endif
