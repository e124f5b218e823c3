// SPDX-License-Identifier: GPL-2.0-or-later
#include "listening.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_LEN 8192 /* the kernel's dumps come in pieces of this size */

struct listening {
	struct mnl_socket *socket;
	unsigned seq, portid;
};

int listening_open(struct listening **out)
{
	struct listening *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	l->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (l->socket && !mnl_socket_bind(l->socket, 0, MNL_SOCKET_AUTOPID)) {
		l->portid = mnl_socket_get_portid(l->socket);
		*out = l;
		return 0;
	}
	ret = -errno;
	listening_close(l);
	return ret;
}

/* "source port = port" for the kernel's filter (linux/inet_diag.h): an
 * operation and, in the next one, its operand; a jump past the end refuses. */
static void put_port_filter(struct nlmsghdr *nlh, uint16_t port)
{
	enum { OP = sizeof(struct inet_diag_bc_op) };
	const struct inet_diag_bc_op filter[] = {
		{ INET_DIAG_BC_S_GE, 2 * OP, 5 * OP },
		{ .no = port },
		{ INET_DIAG_BC_S_LE, 2 * OP, 3 * OP },
		{ .no = port },
	};

	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, sizeof(filter), filter);
}

/* What an error left of an answer: while it waits the kernel takes no other
 * question. The socket's buffer bounds it. */
static void drain(struct listening *l)
{
	int fd = mnl_socket_get_fd(l->socket);
	char buf[REPLY_LEN];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static int ask(struct listening *l, uint8_t family, uint16_t port)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++l->seq;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = 1u << TCP_LISTEN;
	put_port_filter(nlh, port);
	return mnl_socket_sendto(l->socket, nlh, nlh->nlmsg_len) < 0 ? -errno
								     : 0;
}

/* Each message of an answer is a socket that passed the filter. */
static int count_socket(const struct nlmsghdr *nlh, void *data)
{
	++*(unsigned *)data;
	return MNL_CB_OK;
}

/* Of another question than the last one. */
static bool is_stale(const struct listening *l, const void *buf, ssize_t n)
{
	const struct nlmsghdr *nlh = buf;

	return mnl_nlmsg_ok(nlh, (int)n) && nlh->nlmsg_seq != l->seq;
}

static int count_answers(struct listening *l)
{
	char buf[REPLY_LEN];
	unsigned count = 0;
	ssize_t n;
	int ret;

	do {
		n = mnl_socket_recvfrom(l->socket, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		if (is_stale(l, buf, n)) {
			ret = MNL_CB_OK;
			continue;
		}
		ret = mnl_cb_run(buf, (size_t)n, l->seq, l->portid,
				 count_socket, &count);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : count > 0;
}

static int listening_in(struct listening *l, uint8_t family, uint16_t port)
{
	int ret;

	drain(l);
	ret = ask(l, family, port);
	return ret ? ret : count_answers(l);
}

int listening_on(struct listening *l, uint16_t port)
{
	int ret = listening_in(l, AF_INET, port);

	return ret ? ret : listening_in(l, AF_INET6, port);
}

void listening_close(struct listening *l)
{
	if (!l)
		return;
	if (l->socket)
		mnl_socket_close(l->socket);
	free(l);
}
