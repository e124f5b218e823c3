// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nfq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PACKET_MAX     0xffff /* of an attribute; what GSO merges is less */
#define ATTRIBUTES_MAX 1024   /* what the kernel says besides the payload */
#define SOCKET_BUFFER  (16 << 20)
#define VERDICTS_MAX   256 /* in one message to the kernel */
#define VERDICTS_BYTES (256 << 10)
/* Packets without a verdict for want of memory: more than fit in a batch. */
#define OWED_MAX       (VERDICTS_MAX / 2)
#define CACHE_LINE     64
#define ACK_TIMEOUT_MS 1000
#define NO_ACK_YET     1
#define CONFIG_SEQ     1 /* verdicts have 0 */

/* A verdict up to its payload, as it goes to the kernel. */
struct verdict_head {
	char bytes[MNL_ALIGN(sizeof(struct nlmsghdr)) +
		   MNL_ALIGN(sizeof(struct nfgenmsg)) +
		   2 * MNL_ALIGN(sizeof(struct nlattr)) +
		   sizeof(struct nfqnl_msg_verdict_hdr) + sizeof(uint32_t)];
};

/* What a verdict is about: one packet, or all up to it that have none yet. */
struct subject {
	uint32_t id;
	bool all;
};

struct nfq {
	struct mnl_socket *nl;
	uint16_t queue;
	uint32_t copy_len;
	int ack; /* of the configuration: NO_ACK_YET, 0 or -errno */
	struct nfq_stats stats;

	uint8_t *slots; /* NFQ_BATCH of slot_size() */
	struct mmsghdr in[NFQ_BATCH];
	struct iovec in_iov[NFQ_BATCH];

	unsigned n_verdicts, n_out;
	size_t out_bytes;
	size_t copied; /* of copies[] */
	struct verdict_head heads[VERDICTS_MAX];
	struct subject subjects[VERDICTS_MAX];
	uint32_t run_mark; /* the last verdict may take more in; 0: no */
	unsigned first_iov[VERDICTS_MAX + 1]; /* the verdict's, of out[] */
	bool forgotten; /* packets that stay without a verdict */
	unsigned n_owed;
	struct subject owed[OWED_MAX];	    /* to drop, when there is memory */
	struct iovec out[VERDICTS_MAX * 3]; /* head, payload, padding */
	uint8_t copies[PACKET_MAX + 1];
};

/* An odd number of cache lines, or all slots would share a few sets. */
static size_t slot_size(uint32_t copy_len)
{
	return ((copy_len + ATTRIBUTES_MAX) / CACHE_LINE | 1) * CACHE_LINE;
}

static void init_slots(struct nfq *q)
{
	size_t size = slot_size(q->copy_len);

	for (unsigned i = 0; i < NFQ_BATCH; i++) {
		q->in_iov[i].iov_base = q->slots + i * size;
		q->in_iov[i].iov_len = size;
		q->in[i].msg_hdr.msg_iov = &q->in_iov[i];
		q->in[i].msg_hdr.msg_iovlen = 1;
	}
}

