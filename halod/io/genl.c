// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/genl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVE_LEN 65536
#define BUFFERS	    (1 << 20)

struct nlmsghdr *genl_request(struct genl *g, void *buf, uint8_t cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *head;

	nlh->nlmsg_type = g->family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++g->seq;
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = cmd;
	head->version = g->version;
	return nlh;
}

/* The text behind an error (NETLINK_EXT_ACK). */
static void take_text(struct genl *g, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*e);
	const struct nlattr *a;

	g->why[0] = '\0';
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += e->msg.nlmsg_len - sizeof(e->msg);
	mnl_attr_for_each(a, nlh, offset)
	{
		if (mnl_attr_get_type(a) != NLMSGERR_ATTR_MSG ||
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
			continue;
		strncpy(g->why, mnl_attr_get_str(a), sizeof(g->why) - 1);
	}
}

struct asking {
	mnl_cb_t fn;
	void *arg;
	int err;
	bool done, stopped;
};

static void take_message(struct genl *g, struct asking *q,
			 const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_seq != g->seq)
		return; /* of an earlier one that was given up */
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		q->err = -EINTR;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		q->done = true;
		if (e->error) {
			q->err = e->error;
			take_text(g, nlh);
		}
	} else if (nlh->nlmsg_type == NLMSG_DONE) {
		q->done = true;
	} else if (q->fn && !q->stopped) {
		q->stopped = q->fn(nlh, q->arg) <= MNL_CB_STOP;
	}
}

static void take_all(struct genl *g, struct asking *q, const void *buf,
		     size_t len)
{
	const struct nlmsghdr *nlh = buf;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		take_message(g, q, nlh);
}

static int converse(struct genl *g, struct nlmsghdr *request, mnl_cb_t fn,
		    void *arg)
{
	struct asking q = { .fn = fn, .arg = arg };
	char *buf = malloc(RECEIVE_LEN);

	if (!buf)
		return -ENOMEM;
	if (mnl_socket_sendto(g->nl, request, request->nlmsg_len) < 0) {
		q.err = -errno;
		q.done = true;
	}
	while (!q.done) {
		ssize_t got = mnl_socket_recvfrom(g->nl, buf, RECEIVE_LEN);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			q.err = -errno;
			break;
		}
		take_all(g, &q, buf, (size_t)got);
	}
	free(buf);
	return q.err;
}

int genl_ask(struct genl *g, struct nlmsghdr *request, mnl_cb_t fn, void *arg)
{
	return converse(g, request, fn, arg);
}

int genl_dump(struct genl *g, struct nlmsghdr *request, mnl_cb_t fn, void *arg)
{
	request->nlmsg_flags |= NLM_F_DUMP;
	return converse(g, request, fn, arg);
}

int genl_receive(struct genl *g, mnl_cb_t fn, void *arg)
{
	char buf[8192];
	ssize_t got =
		recv(mnl_socket_get_fd(g->nl), buf, sizeof(buf), MSG_DONTWAIT);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	int left = (int)got;

	if (got < 0)
		return -errno;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_type == g->family)
			fn(nlh, arg);
	return 0;
}

uint32_t genl_port(const struct genl *g)
{
	return mnl_socket_get_portid(g->nl);
}

int genl_fd(const struct genl *g)
{
	return mnl_socket_get_fd(g->nl);
}

/* ---- finding the family ---- */

struct finding {
	const char *group;
	uint16_t family;
	uint32_t group_id;
};

static void find_group(struct finding *f, const struct nlattr *one)
{
	const struct nlattr *a;
	const char *name = "";
	uint32_t id = 0;

	mnl_attr_for_each_nested(a, one)
	{
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(a);
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(a);
	}
	if (f->group && !strcmp(name, f->group))
		f->group_id = id;
}

static int find_family(const struct nlmsghdr *nlh, void *arg)
{
	struct finding *f = arg;
	const struct nlattr *a, *one;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			f->family = mnl_attr_get_u16(a);
		if (mnl_attr_get_type(a) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		mnl_attr_for_each_nested(one, a) find_group(f, one);
	}
	return MNL_CB_OK;
}

static int find(struct genl *g, const char *family, const char *group)
{
	struct finding f = { .group = group };
	char buf[512];
	struct nlmsghdr *request;
	int err;

	g->family = GENL_ID_CTRL;
	g->version = 1;
	request = genl_request(g, buf, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, family);
	err = genl_ask(g, request, find_family, &f);
	if (err)
		return err;
	if (!f.family || (group && !f.group_id))
		return -ENOENT;
	g->family = f.family;
	if (group && mnl_socket_setsockopt(g->nl, NETLINK_ADD_MEMBERSHIP,
					   &f.group_id, sizeof(f.group_id)) < 0)
		return -errno;
	return 0;
}

static int set_up(struct genl *g)
{
	int on = 1, buffers = BUFFERS, fd = mnl_socket_get_fd(g->nl);

	if (mnl_socket_bind(g->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	mnl_socket_setsockopt(g->nl, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(g->nl, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(g->nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	/* more than the limit where we may, else as much as there is */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffers,
		       sizeof(buffers)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffers,
			   sizeof(buffers));
	return 0;
}

int genl_open(struct genl *g, const char *family, uint8_t version,
	      const char *group)
{
	int err;

	memset(g, 0, sizeof(*g));
	g->nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!g->nl)
		return -errno;
	err = set_up(g);
	if (!err)
		err = find(g, family, group);
	g->version = version;
	if (err)
		genl_close(g);
	return err;
}

void genl_close(struct genl *g)
{
	if (g->nl)
		mnl_socket_close(g->nl);
	g->nl = NULL;
}
