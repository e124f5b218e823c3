// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nft_watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_LEN 16384 /* netlink multicasts no longer ones */

int nft_watch_open(void)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	int group = NFNLGRP_NFTABLES, fd, err;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    NETLINK_NETFILTER);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
		       sizeof(group))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static bool is_of_rules(const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return false;
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		return true;
	default:
		return false;
	}
}

static bool any_of_rules(const void *buf, int len)
{
	const struct nlmsghdr *nlh = buf;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		if (is_of_rules(nlh))
			return true;
	return false;
}

bool nft_watch_changed(int fd)
{
	_Alignas(struct nlmsghdr) char buf[MESSAGES_LEN];
	bool changed = false;
	ssize_t got;

	for (;;) {
		got = recv(fd, buf, sizeof(buf), 0);
		if (got > 0)
			changed |= any_of_rules(buf, (int)got);
		else if (got < 0 && errno == ENOBUFS)
			changed = true;
		else
			return changed;
	}
}
