// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "genl.h"
#include "selftest.h"

/* A table that is being written by the socket of a netlink port. */
struct halo_txn {
	u32 portid;
	bool on_top;		/* of the table with version `from` */
	u64 from;
	unsigned long deadline;	/* jiffies */
	struct halo_table *table;
};

static int refuse(struct genl_info *info, int err, const char *why)
{
	if (info->extack)
		info->extack->_msg = why;
	return err;
}

static struct halo_table *current_table(struct halo_net *hn)
{
	return rcu_dereference_protected(hn->table, lockdep_is_held(&hn->lock));
}

static void drop_txn(struct halo_net *hn)
{
	lockdep_assert_held(&hn->lock);
	if (!hn->txn)
		return;
	halo_table_free(hn->txn->table);
	kfree(hn->txn);
	hn->txn = NULL;
}

void halo_txn_drop(struct halo_net *hn, u32 portid)
{
	mutex_lock(&hn->lock);
	if (hn->txn && (!portid || hn->txn->portid == portid))
		drop_txn(hn);
	mutex_unlock(&hn->lock);
}

void halo_txn_timed_out(struct work_struct *work)
{
	struct halo_net *hn = container_of(to_delayed_work(work),
					   struct halo_net, txn_timeout);

	mutex_lock(&hn->lock);
	if (hn->txn && time_after_eq(jiffies, hn->txn->deadline))
		drop_txn(hn);
	mutex_unlock(&hn->lock);
}

static void renew(struct halo_net *hn)
{
	unsigned long patience = msecs_to_jiffies(HALO_TXN_MS);

	hn->txn->deadline = jiffies + patience;
	mod_delayed_work(halo_wq, &hn->txn_timeout, patience);
}

static int read_vips(struct halo_table *t, struct genl_info *info)
{
	struct nlattr **a = info->attrs;

	if (!a[HALO_ATTR_VIP4] && !a[HALO_ATTR_VIP6])
		return refuse(info, -EINVAL, "a table needs VIP4 or VIP6");
	if (a[HALO_ATTR_VIP4]) {
		t->vip4 = nla_get_in_addr(a[HALO_ATTR_VIP4]);
		if (!t->vip4 || ipv4_is_multicast(t->vip4))
			return refuse(info, -EINVAL, "VIP4 is no address");
	}
	if (a[HALO_ATTR_VIP6]) {
		t->vip6 = nla_get_in6_addr(a[HALO_ATTR_VIP6]);
		if (ipv6_addr_any(&t->vip6) || ipv6_addr_is_multicast(&t->vip6))
			return refuse(info, -EINVAL, "VIP6 is no address");
	}
	return 0;
}

static int read_flows_max(struct halo_table *t, struct genl_info *info)
{
	struct nlattr *a = info->attrs[HALO_ATTR_FLOWS_MAX];

	t->flows_max = a ? nla_get_u32(a) : halo_flows_max;
	if (!t->flows_max || t->flows_max > halo_flows_max)
		return refuse(info, -ERANGE,
			      "FLOWS_MAX is not between 1 and FLOWS_LIMIT (the module's parameter flows_max)");
	return 0;
}

static int read_new(struct halo_table *t, struct genl_info *info)
{
	int err = read_vips(t, info);

	if (!err)
		err = read_flows_max(t, info);
	if (!err)
		err = halo_read_services(t, info->attrs[HALO_ATTR_SERVICES],
					 info->extack);
	return err;
}

static int new_table(struct halo_table **out, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	struct halo_table *t;
	int err;

	if (!a[HALO_ATTR_ROUTES] || !a[HALO_ATTR_SEATS_MAX] ||
	    !a[HALO_ATTR_SERVICES])
		return refuse(info, -EINVAL,
			      "a table needs ROUTES, SEATS_MAX and SERVICES, or FROM_VERSION");
	t = halo_table_new(nla_get_u16(a[HALO_ATTR_ROUTES]),
			   nla_get_u16(a[HALO_ATTR_SEATS_MAX]));
	if (!t)
		return -ENOMEM;
	err = read_new(t, info);
	if (err)
		halo_table_free(t);
	else
		*out = t;
	return err;
}