static int open_socket(struct nfq *q)
{
	int size = SOCKET_BUFFER, on = 1, fd;

	q->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!q->nl)
		return -errno;
	if (mnl_socket_bind(q->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(q->nl);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		return -errno;
	/* losses are read from /proc; an error here would only cost time */
	mnl_socket_setsockopt(q->nl, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	return 0;
}

/* Everything in one message, so that no packet meets a queue half set up. */
static int send_config(struct nfq *q, uint32_t max_len)
{
	char buf[256];
	struct nlmsghdr *nlh;

	nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, q->queue);
	nlh->nlmsg_flags |= NLM_F_ACK;
	nlh->nlmsg_seq = CONFIG_SEQ;
	nfq_nlmsg_cfg_put_cmd(nlh, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, (int)q->copy_len);
	nfq_nlmsg_cfg_put_qmaxlen(nlh, max_len);
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK,
			 htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID |
			       NFQA_CFG_F_CONNTRACK | NFQA_CFG_F_FAIL_OPEN));
	return mnl_socket_sendto(q->nl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

/* Rules of a former life may already send packets here: those that overtake
 * the acknowledgement are dropped, their senders repeat them. */
static int await_ack(struct nfq *q)
{
	struct nfq_packet early[NFQ_BATCH];
	struct pollfd fd = { .fd = nfq_poll_fd(q), .events = POLLIN };

	q->ack = NO_ACK_YET;
	while (q->ack == NO_ACK_YET) {
		unsigned n;

		if (poll(&fd, 1, ACK_TIMEOUT_MS) <= 0)
			return -ETIMEDOUT;
		n = nfq_receive(q, early);
		for (unsigned i = 0; i < n; i++)
			nfq_drop(q, early[i].id);
		nfq_flush(q);
	}
	return q->ack;
}

/* The kernel says EPERM both to strangers and to those without rights. */
static int explain(const struct nfq *q, int err)
{
	struct nfq_counters c;

	if (err == -EPERM && !nfq_counters(q->queue, &c) &&
	    c.port != mnl_socket_get_portid(q->nl))
		return -EBUSY;
	return err;
}

int nfq_new(struct nfq **out, uint16_t queue, uint32_t max_len,
	    uint32_t copy_len)
{
	struct nfq *q = calloc(1, sizeof(*q));
	int err = -ENOMEM;

	if (!q)
		return -ENOMEM;
	q->queue = queue;
	q->copy_len = copy_len;
	q->slots = malloc(NFQ_BATCH * slot_size(copy_len));
	if (!q->slots)
		goto err_free;
	init_slots(q);
	err = open_socket(q);
	if (!err)
		err = send_config(q, max_len);
	if (!err)
		err = explain(q, await_ack(q));
	if (err)
		goto err_free;
	*out = q;
	return 0;

err_free:
	nfq_free(q);
	return err;
}

void nfq_free(struct nfq *q)
{
	if (!q)
		return;
	if (q->nl)
		mnl_socket_close(q->nl);
	free(q->slots);
	free(q);
}

int nfq_poll_fd(const struct nfq *q)
{
	return mnl_socket_get_fd(q->nl);
}

static void read_error(struct nfq *q, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		return;
	if (nlh->nlmsg_seq == CONFIG_SEQ)
		q->ack = e->error;
	else
		q->stats.failed++;
}

static uint32_t get_be32(const struct nlattr *a)
{
	return a ? ntohl(mnl_attr_get_u32(a)) : 0;
}

/* The kernel's message into *out; false: there is no packet id in it. */
static bool read_packet(const struct nlmsghdr *nlh, struct nfq_packet *out)
{
	struct nlattr *attr[NFQA_MAX + 1] = { 0 };
	const struct nfqnl_msg_packet_hdr *hdr;
	uint32_t info;

	if (nfq_nlmsg_parse(nlh, attr) < 0 || !attr[NFQA_PACKET_HDR])
		return false;
	hdr = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
	info = get_be32(attr[NFQA_SKB_INFO]);
	*out = (struct nfq_packet){
		.id = ntohl(hdr->packet_id),
		.hook = hdr->hook,
		.csum_not_ready = info & NFQA_SKB_CSUMNOTREADY,
		.gso = info & NFQA_SKB_GSO,
		.mark = get_be32(attr[NFQA_MARK]),
	};
	if (attr[NFQA_PAYLOAD]) {
		out->data = mnl_attr_get_payload(attr[NFQA_PAYLOAD]);
		out->len = mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]);
	}
	if (attr[NFQA_CAP_LEN]) /* of the packet, in spite of its name */
		out->cut = get_be32(attr[NFQA_CAP_LEN]) - out->len;
	return true;
}

static bool read_message(struct nfq *q, const struct mmsghdr *m,
			 struct nfq_packet *out)
{
	const struct nlmsghdr *nlh = m->msg_hdr.msg_iov->iov_base;

