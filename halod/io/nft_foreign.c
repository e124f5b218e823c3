// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nft_foreign.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "base/units.h"
#include "io/nfnl.h"

#define SOCKET_BUFFER (32 << 20) /* our own change of 65,000 routes */
#define RECEIVE_LEN   65536

int nft_foreign_init(struct nft_foreign *w, const char *table)
{
	int group = NFNLGRP_NFTABLES, err;

	*w = (struct nft_foreign){ .table = table };
	err = nfnl_open(&w->nl, SOCKET_BUFFER);
	if (err)
		return err;
	if (mnl_socket_setsockopt(w->nl, NETLINK_ADD_MEMBERSHIP, &group,
				  sizeof(group)) < 0) {
		err = -errno;
		mnl_socket_close(w->nl);
	}
	return err;
}

void nft_foreign_fini(struct nft_foreign *w)
{
	mnl_socket_close(w->nl);
}

int nft_foreign_fd(const struct nft_foreign *w)
{
	return mnl_socket_get_fd(w->nl);
}

static bool is_own(const struct nft_foreign *w, uint32_t port)
{
	for (unsigned i = 0; i < ARRAY_SIZE(w->ports); i++)
		if (w->ports[i] == port)
			return true;
	return false;
}

/* In messages about tables, chains, rules, sets, elements and objects alike
 * the first attribute is the table's name. */
static bool is_of_table(const struct nft_foreign *w, const struct nlmsghdr *nlh)
{
	const struct nlattr *a;

	if ((nlh->nlmsg_type & 0xff) == NFT_MSG_NEWGEN ||
	    mnl_nlmsg_get_payload_len(nlh) <
		    sizeof(struct nfgenmsg) + MNL_ATTR_HDRLEN)
		return false;
	a = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg));
	return mnl_attr_get_type(a) == NFTA_TABLE_NAME &&
	       mnl_attr_get_payload_len(a) == strlen(w->table) + 1 &&
	       !memcmp(mnl_attr_get_payload(a), w->table, strlen(w->table));
}

static bool has_foreign(const struct nft_foreign *w, const char *buf, int left)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (!is_own(w, nlh->nlmsg_pid) && is_of_table(w, nlh))
			return true;
	return false;
}

bool nft_foreign_drain(struct nft_foreign *w)
{
	static _Thread_local char buf[RECEIVE_LEN];
	bool foreign = false;
	ssize_t got;

	for (;;) {
		got = recv(nft_foreign_fd(w), buf, sizeof(buf), MSG_DONTWAIT);
		if (got < 0 && errno == ENOBUFS)
			foreign = true;
		else if (got <= 0)
			return foreign;
		else
			foreign |= has_foreign(w, buf, (int)got);
	}
}