/* The seats that routes are at are kept; whoever takes others away moves those
 * first.
 */
static int check_seats(const struct halo_table *t, u16 seats,
		       struct genl_info *info)
{
	u32 r;

	for (r = 1; seats < t->seats && r <= t->routes; r++)
		if (t->seat_of[r] > seats)
			return refuse(info, -EINVAL,
				      "SEATS_MAX takes away a seat that a route is at");
	return 0;
}

static int copy_table(struct halo_table **out, struct halo_net *hn,
		      struct genl_info *info)
{
	const struct halo_table *t = current_table(hn);
	struct nlattr **a = info->attrs;
	u16 seats;
	int err;

	if (a[HALO_ATTR_ROUTES] || a[HALO_ATTR_SERVICES] || a[HALO_ATTR_VIP4] ||
	    a[HALO_ATTR_VIP6] || a[HALO_ATTR_FLOWS_MAX])
		return refuse(info, -EINVAL,
			      "with FROM_VERSION only VERSION and SEATS_MAX are new");
	if (!t)
		return refuse(info, -ESTALE, "no table is there");
	if (t->version != nla_get_u64(a[HALO_ATTR_FROM_VERSION]))
		return refuse(info, -ESTALE, "another version is there");
	seats = a[HALO_ATTR_SEATS_MAX] ? nla_get_u16(a[HALO_ATTR_SEATS_MAX]) :
					 t->seats;
	err = check_seats(t, seats, info);
	if (err)
		return err;
	*out = halo_table_copy(t, seats);
	return *out ? 0 : -ENOMEM;
}

static int make_table(struct halo_table **out, struct halo_net *hn,
		      struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	int err;

	if (!a[HALO_ATTR_VERSION])
		return refuse(info, -EINVAL, "a table needs a VERSION");
	err = a[HALO_ATTR_FROM_VERSION] ? copy_table(out, hn, info) :
					  new_table(out, info);
	if (!err)
		(*out)->version = nla_get_u64(a[HALO_ATTR_VERSION]);
	return err;
}

static int add(struct halo_table *t, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	int err = 0;

	if (a[HALO_ATTR_SEATS])
		err = halo_read_seats(t, a[HALO_ATTR_SEATS], info->extack);
	if (!err && a[HALO_ATTR_RUNS])
		err = halo_read_runs(t, a[HALO_ATTR_RUNS], info->extack);
	return err;
}

static void tell_changed(struct halo_net *hn, u32 portid, const u64 *version)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;

	if (!skb)
		return;
	hdr = genlmsg_put(skb, 0, 0, &halo_family, 0, HALO_CMD_TABLE_CHANGED);
	if (!hdr || nla_put_u32(skb, HALO_ATTR_PORT, portid) ||
	    (version && nla_put_u64_64bit(skb, HALO_ATTR_VERSION, *version,
					  HALO_ATTR_PAD))) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, hdr);
	genlmsg_multicast_netns(&halo_family, hn->net, skb, 0, 0, GFP_KERNEL);
}

/* The first table: with it everything else comes to be. */
static int publish_first(struct halo_net *hn, struct halo_table *t)
{
	int err = halo_net_start(hn, t->flows_max);

	if (err)
		return err;
	rcu_assign_pointer(hn->table, t);
	err = halo_hooks_register(hn);
	if (!err)
		return 0;
	RCU_INIT_POINTER(hn->table, NULL);
	halo_net_stop(hn);
	return err;
}

/* Takes t on success only. No packet is answered by the former afterwards. */
static int publish(struct halo_net *hn, struct halo_table *t, u32 portid)
{
	struct halo_table *former = current_table(hn);
	int err = halo_table_seal(t, former);

	if (err)
		return err;
	if (!former) {
		err = publish_first(hn, t);
		if (err)
			return err;
	} else {
		WRITE_ONCE(hn->flows->max, t->flows_max);
		if (t->routes < former->routes)
			bitmap_clear(hn->held, t->routes + 1,
				     HALO_ROUTE_BITS - t->routes - 1);
		rcu_assign_pointer(hn->table, t);
		synchronize_rcu_expedited();
		halo_table_free(former);
	}
	tell_changed(hn, portid, &t->version);
	return 0;
}

