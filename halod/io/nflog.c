// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nflog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "io/nfnl.h"

#define SOCKET_BUFFER	 (16 << 20)
#define ATTRIBUTES_MAX	 512 /* beside the copy itself */
#define MESSAGE_MAX	 2048
#define MESSAGES_AT_ONCE 32

struct nflog {
	struct mnl_socket *nl;
	uint32_t next_seq;
	_Atomic uint64_t lost;
	struct mmsghdr in[MESSAGES_AT_ONCE];
	struct iovec iov[MESSAGES_AT_ONCE];
	char slots[MESSAGES_AT_ONCE][MESSAGE_MAX];
};

/* The kernel makes room for so much with each copy: by default a whole page, in
 * which our socket's buffer is counted, too. */
static uint32_t message_len(uint32_t snaplen)
{
	return snaplen + ATTRIBUTES_MAX;
}

static int configure(struct nflog *l, uint16_t group, uint32_t snaplen)
{
	struct nfulnl_msg_config_cmd bind = { NFULNL_CFG_CMD_BIND };
	struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(snaplen),
		.copy_mode = NFULNL_COPY_PACKET,
	};
	char buf[NFNL_REQUEST_MAX];
	struct nlmsghdr *nlh = nfnl_header(buf, NFNL_SUBSYS_ULOG,
					   NFULNL_MSG_CONFIG, 0, AF_UNSPEC);
	struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);

	nfg->res_id = htons(group);
	mnl_attr_put(nlh, NFULA_CFG_CMD, sizeof(bind), &bind);
	mnl_attr_put(nlh, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(nlh, NFULA_CFG_NLBUFSIZ, htonl(message_len(snaplen)));
	mnl_attr_put_u32(nlh, NFULA_CFG_QTHRESH, htonl(1));
	mnl_attr_put_u16(nlh, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	return nfnl_send(l->nl, nlh, nlh->nlmsg_len, 0);
}

static bool is_taken(uint16_t group)
{
	FILE *f = fopen("/proc/thread-self/net/netfilter/nfnetlink_log", "re");
	unsigned number;
	bool found = false;

	if (!f)
		return false;
	while (!found && fscanf(f, "%u%*[^\n]", &number) == 1)
		found = number == group;
	fclose(f);
	return found;
}

static void init_slots(struct nflog *l)
{
	for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) {
		l->iov[i] = (struct iovec){ l->slots[i], MESSAGE_MAX };
		l->in[i].msg_hdr.msg_iov = &l->iov[i];
		l->in[i].msg_hdr.msg_iovlen = 1;
	}
}

int nflog_new(struct nflog **out, uint16_t group, uint32_t snaplen)
{
	struct nflog *l = calloc(1, sizeof(*l));
	int on = 1, err;

	if (!l)
		return -ENOMEM;
	init_slots(l);
	err = nfnl_open(&l->nl, SOCKET_BUFFER);
	if (err)
		goto err_free;
	mnl_socket_setsockopt(l->nl, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	err = configure(l, group, snaplen);
	/* the kernel says EPERM both to strangers and to those without rights
	 */
	if (err == -EPERM && is_taken(group))
		err = -EBUSY;
	if (err)
		goto err_close;
	*out = l;
	return 0;

err_close:
	mnl_socket_close(l->nl);
err_free:
	free(l);
	return err;
}

void nflog_free(struct nflog *l)
{
	if (!l)
		return;
	mnl_socket_close(l->nl);
	free(l);
}

int nflog_poll_fd(const struct nflog *l)
{
	return mnl_socket_get_fd(l->nl);
}

/* The kernel counts what it copies, also what finds no room in our socket. */
static void note_seq(struct nflog *l, const struct nlattr *a)
{
	uint32_t seq;

	if (mnl_attr_get_payload_len(a) < sizeof(seq))
		return;
	seq = ntohl(mnl_attr_get_u32(a));
	l->lost += seq - l->next_seq;
	l->next_seq = seq + 1;
}

static void read_message(struct nflog *l, const struct nlmsghdr *nlh,
			 nflog_fn fn, void *arg)
{
	struct nlattr *a;

	if (nlh->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return;
	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(a) == NFULA_SEQ)
			note_seq(l, a);
		else if (mnl_attr_get_type(a) == NFULA_PAYLOAD)
			fn(arg, mnl_attr_get_payload(a),
			   mnl_attr_get_payload_len(a));
	}
}

uint64_t nflog_lost(const struct nflog *l)
{
	return l->lost;
}

static void read_datagram(struct nflog *l, const struct mmsghdr *in,
			  nflog_fn fn, void *arg)
{
	const struct nlmsghdr *nlh = in->msg_hdr.msg_iov->iov_base;
	int left = (int)in->msg_len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		read_message(l, nlh, fn, arg);
}

void nflog_receive(struct nflog *l, unsigned max, nflog_fn fn, void *arg)
{
	int got = MESSAGES_AT_ONCE;

	for (unsigned n = 0; n < max && got == MESSAGES_AT_ONCE; n += got) {
		got = recvmmsg(nflog_poll_fd(l), l->in, MESSAGES_AT_ONCE,
			       MSG_DONTWAIT, NULL);
		for (int i = 0; i < got; i++)
			read_datagram(l, &l->in[i], fn, arg);
	}
}
