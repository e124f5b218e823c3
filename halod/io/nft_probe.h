/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this kernel's nf_tables can do, found out by a table that is made and
 * deleted in one transaction. Leaves nothing behind and changes no packet.
 *
 * All need CAP_NET_ADMIN, act in the network namespace of the thread and block
 * for milliseconds.
 */
#ifndef HALO_IO_NFT_PROBE_H
#define HALO_IO_NFT_PROBE_H

#include <stdbool.h>

#define NFT_PROBE_TABLE "halod_probe"

/* Would the kernel take a rule of that statement ("queue num 0")? */
bool nft_probe_statement(const char *statement);

/* NAT by maps, and conntrack that can be asked and changed by netlink. 0, or
 * -errno with what is missing in words. HALO_FORCE_NO_NAT in the environment:
 * it is missing. */
int nft_probe_nat(char *why, unsigned why_size);

#endif
