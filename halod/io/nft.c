// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nft.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX  4096 /* one rule or element is far less */
#define BATCH_GROWTH (64 << 10)
#define SEND_BUFFER  (8 << 20)
#define RECEIVE_LEN  65536
#define DUMP_SEQ     1

void nft_batch_init(struct nft_batch *b, const char *table)
{
	*b = (struct nft_batch){ .table = table, .family = NFPROTO_INET };
}

void nft_batch_fini(struct nft_batch *b)
{
	free(b->buf);
	b->buf = NULL;
}

/* Room for one more message, or NULL once anything has failed. */
static char *next_message(struct nft_batch *b)
{
	if (!b->err && b->size - b->len < MESSAGE_MAX) {
		char *grown = realloc(b->buf, b->size + BATCH_GROWTH);

		if (grown) {
			b->buf = grown;
			b->size += BATCH_GROWTH;
		} else {
			b->err = -ENOMEM;
		}
	}
	return b->err ? NULL : b->buf + b->len;
}

static struct nlmsghdr *begin_message(struct nft_batch *b, uint16_t type,
				      uint16_t flags)
{
	char *buf;

	if (!b->len) {
		buf = next_message(b);
		if (!buf)
			return NULL;
		b->len += nftnl_batch_begin(buf, b->seq++)->nlmsg_len;
	}
	buf = next_message(b);
	if (!buf)
		return NULL;
	return nftnl_nlmsg_build_hdr(buf, type, b->family, flags, b->seq++);
}

static void end_message(struct nft_batch *b, const struct nlmsghdr *nlh)
{
	b->len += nlh->nlmsg_len;
}

static struct nftnl_set *named_set(struct nft_batch *b, const char *name)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		b->err = -ENOMEM;
		return NULL;
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, b->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, name);
	return s;
}

static void put_elements(struct nft_batch *b, struct nftnl_set *s,
			 uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = begin_message(b, type, flags);

	if (nlh) {
		nftnl_set_elems_nlmsg_build_payload(nlh, s);
		end_message(b, nlh);
	}
}

void nft_set_flush(struct nft_batch *b, const char *set)
{
	struct nftnl_set *s = named_set(b, set);

	if (!s)
		return;
	put_elements(b, s, NFT_MSG_DELSETELEM, 0);
	nftnl_set_free(s);
}

struct element {
	const void *key;
	size_t key_len;
	const struct addr *value; /* NULL: of a set */
};

static void put_element(struct nft_batch *b, const char *set,
			const struct element *in, uint16_t type)
{
	uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	struct nftnl_set *s = named_set(b, set);
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!s || !e) {
		b->err = -ENOMEM;
		goto free_what_is_there;
	}
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, in->key,
			   (uint32_t)in->key_len);
	if (in->value)
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_DATA, in->value->bytes,
				   (uint32_t)addr_len(in->value));
	nftnl_set_elem_add(s, e); /* s owns it now */
	e = NULL;
	put_elements(b, s, type, flags);

free_what_is_there:
	if (e)
		nftnl_set_elem_free(e);
	if (s)
		nftnl_set_free(s);
}

void nft_set_add(struct nft_batch *b, const char *set, const struct addr *key)
{
	struct element e = { .key = key->bytes, .key_len = addr_len(key) };

	put_element(b, set, &e, NFT_MSG_NEWSETELEM);
}

void nft_set_remove(struct nft_batch *b, const char *set,
		    const struct addr *key)
{
	struct element e = { .key = key->bytes, .key_len = addr_len(key) };

	put_element(b, set, &e, NFT_MSG_DELSETELEM);
}

void nft_map_add(struct nft_batch *b, const char *map, uint32_t mark,
		 const struct addr *value)
{
	struct element e = { .key = &mark,
			     .key_len = sizeof(mark),
			     .value = value };

	put_element(b, map, &e, NFT_MSG_NEWSETELEM);
}

void nft_map_remove(struct nft_batch *b, const char *map, uint32_t mark)
{
	struct element e = { .key = &mark, .key_len = sizeof(mark) };

	put_element(b, map, &e, NFT_MSG_DELSETELEM);
}