	if (!mnl_nlmsg_ok(nlh, (int)m->msg_len))
		return false;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		read_error(q, nlh);
		return false;
	}
	if (!read_packet(nlh, out))
		return false;
	if (out->data && (!out->cut || q->copy_len < NFQ_WHOLE))
		return true;
	q->stats.truncated++;
	nfq_drop(q, out->id);
	return false;
}

unsigned nfq_receive(struct nfq *q, struct nfq_packet out[NFQ_BATCH])
{
	unsigned n = 0;
	int got;

	got = recvmmsg(nfq_poll_fd(q), q->in, NFQ_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++)
		n += read_message(q, &q->in[i], &out[n]);
	q->stats.packets += n;
	q->stats.batches += n > 0;
	return n;
}

static void add_iov(struct nfq *q, const void *data, size_t len)
{
	q->out[q->n_out++] = (struct iovec){ (void *)data, len };
	q->out_bytes += len;
}

/* The verdict without a payload; the caller adds len bytes of it and padding
 * right behind. */
static void put_head(struct nfq *q, uint32_t id, int verdict, uint32_t mark,
		     uint32_t len)
{
	unsigned i = q->n_verdicts++;
	char *buf = q->heads[i].bytes;
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT, q->queue);
	struct nlattr *attr;
	size_t head_len;

	q->subjects[i] = (struct subject){ .id = id };
	q->run_mark = 0;
	q->first_iov[i] = q->n_out;
	nfq_nlmsg_verdict_put(nlh, (int)id, verdict);
	if (mark)
		nfq_nlmsg_verdict_put_mark(nlh, mark);
	if (len) {
		attr = mnl_nlmsg_get_payload_tail(nlh);
		attr->nla_type = NFQA_PAYLOAD;
		attr->nla_len = (uint16_t)(MNL_ATTR_HDRLEN + len);
		nlh->nlmsg_len += MNL_ATTR_HDRLEN;
	}
	head_len = nlh->nlmsg_len;
	nlh->nlmsg_len += MNL_ALIGN(len);
	add_iov(q, nlh, head_len);
}

static void put_payload(struct nfq *q, const uint8_t *data, uint32_t len)
{
	static const uint8_t zero[MNL_ALIGNTO];
	uint32_t pad = MNL_ALIGN(len) - len;

	add_iov(q, data, len);
	if (pad)
		add_iov(q, zero, pad);
}

static void flush_when_full(struct nfq *q)
{
	if (q->n_verdicts == VERDICTS_MAX || q->out_bytes >= VERDICTS_BYTES)
		nfq_flush(q);
}

void nfq_accept(struct nfq *q, uint32_t id)
{
	put_head(q, id, NF_ACCEPT, 0, 0);
	flush_when_full(q);
}

void nfq_repeat(struct nfq *q, uint32_t id)
{
	put_head(q, id, NF_REPEAT, 0, 0);
	flush_when_full(q);
}

void nfq_drop(struct nfq *q, uint32_t id)
{
	put_head(q, id, NF_DROP, 0, 0);
	flush_when_full(q);
}

void nfq_mark(struct nfq *q, uint32_t id, uint32_t mark)
{
	put_head(q, id, NF_ACCEPT, mark, 0);
	flush_when_full(q);
}

static struct nfqnl_msg_verdict_hdr *verdict_of(struct nfq *q, unsigned i)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)q->heads[i].bytes;
	struct nlattr *attr =
		mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg));

	return mnl_attr_get_payload(attr);
}

static void make_batch(struct nfq *q, unsigned i, uint32_t id)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)q->heads[i].bytes;

	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH;
	verdict_of(q, i)->id = htonl(id);
	q->subjects[i] = (struct subject){ id, true };
}

