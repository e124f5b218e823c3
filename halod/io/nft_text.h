/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft's own language, run by libnftables: for creating and deleting objects.
 * Elements and rules that change while packets flow go by nft_txn.h.
 */
#ifndef HALO_IO_NFT_TEXT_H
#define HALO_IO_NFT_TEXT_H

#include <stdbool.h>

/* All of it in one transaction; 0 or -errno with a line for the operator. */
int nft_text_run(const char *text, char *err, unsigned err_size);

/* The same, and tables with `flags owner` in it last until nft_text_disown():
 * nobody else can change or flush them (kernels before 5.12: -EINVAL). */
struct nft_text_owner;
int nft_text_own(struct nft_text_owner **out, const char *text, char *err,
		 unsigned err_size);
void nft_text_disown(struct nft_text_owner *owner);

/* Has a chain ("inet filter forward") this rule, word for word as nft lists it?
 * What cannot be read has not. */
bool nft_text_has_rule(const char *chain, const char *rule);

#endif
