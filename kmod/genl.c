// SPDX-License-Identifier: GPL-2.0-or-later
#include "genl.h"

#include <linux/module.h>
#include <linux/netlink.h>

#include "flow.h"

static const char *const reason_names[HALO_REASONS] = {
	[HALO_REASON_CLIENT_TO_NODE] = "client-to-node",
	[HALO_REASON_NODE_TO_CLIENT] = "node-to-client",
	[HALO_REASON_NEW_FLOW] = "new-flow",
	[HALO_REASON_ICMP_TO_NODE] = "icmp-to-node",
	[HALO_REASON_ICMP_TO_CLIENT] = "icmp-to-client",
	[HALO_REASON_HELD] = "held",
	[HALO_REASON_REPLAYED] = "replayed",
	[HALO_REASON_REFUSAL_HELD] = "refusal-held",
	[HALO_REASON_REFUSAL_PASSED] = "refusal-passed",
	[HALO_REASON_RESET_CLIENT] = "reset-client",
	[HALO_REASON_RESET_NODE] = "reset-node",
	[HALO_REASON_RESET_FLOWLESS] = "reset-flowless",
	[HALO_REASON_STALE_FLOW] = "stale-flow",
	[HALO_REASON_UNOWNED] = "unowned",
	[HALO_REASON_FAMILY] = "family",
	[HALO_REASON_FLOWS_FULL] = "flows-full",
	[HALO_REASON_NO_MEMORY] = "no-memory",
	[HALO_REASON_SHORT] = "short",
	[HALO_REASON_BAD_LENGTH] = "bad-length",
	[HALO_REASON_FRAGMENT] = "fragment",
	[HALO_REASON_BAD_HEADER] = "bad-header",
};

static int refuse(struct genl_info *info, int err, const char *why)
{
	if (info->extack)
		info->extack->_msg = why;
	return err;
}

static int no_table(struct genl_info *info)
{
	return refuse(info, -ENOENT,
		      "no table in this network namespace: write one first");
}

static struct halo_table *current_table(struct halo_net *hn)
{
	return rcu_dereference_protected(hn->table, lockdep_is_held(&hn->lock));
}

/* An answer to info, of one message; NULL: no memory. */
static struct sk_buff *answer(struct genl_info *info, void **hdr, size_t size)
{
	struct sk_buff *skb = genlmsg_new(size, GFP_KERNEL);

	if (!skb)
		return NULL;
	*hdr = genlmsg_put_reply(skb, info, &halo_family, 0,
				 info->genlhdr->cmd);
	if (*hdr)
		return skb;
	nlmsg_free(skb);
	return NULL;
}

static int put_info(struct sk_buff *skb, struct halo_net *hn)
{
	const struct halo_table *t = current_table(hn);
	u64 features = HALO_FEATURE_IPV6;

	if (IS_ENABLED(CONFIG_NETFILTER_NETLINK_QUEUE))
		features |= HALO_FEATURE_QUEUE;
	if (nla_put_string(skb, HALO_ATTR_MODULE, THIS_MODULE->version ?: "") ||
	    nla_put_u32(skb, HALO_ATTR_ABI, HALO_ABI) ||
	    nla_put_u64_64bit(skb, HALO_ATTR_FEATURES, features,
			      HALO_ATTR_PAD) ||
	    nla_put_u32(skb, HALO_ATTR_FLOWS_LIMIT, halo_flows_max))
		return -EMSGSIZE;
	return t ? nla_put_u64_64bit(skb, HALO_ATTR_VERSION, t->version,
				     HALO_ATTR_PAD) : 0;
}

static int info_get(struct sk_buff *unused, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	struct sk_buff *skb;
	void *hdr;
	int err;

	skb = answer(info, &hdr, GENLMSG_DEFAULT_SIZE);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&hn->lock);
	err = put_info(skb, hn);
	mutex_unlock(&hn->lock);
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

static int attend(struct sk_buff *skb, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	struct nlattr **a = info->attrs;

	if (!a[HALO_ATTR_ALIVE_MS])
		return refuse(info, -EINVAL, "ATTEND needs ALIVE_MS");
	mutex_lock(&hn->lock);
	if (a[HALO_ATTR_QUEUE]) {
		WRITE_ONCE(hn->attend.queue, nla_get_u16(a[HALO_ATTR_QUEUE]));
		WRITE_ONCE(hn->attend.has_queue, true);
	}
	WRITE_ONCE(hn->attend.refusals, nla_get_flag(a[HALO_ATTR_REFUSALS]));
	WRITE_ONCE(hn->attend.until, jiffies + msecs_to_jiffies(
				nla_get_u32(a[HALO_ATTR_ALIVE_MS])));
	mutex_unlock(&hn->lock);
	return 0;
}

