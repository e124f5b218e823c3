// SPDX-License-Identifier: GPL-2.0-or-later
#include <net/ipv6.h>

#include "compat.h"
#include "flow.h"
#include "genl.h"

/* Where a dump of the table goes on, in cb->args. */
enum { AT_STAGE, AT_SEAT, AT_ROUTE };
enum { STAGE_HEAD, STAGE_SEATS, STAGE_RUNS, STAGE_END };

static u32 alive_ms(const struct halo_net *hn)
{
	return time_before(jiffies, hn->attend.until) ?
		jiffies_to_msecs(hn->attend.until - jiffies) : 0;
}

static int put_head(struct sk_buff *skb, const struct halo_net *hn,
		    const struct halo_table *t)
{
	if (nla_put_u64_64bit(skb, HALO_ATTR_VERSION, t->version,
			      HALO_ATTR_PAD) ||
	    nla_put_u16(skb, HALO_ATTR_ROUTES, t->routes) ||
	    nla_put_u16(skb, HALO_ATTR_SEATS_MAX, t->seats) ||
	    nla_put_u32(skb, HALO_ATTR_FLOWS_MAX, t->flows_max) ||
	    (t->vip4 && nla_put_in_addr(skb, HALO_ATTR_VIP4, t->vip4)) ||
	    (!ipv6_addr_any(&t->vip6) &&
	     nla_put_in6_addr(skb, HALO_ATTR_VIP6, &t->vip6)) ||
	    (hn->attend.has_queue &&
	     nla_put_u16(skb, HALO_ATTR_QUEUE, hn->attend.queue)) ||
	    nla_put_u32(skb, HALO_ATTR_ALIVE_MS, alive_ms(hn)) ||
	    halo_put_services(skb, t))
		return -EMSGSIZE;
	return halo_put_route_set(skb, hn->held, t->routes);
}

static int put_part(struct sk_buff *skb, const struct halo_net *hn,
		    const struct halo_table *t, long *args)
{
	u32 at;
	int err;

	switch (args[AT_STAGE]) {
	case STAGE_HEAD:
		err = put_head(skb, hn, t);
		args[AT_SEAT] = 1;
		args[AT_ROUTE] = 1;
		break;
	case STAGE_SEATS:
		at = args[AT_SEAT];
		err = halo_put_seats(skb, t, &at);
		args[AT_SEAT] = at;
		if (at <= t->seats)
			return err;
		break;
	default:
		at = args[AT_ROUTE];
		err = halo_put_runs(skb, t, &at);
		args[AT_ROUTE] = at;
		if (at <= t->routes)
			return err;
	}
	if (!err)
		args[AT_STAGE]++;
	return err;
}

/* A message of its own for each part. */
static int dump_table(struct sk_buff *skb, struct netlink_callback *cb,
		      const struct halo_net *hn, const struct halo_table *t)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				cb->nlh->nlmsg_seq, &halo_family, NLM_F_MULTI,
				HALO_CMD_TABLE_GET);
	int err;

	if (!hdr)
		return -EMSGSIZE;
	cb->seq = t->serial;
	genl_dump_check_consistent(cb, hdr);
	err = put_part(skb, hn, t, cb->args);
	if (err) {
		genlmsg_cancel(skb, hdr);
		return err;
	}
	genlmsg_end(skb, hdr);
	return skb->len;
}

int halo_dump_table(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct halo_net *hn = halo_net(sock_net(skb->sk));
	const struct halo_table *t;
	int ret = 0;

	mutex_lock(&hn->lock);
	t = rcu_dereference_protected(hn->table, lockdep_is_held(&hn->lock));
	cb->seq = 0;
	if (t && cb->args[AT_STAGE] != STAGE_END)
		ret = dump_table(skb, cb, hn, t);
	else if (t)
		cb->seq = t->serial;
	mutex_unlock(&hn->lock);
	return ret;
}

struct filter {
	u16 route;	/* 0: any */
	u32 tag;	/* 0: any */
	u32 max;
	u8 family;	/* of the client; 0: any */
	union nf_inet_addr client;
};

static struct filter read_filter(struct nlattr **a)
{
	struct filter f = { .max = U32_MAX };

	if (a[HALO_ATTR_ROUTE])
		f.route = nla_get_u16(a[HALO_ATTR_ROUTE]);
	if (a[HALO_ATTR_TAG])
		f.tag = nla_get_u32(a[HALO_ATTR_TAG]);
	if (a[HALO_ATTR_MAX])
		f.max = nla_get_u32(a[HALO_ATTR_MAX]);
	if (a[HALO_ATTR_CLIENT4]) {
		f.family = NFPROTO_IPV4;
		f.client.ip = nla_get_in_addr(a[HALO_ATTR_CLIENT4]);
	} else if (a[HALO_ATTR_CLIENT6]) {
		f.family = NFPROTO_IPV6;
		f.client.in6 = nla_get_in6_addr(a[HALO_ATTR_CLIENT6]);
	}
	return f;
}

