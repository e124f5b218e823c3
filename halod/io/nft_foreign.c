// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nft_foreign.h"

#include <assert.h>
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

/* What is looked for in messages, and was found. */
struct search {
	const struct nft_foreign *in;
	const char *set; /* NULL: no text of ours was run */
	uint32_t text;	 /* the port it came from; 0: not seen yet */
	uint32_t before; /* a port that was seen before it */
	bool foreign;	 /* there was another than these */
};

static bool says(const struct nlattr *a, uint16_t type, const char *text)
{
	return mnl_attr_get_type(a) == type &&
	       mnl_attr_get_payload_len(a) == strlen(text) + 1 &&
	       !memcmp(mnl_attr_get_payload(a), text, strlen(text));
}

/* In messages about tables, chains, rules, sets, elements and objects alike
 * the first attribute is the table's name. */
static bool is_of_table(const struct nft_foreign *w, const struct nlmsghdr *nlh)
{
	if ((nlh->nlmsg_type & 0xff) == NFT_MSG_NEWGEN ||
	    mnl_nlmsg_get_payload_len(nlh) <
		    sizeof(struct nfgenmsg) + MNL_ATTR_HDRLEN)
		return false;
	return says(mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg)),
		    NFTA_TABLE_NAME, w->table);
}

static bool is_of_set(const struct nlmsghdr *nlh, const char *set)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg))
	{
		/* the same number in both kinds of message */
		static_assert((int)NFTA_SET_NAME == NFTA_SET_ELEM_LIST_SET,
			      "one attribute names the set");
		if (says(a, NFTA_SET_NAME, set))
			return true;
	}
	return false;
}

static bool is_text(const struct search *s, const struct nlmsghdr *nlh)
{
	uint8_t type = nlh->nlmsg_type & 0xff;

	return s->set &&
	       (type == NFT_MSG_NEWSET || type == NFT_MSG_NEWSETELEM) &&
	       is_of_set(nlh, s->set);
}

static void look_at(struct search *s, const struct nlmsghdr *nlh)
{
	uint32_t port = nlh->nlmsg_pid;

	if (is_own(s->in, port) || !is_of_table(s->in, nlh))
		return;
	if (is_text(s, nlh)) {
		bool anew = (nlh->nlmsg_type & 0xff) == NFT_MSG_NEWSET;

		s->foreign = !anew &&
			     (s->foreign || (s->before && s->before != port));
		s->text = port;
		s->before = 0;
	} else if (s->text ? s->text != port : s->before && s->before != port) {
		s->foreign = true;
	} else if (!s->text) {
		s->before = port;
	}
}

static bool drain(struct nft_foreign *w, const char *set)
{
	static _Thread_local char buf[RECEIVE_LEN];
	struct search s = { .in = w, .set = set };

	for (;;) {
		ssize_t got =
			recv(nft_foreign_fd(w), buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)got;

		if (got < 0 && errno == ENOBUFS)
			s.foreign = true;
		else if (got <= 0)
			return s.foreign || s.before;
		for (; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			look_at(&s, nlh);
	}
}

bool nft_foreign_drain(struct nft_foreign *w)
{
	return drain(w, NULL);
}

bool nft_foreign_since(struct nft_foreign *w, const char *set)
{
	return drain(w, set);
}