/* xtables wants its structures padded to the machine's widest alignment. */
union xt_queue_info {
	struct xt_NFQ_info_v3 v3;
	uint64_t align;
};

static struct nftnl_expr *xt_queue_target(uint16_t queue, bool bypass)
{
	struct nftnl_expr *e = nftnl_expr_alloc("target");
	union xt_queue_info *info = calloc(1, sizeof(*info));

	if (!e || !info) {
		free(info);
		if (e)
			nftnl_expr_free(e);
		return NULL;
	}
	info->v3.queuenum = queue;
	info->v3.queues_total = 1;
	info->v3.flags = bypass ? NFQ_FLAG_BYPASS : 0;
	nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE");
	nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, 3);
	/* takes info over */
	nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, info, sizeof(*info));
	return e;
}

static struct nftnl_rule *xt_queue_rule(const char *table, const char *chain,
					uint16_t queue, bool bypass)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	struct nftnl_expr *e;

	if (!r)
		return NULL;
	e = xt_queue_target(queue, bypass);
	if (!e) {
		nftnl_rule_free(r);
		return NULL;
	}
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_add_expr(r, e);
	return r;
}

void nft_insert_xt_queue(struct nft_batch *b, const char *chain, uint16_t queue,
			 bool bypass)
{
	struct nftnl_rule *r = xt_queue_rule(b->table, chain, queue, bypass);
	struct nlmsghdr *nlh;

	if (!r) {
		b->err = -ENOMEM;
		return;
	}
	nlh = begin_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE);
	if (nlh) {
		nftnl_rule_nlmsg_build_payload(nlh, r);
		end_message(b, nlh);
	}
	nftnl_rule_free(r);
}

static int open_socket(struct mnl_socket **out)
{
	struct mnl_socket *nl =
		mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int size = SEND_BUFFER, err;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_SNDBUFFORCE, &size,
		       sizeof(size))) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	*out = nl;
	return 0;
}

static int first_error(const char *buf, size_t len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (nlh->nlmsg_type == NLMSG_ERROR && e->error)
			return e->error;
	}
	return 0;
}

/* The kernel has done its work when the send returns: what it has to say is
 * there already, and silence is consent. */
static int collect_errors(struct mnl_socket *nl)
{
	char *buf = malloc(RECEIVE_LEN);
	ssize_t got;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	while (!err) {
		got = recv(mnl_socket_get_fd(nl), buf, RECEIVE_LEN,
			   MSG_DONTWAIT);
		if (got <= 0)
			break;
		err = first_error(buf, (size_t)got);
	}
	free(buf);
	return err;
}

static int send_batch(struct nft_batch *b)
{
	struct mnl_socket *nl;
	int err = open_socket(&nl);

	if (err)
		return err;
	b->port = mnl_socket_get_portid(nl);
	if (mnl_socket_sendto(nl, b->buf, b->len) < 0)
		err = -errno;
	else
		err = collect_errors(nl);
	mnl_socket_close(nl);
	return err;
}

int nft_commit(struct nft_batch *b)
{
	char *buf = next_message(b);
	int err;

	if (buf && b->len)
		b->len += nftnl_batch_end(buf, b->seq++)->nlmsg_len;
	err = b->err;
	if (!err && b->len)
		err = send_batch(b);
	nft_batch_fini(b);
	return err;
}

static int receive_dump(struct mnl_socket *nl, mnl_cb_t cb, void *arg)
{
	char *buf = malloc(RECEIVE_LEN);
	int ret = MNL_CB_OK;

	if (!buf)
		return -ENOMEM;
	while (ret > MNL_CB_STOP) {
		ssize_t got = mnl_socket_recvfrom(nl, buf, RECEIVE_LEN);

		ret = got < 0 ? MNL_CB_ERROR
			      : mnl_cb_run(buf, (size_t)got, DUMP_SEQ,
					   mnl_socket_get_portid(nl), cb, arg);
	}
	ret = ret < 0 ? -errno : 0;
	free(buf);
	return ret;
}