static int begin(struct halo_net *hn, struct genl_info *info)
{
	struct halo_table *t;
	int err;

	if (hn->txn && hn->txn->portid != info->snd_portid)
		return refuse(info, -EBUSY,
			      "another socket is writing a table: try again");
	err = make_table(&t, hn, info);
	if (err)
		return err;
	drop_txn(hn);
	hn->txn = halo_test_fails() ? NULL :
		kzalloc(sizeof(*hn->txn), GFP_KERNEL);
	if (!hn->txn) {
		halo_table_free(t);
		return -ENOMEM;
	}
	hn->txn->portid = info->snd_portid;
	hn->txn->table = t;
	if (info->attrs[HALO_ATTR_FROM_VERSION]) {
		hn->txn->on_top = true;
		hn->txn->from = nla_get_u64(info->attrs[HALO_ATTR_FROM_VERSION]);
	}
	renew(hn);
	return 0;
}

/* The socket's own transaction; NULL: it has none. */
static struct halo_txn *own(struct halo_net *hn, struct genl_info *info)
{
	if (hn->txn && hn->txn->portid == info->snd_portid)
		return hn->txn;
	refuse(info, -ENOENT, "no transaction of this socket: TABLE_BEGIN first");
	return NULL;
}

static int commit(struct halo_net *hn, struct genl_info *info)
{
	struct halo_txn *txn = own(hn, info);
	const struct halo_table *t = current_table(hn);
	int err;

	if (!txn)
		return -ENOENT;
	if (txn->on_top && (!t || t->version != txn->from))
		err = refuse(info, -ESTALE, "another version is there by now");
	else
		err = publish(hn, txn->table, info->snd_portid);
	if (!err)
		txn->table = NULL;
	drop_txn(hn);
	return err;
}

static int change(struct halo_net *hn, struct genl_info *info)
{
	struct halo_table *t;
	int err;

	if (!info->attrs[HALO_ATTR_FROM_VERSION])
		return refuse(info, -EINVAL, "FROM_VERSION is missing");
	err = make_table(&t, hn, info);
	if (err)
		return err;
	err = add(t, info);
	if (!err)
		err = publish(hn, t, info->snd_portid);
	if (err)
		halo_table_free(t);
	return err;
}

static int flush(struct halo_net *hn, u32 portid)
{
	struct halo_table *t = current_table(hn);

	drop_txn(hn);
	if (!t)
		return 0;
	halo_hooks_unregister(hn);
	synchronize_rcu();
	halo_net_stop(hn);
	tell_changed(hn, portid, NULL);
	return 0;
}

int halo_txn_begin(struct sk_buff *skb, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	int err;

	mutex_lock(&hn->lock);
	err = begin(hn, info);
	mutex_unlock(&hn->lock);
	return err;
}

int halo_txn_add(struct sk_buff *skb, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	struct halo_txn *txn;
	int err = -ENOENT;

	mutex_lock(&hn->lock);
	txn = own(hn, info);
	if (txn) {
		renew(hn);
		err = add(txn->table, info);
		if (err) /* half of it may be written */
			drop_txn(hn);
	}
	mutex_unlock(&hn->lock);
	return err;
}

int halo_txn_commit(struct sk_buff *skb, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	int err;

	mutex_lock(&hn->lock);
	err = commit(hn, info);
	mutex_unlock(&hn->lock);
	return err;
}

int halo_txn_abort(struct sk_buff *skb, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	int err = -ENOENT;

	mutex_lock(&hn->lock);
	if (own(hn, info)) {
		drop_txn(hn);
		err = 0;
	}
	mutex_unlock(&hn->lock);
	return err;
}

int halo_txn_change(struct sk_buff *skb, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	int err;

	mutex_lock(&hn->lock);
	err = change(hn, info);
	mutex_unlock(&hn->lock);
	return err;
}

int halo_txn_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct halo_net *hn = halo_net(genl_info_net(info));
	int err;

	mutex_lock(&hn->lock);
	err = flush(hn, info->snd_portid);
	mutex_unlock(&hn->lock);
	return err;
}
