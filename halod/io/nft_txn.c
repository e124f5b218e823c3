// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/nft_txn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "io/nfnl.h"

#define MESSAGE_MAX \
	(32 << 10) /* a list of elements; a nested one ends at 64k */
#define ELEMENT_MAX 256
#define GROWTH	    (256 << 10)
#define BUFFERS	    (128 << 20) /* 65,000 routes of 16 services in one step */
#define NO_ELEMENTS UINT32_MAX

int nft_txn_init(struct nft_txn *t, const char *table)
{
	*t = (struct nft_txn){ .table = table, .elements = NO_ELEMENTS };
	return nfnl_open(&t->nl, BUFFERS);
}

void nft_txn_fini(struct nft_txn *t)
{
	if (t->nl)
		mnl_socket_close(t->nl);
	free(t->buf);
}

uint32_t nft_txn_port(const struct nft_txn *t)
{
	return mnl_socket_get_portid(t->nl);
}

/* Room for one more message, or NULL once anything has failed. */
static char *room(struct nft_txn *t)
{
	if (!t->err && t->size - t->len < MESSAGE_MAX + ELEMENT_MAX) {
		uint32_t size = 2 * t->size + GROWTH;
		char *grown = realloc(t->buf, size);

		if (grown) {
			t->buf = grown;
			t->size = size;
		} else {
			t->err = -ENOMEM;
		}
	}
	return t->err ? NULL : t->buf + t->len;
}

static void end_elements(struct nft_txn *t)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)(t->buf + t->elements);

	if (t->elements == NO_ELEMENTS)
		return;
	mnl_attr_nest_end(nlh, (struct nlattr *)(t->buf + t->list));
	t->len += nlh->nlmsg_len;
	t->elements = NO_ELEMENTS;
}

static struct nlmsghdr *begin(struct nft_txn *t, uint8_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;
	char *buf;

	end_elements(t);
	if (!t->len) {
		buf = room(t);
		if (!buf)
			return NULL;
		t->len += nftnl_batch_begin(buf, t->seq++)->nlmsg_len;
	}
	buf = room(t);
	if (!buf)
		return NULL;
	nlh = nfnl_header(buf, NFNL_SUBSYS_NFTABLES, type, flags, NFPROTO_INET);
	nlh->nlmsg_seq = t->seq++;
	return nlh;
}

static void end(struct nft_txn *t, const struct nlmsghdr *nlh)
{
	t->len += nlh->nlmsg_len;
}

static bool begin_elements(struct nft_txn *t, uint8_t type, const char *set)
{
	uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	struct nlmsghdr *nlh = begin(t, type, flags);

	if (!nlh)
		return false;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, t->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	t->list = (uint32_t)((char *)mnl_attr_nest_start(
				     nlh, NFTA_SET_ELEM_LIST_ELEMENTS) -
			     t->buf);
	t->elements = t->len;
	t->elements_type = type;
	t->elements_set = set;
	return true;
}

/* The message to put one more element into: the one that is open if it is of
 * this kind and not full. */
static struct nlmsghdr *element_message(struct nft_txn *t, uint8_t type,
					const char *set)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)(t->buf + t->elements);

	if (t->elements != NO_ELEMENTS && t->elements_type == type &&
	    !strcmp(t->elements_set, set) && nlh->nlmsg_len < MESSAGE_MAX)
		return nlh;
	if (!begin_elements(t, type, set))
		return NULL;
	return (struct nlmsghdr *)(t->buf + t->elements);
}

static void put_value(struct nlmsghdr *nlh, uint16_t type, const void *data,
		      uint32_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, data);
	mnl_attr_nest_end(nlh, nest);
}

static void put_jump(struct nlmsghdr *nlh, const char *chain)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(nlh, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_JUMP));
	mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(nlh, verdict);
	mnl_attr_nest_end(nlh, data);
}

static void put_element(struct nft_txn *t, uint8_t type, const char *set,
			const struct nft_element *e)
{
	struct nlmsghdr *nlh = element_message(t, type, set);
	struct nlattr *nest;

	if (!nlh)
		return;
	nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	put_value(nlh, NFTA_SET_ELEM_KEY, e->key, e->key_len);
	if (e->timeout_ms)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT,
				 htobe64(e->timeout_ms));
	if (e->jump)
		put_jump(nlh, e->jump);
	if (e->data)
		put_value(nlh, NFTA_SET_ELEM_DATA, e->data, e->data_len);
	mnl_attr_nest_end(nlh, nest);
}

void nft_txn_add(struct nft_txn *t, const char *set,
		 const struct nft_element *e)
{
	put_element(t, NFT_MSG_NEWSETELEM, set, e);
}

void nft_txn_remove(struct nft_txn *t, const char *set,
		    const struct nft_element *e)
{
	struct nft_element key = { .key = e->key, .key_len = e->key_len };

	put_element(t, NFT_MSG_DELSETELEM, set, &key);
}

void nft_txn_flush_set(struct nft_txn *t, const char *set)
{
	struct nlmsghdr *nlh = begin(t, NFT_MSG_DELSETELEM, 0);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, t->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	end(t, nlh);
}

