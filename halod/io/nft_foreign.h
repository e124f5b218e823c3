/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who changes an nf_tables table: the kernel's notifications, reduced to
 * whether somebody else did.
 */
#ifndef HALO_IO_NFT_FOREIGN_H
#define HALO_IO_NFT_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#define NFT_FOREIGN_PORTS 4

struct nft_foreign {
	struct mnl_socket *nl;
	const char *table;
	uint32_t ports[NFT_FOREIGN_PORTS]; /* of our own sockets; 0: none */
};

/* table: borrowed. 0 or -errno. */
int nft_foreign_init(struct nft_foreign *w, const char *table);
void nft_foreign_fini(struct nft_foreign *w);
int nft_foreign_fd(const struct nft_foreign *w);
/* Reads what waits: was there a change that came from none of the ports, or
 * was one missed? Never blocks. */
bool nft_foreign_drain(struct nft_foreign *w);
/* The same after a text of ours (nft_text.h), which comes from a port that
 * nobody knows; it is told by the set it makes, or the element it adds there.
 * Where the text has made the set, and so the table, what was before it is
 * gone. */
bool nft_foreign_since(struct nft_foreign *w, const char *set);

#endif