static int hold(struct halo_net *hn, struct genl_info *info)
{
	const struct halo_table *t = current_table(hn);
	unsigned long *bits;
	int err;

	if (!t)
		return no_table(info);
	if (!info->attrs[HALO_ATTR_ROUTE_SET])
		return refuse(info, -EINVAL, "HOLD needs a ROUTE_SET");
	err = halo_read_route_set(&bits, info->attrs[HALO_ATTR_ROUTE_SET],
				  t->routes, info->extack);
	if (err)
		return err;
	bitmap_or(hn->held, hn->held, bits, HALO_ROUTE_BITS);
	bitmap_free(bits);
	/* who read the former set has made his flow when this returns */
	synchronize_rcu_expedited();
	return 0;
}

static int release(struct halo_net *hn, struct genl_info *info)
{
	const struct halo_table *t = current_table(hn);
	unsigned long *bits;
	int err;

	if (!t)
		return 0;
	if (!info->attrs[HALO_ATTR_ROUTE_SET]) {
		bitmap_zero(hn->held, HALO_ROUTE_BITS);
		return 0;
	}
	err = halo_read_route_set(&bits, info->attrs[HALO_ATTR_ROUTE_SET],
				  t->routes, info->extack);
	if (err)
		return err;
	bitmap_andnot(hn->held, hn->held, bits, HALO_ROUTE_BITS);
	bitmap_free(bits);
	return 0;
}

static int flows_end(struct halo_net *hn, struct genl_info *info)
{
	const struct halo_table *t = current_table(hn);
	struct nlattr **a = info->attrs;
	unsigned long *bits = NULL;
	int err = 0;

	if (!t)
		return no_table(info);
	if (!a[HALO_ATTR_TAG])
		return refuse(info, -EINVAL, "FLOWS_END needs a TAG");
	if (a[HALO_ATTR_ROUTE_SET])
		err = halo_read_route_set(&bits, a[HALO_ATTR_ROUTE_SET],
					  t->routes, info->extack);
	if (!err)
		err = halo_ends_add(hn->ends, nla_get_u32(a[HALO_ATTR_TAG]),
				    nla_get_flag(a[HALO_ATTR_FORCED]), bits);
	bitmap_free(bits);
	return err == -EBUSY ?
		refuse(info, err, "too many instances' flows are being ended") :
		err;
}

/* Calls fn with the namespace's lock. */
static int locked(struct genl_info *info,
		  int (*fn)(struct halo_net *hn, struct genl_info *info))
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	int err;

	mutex_lock(&hn->lock);
	err = fn(hn, info);
	mutex_unlock(&hn->lock);
	return err;
}

static int do_hold(struct sk_buff *skb, struct genl_info *info)
{
	return locked(info, hold);
}

static int do_release(struct sk_buff *skb, struct genl_info *info)
{
	return locked(info, release);
}

static int do_flows_end(struct sk_buff *skb, struct genl_info *info)
{
	return locked(info, flows_end);
}

static u64 sum_of(const struct halo_net *hn, enum halo_reason reason)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(hn->stats, cpu)->count[reason]);
	return sum;
}

static int put_counter(struct sk_buff *skb, const struct halo_net *hn,
		       enum halo_reason reason)
{
	struct nlattr *nest = nla_nest_start(skb, HALO_ATTR_COUNTER);