void nft_txn_add_chain(struct nft_txn *t, const char *chain)
{
	struct nlmsghdr *nlh = begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, t->table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain);
	end(t, nlh);
}

void nft_txn_flush_chain(struct nft_txn *t, const char *chain)
{
	struct nlmsghdr *nlh = begin(t, NFT_MSG_DELRULE, 0);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, t->table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain);
	end(t, nlh);
}

void nft_txn_add_rule(struct nft_txn *t, struct nftnl_rule *take)
{
	struct nlmsghdr *nlh;

	if (!take) {
		t->err = -ENOMEM;
		return;
	}
	nftnl_rule_set_str(take, NFTNL_RULE_TABLE, t->table);
	nlh = begin(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	if (nlh) {
		nftnl_rule_nlmsg_build_payload(nlh, take);
		end(t, nlh);
	}
	nftnl_rule_free(take);
}

int nft_txn_commit(struct nft_txn *t)
{
	char *buf;
	int err;

	end_elements(t);
	buf = room(t);
	if (buf && t->len) {
		t->len += nftnl_batch_end(buf, t->seq++)->nlmsg_len;
		t->err = nfnl_send(t->nl, t->buf, t->len, 0);
	}
	err = t->err;
	t->len = 0;
	t->err = 0;
	return err;
}

struct reading {
	union {
		nft_element_fn element;
		nft_rule_fn rule;
		nft_counter_fn counter;
	} fn;
	void *arg;
};

static struct nlattr *attribute(const struct nlmsghdr *nlh, uint16_t type)
{
	struct nlattr *a;

	mnl_attr_for_each(a, nlh,
			  sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) ==
						       type) return a;
	return NULL;
}

static void read_element(const struct reading *r, const struct nlattr *in)
{
	const struct nlattr *data = nfnl_nested(in, NFTA_SET_ELEM_DATA);
	const struct nlattr *key = nfnl_nested(
		nfnl_nested(in, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *chain = nfnl_nested(
		nfnl_nested(data, NFTA_DATA_VERDICT), NFTA_VERDICT_CHAIN);
	struct nft_element e = { 0 };

	if (!key)
		return;
	e.key = mnl_attr_get_payload(key);
	e.key_len = mnl_attr_get_payload_len(key);
	if (chain && !mnl_attr_validate(chain, MNL_TYPE_NUL_STRING))
		e.jump = mnl_attr_get_str(chain);
	data = nfnl_nested(data, NFTA_DATA_VALUE);
	if (data) {
		e.data = mnl_attr_get_payload(data);
		e.data_len = mnl_attr_get_payload_len(data);
	}
	r->fn.element(r->arg, &e);
}

static int read_elements(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *list = attribute(nlh, NFTA_SET_ELEM_LIST_ELEMENTS), *e;

	if (list)
		mnl_attr_for_each_nested(e, list) read_element(arg, e);
	return MNL_CB_OK;
}

int nft_read_elements(const char *table, const char *set, nft_element_fn fn,
		      void *arg)
{
	char buf[NFNL_REQUEST_MAX];
	struct reading r = { .fn.element = fn, .arg = arg };
	struct nlmsghdr *nlh = nfnl_header(buf, NFNL_SUBSYS_NFTABLES,
					   NFT_MSG_GETSETELEM, 0, NFPROTO_INET);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	return nfnl_dump(nlh, read_elements, &r);
}

static int read_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct reading *r = arg;
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (!rule)
		return MNL_CB_ERROR;
	if (!nftnl_rule_nlmsg_parse(nlh, rule))
		r->fn.rule(r->arg, rule);
	nftnl_rule_free(rule);
	return MNL_CB_OK;
}

int nft_read_rules(const char *table, nft_rule_fn fn, void *arg)
{
	char buf[NFNL_REQUEST_MAX];
	struct reading r = { .fn.rule = fn, .arg = arg };
	struct nlmsghdr *nlh = nfnl_header(buf, NFNL_SUBSYS_NFTABLES,
					   NFT_MSG_GETRULE, 0, NFPROTO_INET);

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, table);
	return nfnl_dump(nlh, read_rule, &r);
}

static int read_counter(const struct nlmsghdr *nlh, void *arg)
{
	const struct reading *r = arg;
	const struct nlattr *name = attribute(nlh, NFTA_OBJ_NAME);
	const struct nlattr *packets = nfnl_nested(
		attribute(nlh, NFTA_OBJ_DATA), NFTA_COUNTER_PACKETS);

	if (name && packets)
		r->fn.counter(r->arg, mnl_attr_get_str(name),
			      be64toh(mnl_attr_get_u64(packets)));
	return MNL_CB_OK;
}

int nft_read_counters(const char *table, nft_counter_fn fn, void *arg)
{
	char buf[NFNL_REQUEST_MAX];
	struct reading r = { .fn.counter = fn, .arg = arg };
	struct nlmsghdr *nlh = nfnl_header(buf, NFNL_SUBSYS_NFTABLES,
					   NFT_MSG_GETOBJ, 0, NFPROTO_INET);

	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, table);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	return nfnl_dump(nlh, read_counter, &r);
}