static int dump(const struct nlmsghdr *request, mnl_cb_t cb, void *arg)
{
	struct mnl_socket *nl;
	int err = open_socket(&nl);

	if (err)
		return err;
	if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0)
		err = -errno;
	else
		err = receive_dump(nl, cb, arg);
	mnl_socket_close(nl);
	return err;
}

/* FNV-1a, 64 bits: tells accidents apart, not attacks. */
static uint64_t hash(const void *data, size_t len, uint64_t seed)
{
	const uint8_t *bytes = data;
	uint64_t h = seed ^ 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3;
	return h;
}

static int sum_rule(const struct nlmsghdr *nlh, void *arg)
{
	uint64_t *sum = arg;

	*sum += hash(mnl_nlmsg_get_payload(nlh), mnl_nlmsg_get_payload_len(nlh),
		     nlh->nlmsg_type);
	return MNL_CB_OK;
}

int nft_sum_rules(const char *table, uint64_t *sum)
{
	char buf[MESSAGE_MAX];
	struct nftnl_rule *r = nftnl_rule_alloc();
	struct nlmsghdr *nlh;
	uint64_t rules = 0;
	int err;

	if (!r)
		return -ENOMEM;
	nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETRULE, NFPROTO_INET,
				    NLM_F_DUMP, DUMP_SEQ);
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table);
	nftnl_rule_nlmsg_build_payload(nlh, r);
	nftnl_rule_free(r);
	err = dump(nlh, sum_rule, &rules);
	if (!err && !rules)
		err = -ENOENT;
	if (!err)
		*sum += rules;
	return err;
}

struct element_sum {
	uint64_t sum, seed; /* seed: the set */
};

static int sum_element(struct nftnl_set_elem *e, void *arg)
{
	struct element_sum *s = arg;
	uint32_t len;
	const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);

	if (key)
		s->sum += hash(key, len, s->seed);
	return 0;
}

static int sum_elements(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return MNL_CB_ERROR;
	if (!nftnl_set_elems_nlmsg_parse(nlh, s))
		nftnl_set_elem_foreach(s, sum_element, arg);
	nftnl_set_free(s);
	return MNL_CB_OK;
}

int nft_sum_elements(const char *table, const char *set, uint64_t *sum)
{
	char buf[MESSAGE_MAX];
	struct nft_batch names = { .table = table };
	struct element_sum of = { .seed = hash(set, strlen(set), 0) };
	struct nftnl_set *s = named_set(&names, set);
	struct nlmsghdr *nlh;
	int err;

	if (!s)
		return -ENOMEM;
	nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, NFPROTO_INET,
				    NLM_F_DUMP, DUMP_SEQ);
	nftnl_set_elems_nlmsg_build_payload(nlh, s);
	nftnl_set_free(s);
	err = dump(nlh, sum_elements, &of);
	if (!err)
		*sum += of.sum;
	return err;
}

static const char *family_name(uint32_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	default:
		return "other";
	}
}

struct chain_visitor {
	nft_chain_fn fn;
	void *arg;
};

static void visit_chain(const struct chain_visitor *v,
			const struct nftnl_chain *c)
{
	struct nft_base_chain view = {
		.family =
			family_name(nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY)),
		.table = nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE),
		.name = nftnl_chain_get_str(c, NFTNL_CHAIN_NAME),
		.type = nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE),
		.hook = nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM),
		.priority = nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO),
		.drops = nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) == NF_DROP,
	};

	v->fn(v->arg, &view);
}

static int parse_chain(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c)
		return MNL_CB_ERROR;
	if (!nftnl_chain_nlmsg_parse(nlh, c) &&
	    nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM))
		visit_chain(arg, c);
	nftnl_chain_free(c);
	return MNL_CB_OK;
}

int nft_each_base_chain(nft_chain_fn fn, void *arg)
{
	char buf[MESSAGE_MAX];
	struct chain_visitor v = { fn, arg };
	struct nlmsghdr *nlh;

	nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC,
				    NLM_F_DUMP, DUMP_SEQ);
	return dump(nlh, parse_chain, &v);
}