static bool is_client(const struct filter *by, const struct halo_flow *f)
{
	if (f->key.family != by->family)
		return false;
	return by->family == NFPROTO_IPV4 ? f->key.client.ip == by->client.ip :
		ipv6_addr_equal(&f->key.client.in6, &by->client.in6);
}

static bool matches(const struct filter *by, const struct halo_flow *f)
{
	return (!by->route || by->route == f->route) &&
	       (!by->tag || by->tag == f->tag) &&
	       (!by->family || is_client(by, f));
}

static int put_ends(struct sk_buff *skb, const struct halo_flow *f)
{
	if (f->key.family == NFPROTO_IPV4)
		return nla_put_in_addr(skb, HALO_ATTR_CLIENT4,
				       f->key.client.ip) ||
		       nla_put_in_addr(skb, HALO_ATTR_NODE4, f->node.ip);
	return nla_put_in6_addr(skb, HALO_ATTR_CLIENT6, &f->key.client.in6) ||
	       nla_put_in6_addr(skb, HALO_ATTR_NODE6, &f->node.in6);
}

static int put_flow(struct sk_buff *skb, struct netlink_callback *cb,
		    const struct halo_flow *f, u8 service)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				cb->nlh->nlmsg_seq, &halo_family, NLM_F_MULTI,
				HALO_CMD_FLOWS_GET);

	if (!hdr)
		return -EMSGSIZE;
	if (put_ends(skb, f) ||
	    nla_put_u16(skb, HALO_ATTR_CLIENT_PORT,
			ntohs(f->key.client_port)) ||
	    nla_put_u16(skb, HALO_ATTR_DOOR_PORT, ntohs(f->key.door_port)) ||
	    nla_put_u8(skb, HALO_ATTR_PROTOCOL, f->key.protocol) ||
	    nla_put_u16(skb, HALO_ATTR_ROUTE, f->route) ||
	    nla_put_u32(skb, HALO_ATTR_TAG, f->tag) ||
	    nla_put_u8(skb, HALO_ATTR_SERVICE_INDEX, service) ||
	    nla_put_u8(skb, HALO_ATTR_STATE, READ_ONCE(f->state)) ||
	    nla_put_u64_64bit(skb, HALO_ATTR_IDLE_MS,
			      jiffies_to_msecs(halo_flow_idle(f)),
			      HALO_ATTR_PAD)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/* Where a dump of flows goes on: bucket, flow in it, how many were told. */
enum { AT_BUCKET, AT_FLOW, AT_COUNT };

static int dump_bucket(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct halo_table *t, const struct filter *by,
		       struct hlist_head *bucket)
{
	long *args = cb->args, i = 0;
	struct halo_flow *f;
	int err;

	hlist_for_each_entry_rcu(f, bucket, chain) {
		if (i++ < args[AT_FLOW])
			continue;
		if (matches(by, f)) {
			if (args[AT_COUNT] >= by->max)
				return 0;
			err = put_flow(skb, cb, f,
				       halo_table_door(t, f->key.protocol,
						       f->key.door_port).index);
			if (err)
				return err;
			args[AT_COUNT]++;
		}
		args[AT_FLOW] = i;
	}
	args[AT_FLOW] = 0;
	return 0;
}

static int dump_flows(struct sk_buff *skb, struct netlink_callback *cb,
		      struct halo_net *hn, const struct halo_table *t)
{
	struct filter by = read_filter(halo_dump_attrs(cb));
	u32 n = halo_n_buckets(hn->flows);
	int err;

	for (; cb->args[AT_BUCKET] < n; cb->args[AT_BUCKET]++) {
		rcu_read_lock();
		err = dump_bucket(skb, cb, t, &by,
				  &hn->flows->buckets[cb->args[AT_BUCKET]]);
		rcu_read_unlock();
		if (err)
			return skb->len;
		if (cb->args[AT_COUNT] >= by.max)
			cb->args[AT_BUCKET] = n - 1;
		cond_resched();
	}
	return skb->len;
}

int halo_dump_flows(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct halo_net *hn = halo_net(sock_net(skb->sk));
	const struct halo_table *t;
	int ret = 0;

	mutex_lock(&hn->lock);
	t = rcu_dereference_protected(hn->table, lockdep_is_held(&hn->lock));
	if (t)
		ret = dump_flows(skb, cb, hn, t);
	mutex_unlock(&hn->lock);
	return ret;
}