void nfq_mark_alone(struct nfq *q, uint32_t id, uint32_t mark)
{
	if (q->run_mark == mark && mark && !q->n_owed && !q->forgotten) {
		make_batch(q, q->n_verdicts - 1, id);
		return;
	}
	put_head(q, id, NF_ACCEPT, mark, 0);
	q->run_mark = mark;
	flush_when_full(q);
}

void nfq_rewrite(struct nfq *q, uint32_t id, const uint8_t *data, uint32_t len)
{
	put_head(q, id, NF_ACCEPT, 0, len);
	put_payload(q, data, len);
	flush_when_full(q);
}

void nfq_rewrite_copied(struct nfq *q, uint32_t id, const uint8_t *data,
			uint32_t len)
{
	uint8_t *copy;

	if (len > sizeof(q->copies)) {
		nfq_drop(q, id);
		return;
	}
	if (len > sizeof(q->copies) - q->copied)
		nfq_flush(q);
	copy = memcpy(q->copies + q->copied, data, len);
	q->copied += len;
	nfq_rewrite(q, id, copy, len);
}

/* Verdicts from first up to end, in one message. */
static bool send_verdicts(struct nfq *q, unsigned first, unsigned end)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	unsigned from = q->first_iov[first];
	struct msghdr msg = { .msg_name = &kernel,
			      .msg_namelen = sizeof(kernel),
			      .msg_iov = q->out + from,
			      .msg_iovlen = q->first_iov[end] - from };
	ssize_t sent;

	do
		sent = sendmsg(nfq_poll_fd(q), &msg, 0);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

static void forget_verdicts(struct nfq *q)
{
	q->n_verdicts = 0;
	q->run_mark = 0;
	q->n_out = 0;
	q->out_bytes = 0;
	q->copied = 0;
}

/* Its data is not ours for longer: all that can be said later is "drop". */
static void owe(struct nfq *q, struct subject s)
{
	q->stats.failed++;
	if (q->n_owed < OWED_MAX)
		q->owed[q->n_owed++] = s;
	else
		q->forgotten = true;
}

/* The kernel had no memory for all of them at once. A batch would accept what
 * is owed before it, with a mark of another. */
static void send_one_by_one(struct nfq *q)
{
	for (unsigned i = 0; i < q->n_verdicts; i++) {
		if (q->n_owed && q->subjects[i].all)
			verdict_of(q, i)->verdict = htonl(NF_DROP);
		if (!send_verdicts(q, i, i + 1))
			owe(q, q->subjects[i]);
	}
}

static void send_owed(struct nfq *q)
{
	for (unsigned i = 0; i < q->n_owed; i++) {
		put_head(q, q->owed[i].id, NF_DROP, 0, 0);
		if (q->owed[i].all)
			make_batch(q, i, q->owed[i].id);
	}
	q->first_iov[q->n_verdicts] = q->n_out;
	if (send_verdicts(q, 0, q->n_verdicts))
		q->n_owed = 0;
	forget_verdicts(q);
}

void nfq_flush(struct nfq *q)
{
	q->first_iov[q->n_verdicts] = q->n_out;
	if (q->n_verdicts && !send_verdicts(q, 0, q->n_verdicts))
		send_one_by_one(q);
	forget_verdicts(q);
	if (q->n_owed)
		send_owed(q);
}

struct nfq_stats nfq_stats(const struct nfq *q)
{
	return q->stats;
}

int nfq_counters(uint16_t queue, struct nfq_counters *out)
{
	FILE *f =
		fopen("/proc/thread-self/net/netfilter/nfnetlink_queue", "re");
	struct nfq_counters c;
	unsigned number;
	int err = -ENOENT;

	if (!f)
		return -ENOENT;
	/* number port waiting copy_mode copy_range lost_queue lost_socket … */
	while (err &&
	       fscanf(f, "%u %u %u %*u %*u %lu %lu%*[^\n]", &number, &c.port,
		      &c.waiting, &c.lost_queue, &c.lost_socket) == 5) {
		if (number == queue) {
			*out = c;
			err = 0;
		}
	}
	fclose(f);
	return err;
}
