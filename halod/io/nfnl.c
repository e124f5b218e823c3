// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nfnl.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>

#define RECEIVE_LEN  65536
#define DUMP_BUFFERS (1 << 20)

int nfnl_open(struct mnl_socket **out, int buffers)
{
	struct mnl_socket *nl =
		mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int fd, err, on = 1;

	if (!nl)
		return -errno;
	/* or an error would come with all of a long message behind it */
	mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, &on, sizeof(on));
	fd = mnl_socket_get_fd(nl);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffers,
		       sizeof(buffers)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffers,
		       sizeof(buffers))) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	*out = nl;
	return 0;
}

struct nlmsghdr *nfnl_header(void *buf, uint8_t subsystem, uint8_t type,
			     uint16_t flags, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(subsystem << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

static int receive_dump(struct mnl_socket *nl, mnl_cb_t fn, void *arg)
{
	char *buf = malloc(RECEIVE_LEN);
	int more = MNL_CB_OK;

	if (!buf)
		return -ENOMEM;
	while (more > MNL_CB_STOP) {
		ssize_t got = mnl_socket_recvfrom(nl, buf, RECEIVE_LEN);

		more = got < 0 ? -1
			       : mnl_cb_run(buf, (size_t)got, 0,
					    mnl_socket_get_portid(nl), fn, arg);
	}
	free(buf);
	return more < 0 ? -errno : 0;
}

int nfnl_dump_on(struct mnl_socket *nl, struct nlmsghdr *request, mnl_cb_t fn,
		 void *arg)
{
	request->nlmsg_flags |= NLM_F_DUMP;
	if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0)
		return -errno;
	return receive_dump(nl, fn, arg);
}

int nfnl_dump(struct nlmsghdr *request, mnl_cb_t fn, void *arg)
{
	struct mnl_socket *nl;
	int err = nfnl_open(&nl, DUMP_BUFFERS);

	if (err)
		return err;
	err = nfnl_dump_on(nl, request, fn, arg);
	mnl_socket_close(nl);
	return err;
}

struct asking {
	int ignore;
	mnl_cb_t fn;
	void *arg;
};

/* The first error it tells of. */
static int take_answer(const struct asking *q, const char *buf, size_t len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	int left = (int)len, err = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (nlh->nlmsg_type != NLMSG_ERROR) {
			if (q->fn)
				q->fn(nlh, q->arg);
		} else if (e->error == q->ignore) {
			if (q->fn)
				q->fn(nlh, q->arg);
		} else if (!err) {
			err = e->error;
		}
	}
	return err;
}

int nfnl_ask(struct mnl_socket *nl, const void *buf, size_t len, int ignore,
	     mnl_cb_t fn, void *arg)
{
	const struct asking q = { ignore, fn, arg };
	char answer[4096];
	int err = 0;

	if (mnl_socket_sendto(nl, buf, len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(mnl_socket_get_fd(nl), answer,
				   sizeof(answer), MSG_DONTWAIT);
		int told;

		if (got <= 0)
			return err;
		told = take_answer(&q, answer, (size_t)got);
		if (!err)
			err = told;
	}
}

int nfnl_send(struct mnl_socket *nl, const void *buf, size_t len, int ignore)
{
	return nfnl_ask(nl, buf, len, ignore, NULL, NULL);
}

struct nlattr *nfnl_nested(const struct nlattr *in, uint16_t type)
{
	struct nlattr *a;

	if (!in)
		return NULL;
	mnl_attr_for_each_nested(a,
				 in) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}