	if (!nest || nla_put_u8(skb, HALO_COUNTER_REASON, reason) ||
	    nla_put_string(skb, HALO_COUNTER_NAME, reason_names[reason]) ||
	    nla_put_u64_64bit(skb, HALO_COUNTER_VALUE, sum_of(hn, reason),
			      HALO_COUNTER_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_stats(struct sk_buff *skb, const struct halo_net *hn)
{
	struct nlattr *nest;
	int i;

	if (nla_put_u32(skb, HALO_ATTR_FLOWS, atomic_read(&hn->flows->count)) ||
	    nla_put_u32(skb, HALO_ATTR_FLOWS_MAX, hn->flows->max) ||
	    nla_put_u32(skb, HALO_ATTR_HELD_ROUTES,
			bitmap_weight(hn->held, HALO_ROUTE_BITS)))
		return -EMSGSIZE;
	nest = nla_nest_start(skb, HALO_ATTR_COUNTERS);
	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < HALO_REASONS; i++)
		if (put_counter(skb, hn, i))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int stats_get(struct halo_net *hn, struct genl_info *info)
{
	struct sk_buff *skb;
	void *hdr;
	int err;

	if (!current_table(hn))
		return no_table(info);
	skb = answer(info, &hdr, GENLMSG_DEFAULT_SIZE);
	if (!skb)
		return -ENOMEM;
	err = put_stats(skb, hn);
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

static int do_stats_get(struct sk_buff *skb, struct genl_info *info)
{
	return locked(info, stats_get);
}

static const struct nla_policy no_policy[HALO_ATTR_LAST + 1] = { };

#define SEATS_POLICY							\
	[HALO_ATTR_SEATS] = NLA_POLICY_NESTED_ARRAY(halo_seat_policy),	\
	[HALO_ATTR_RUNS] = { .type = NLA_BINARY }
#define VERSION_POLICY							\
	[HALO_ATTR_VERSION] = { .type = NLA_U64 },			\
	[HALO_ATTR_FROM_VERSION] = { .type = NLA_U64 },			\
	[HALO_ATTR_SEATS_MAX] =					\
		NLA_POLICY_FULL_RANGE(NLA_U16, &halo_seat_range)
#define ROUTE_SET_POLICY						\
	[HALO_ATTR_ROUTE_SET] = { .type = NLA_BINARY }
#define TAG_POLICY							\
	[HALO_ATTR_TAG] = NLA_POLICY_FULL_RANGE(NLA_U32, &halo_tag_range)

static const struct nla_policy begin_policy[HALO_ATTR_LAST + 1] = {
	VERSION_POLICY,
	[HALO_ATTR_ROUTES] = NLA_POLICY_MIN(NLA_U16, 1),
	[HALO_ATTR_VIP4] = NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[HALO_ATTR_VIP6] = NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[HALO_ATTR_FLOWS_MAX] = { .type = NLA_U32 },
	[HALO_ATTR_SERVICES] = NLA_POLICY_NESTED_ARRAY(halo_service_policy),
};

static const struct nla_policy add_policy[HALO_ATTR_LAST + 1] = {
	SEATS_POLICY,
};

static const struct nla_policy change_policy[HALO_ATTR_LAST + 1] = {
	VERSION_POLICY,
	SEATS_POLICY,
};

static const struct nla_policy attend_policy[HALO_ATTR_LAST + 1] = {
	[HALO_ATTR_QUEUE] = { .type = NLA_U16 },
	[HALO_ATTR_REFUSALS] = { .type = NLA_FLAG },
	[HALO_ATTR_ALIVE_MS] = NLA_POLICY_MAX(NLA_U32, HALO_ALIVE_MAX_MS),
};

static const struct nla_policy hold_policy[HALO_ATTR_LAST + 1] = {
	ROUTE_SET_POLICY,
};

static const struct nla_policy end_policy[HALO_ATTR_LAST + 1] = {
	ROUTE_SET_POLICY,
	TAG_POLICY,
	[HALO_ATTR_FORCED] = { .type = NLA_FLAG },
};

static const struct nla_policy flows_policy[HALO_ATTR_LAST + 1] = {
	TAG_POLICY,
	[HALO_ATTR_ROUTE] = NLA_POLICY_MIN(NLA_U16, 1),
	[HALO_ATTR_CLIENT4] = NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[HALO_ATTR_CLIENT6] = NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[HALO_ATTR_MAX] = NLA_POLICY_MIN(NLA_U32, 1),
};

#define OP(command, table, fn)						\
	{								\
		.cmd = (command), .flags = GENL_UNS_ADMIN_PERM,		\
		.policy = (table), .maxattr = HALO_ATTR_LAST, .doit = (fn) \
	}
#define DUMP(command, table, fn)					\
	{								\
		.cmd = (command), .flags = GENL_UNS_ADMIN_PERM,		\
		.policy = (table), .maxattr = HALO_ATTR_LAST, .dumpit = (fn) \
	}

static const struct genl_ops ops[] = {
	OP(HALO_CMD_INFO_GET, no_policy, info_get),
	OP(HALO_CMD_TABLE_BEGIN, begin_policy, halo_txn_begin),
	OP(HALO_CMD_TABLE_ADD, add_policy, halo_txn_add),
	OP(HALO_CMD_TABLE_COMMIT, no_policy, halo_txn_commit),
	OP(HALO_CMD_TABLE_ABORT, no_policy, halo_txn_abort),
	OP(HALO_CMD_TABLE_CHANGE, change_policy, halo_txn_change),
	DUMP(HALO_CMD_TABLE_GET, no_policy, halo_dump_table),
	OP(HALO_CMD_FLUSH, no_policy, halo_txn_flush),
	OP(HALO_CMD_ATTEND, attend_policy, attend),
	OP(HALO_CMD_HOLD, hold_policy, do_hold),
	OP(HALO_CMD_RELEASE, hold_policy, do_release),
	OP(HALO_CMD_FLOWS_END, end_policy, do_flows_end),
	DUMP(HALO_CMD_FLOWS_GET, flows_policy, halo_dump_flows),
	OP(HALO_CMD_STATS_GET, no_policy, do_stats_get),
};

static const struct genl_multicast_group groups[] = {
	{ .name = HALO_GENL_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

struct genl_family halo_family __ro_after_init = {
	.name = HALO_GENL_NAME,
	.version = HALO_GENL_VERSION,
	.maxattr = HALO_ATTR_LAST,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = HALO_CMD_UNSPEC + 1,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/* NULL: nobody listens, or no memory. */
static struct sk_buff *event(struct halo_net *hn, u8 cmd, void **hdr)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&halo_family, hn->net, 0))
		return NULL;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	*hdr = genlmsg_put(skb, 0, 0, &halo_family, 0, cmd);
	if (*hdr)
		return skb;
	nlmsg_free(skb);
	return NULL;
}

static void send_event(struct halo_net *hn, struct sk_buff *skb, void *hdr)
{
	genlmsg_end(skb, hdr);
	genlmsg_multicast_netns(&halo_family, hn->net, skb, 0, 0, GFP_ATOMIC);
}

void halo_genl_refused(struct halo_net *hn, u32 tag, u16 route)
{
	void *hdr;
	struct sk_buff *skb = event(hn, HALO_CMD_REFUSED, &hdr);

	if (!skb)
		return;
	if (nla_put_u32(skb, HALO_ATTR_TAG, tag) ||
	    nla_put_u16(skb, HALO_ATTR_ROUTE, route))
		nlmsg_free(skb);
	else
		send_event(hn, skb, hdr);
}

void halo_genl_ended(struct halo_net *hn, u32 tag, bool forced,
		     const struct halo_ended *ended)
{
	void *hdr;
	struct sk_buff *skb = event(hn, HALO_CMD_FLOWS_ENDED, &hdr);

	if (!skb)
		return;
	if (nla_put_u32(skb, HALO_ATTR_TAG, tag) ||
	    (forced && nla_put_flag(skb, HALO_ATTR_FORCED)) ||
	    nla_put_u32(skb, HALO_ATTR_ENDED, ended->flows) ||
	    nla_put_u32(skb, HALO_ATTR_TOLD_CLIENTS, ended->told_clients) ||
	    nla_put_u32(skb, HALO_ATTR_TOLD_NODES, ended->told_nodes) ||
	    nla_put_u32(skb, HALO_ATTR_REPLAYED, ended->replayed))
		nlmsg_free(skb);
	else
		send_event(hn, skb, hdr);
}

static int on_netlink(struct notifier_block *nb, unsigned long what, void *data)
{
	const struct netlink_notify *n = data;

	if (what == NETLINK_URELEASE && n->protocol == NETLINK_GENERIC)
		halo_txn_drop(halo_net(n->net), n->portid);
	return NOTIFY_DONE;
}

static struct notifier_block watch = { .notifier_call = on_netlink };

int halo_genl_register(void)
{
	int err = genl_register_family(&halo_family);

	if (err)
		return err;
	err = netlink_register_notifier(&watch);
	if (err)
		genl_unregister_family(&halo_family);
	return err;
}

void halo_genl_unregister(void)
{
	netlink_unregister_notifier(&watch);
	genl_unregister_family(&halo_family);
}
