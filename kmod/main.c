// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "core.h"
#include "ending.h"
#include "flow.h"
#include "genl.h"
#include "selftest.h"
#include "syns.h"
#include "table.h"

#define EXPIRY_REST (HZ / 2)

unsigned int halo_flows_max = 1 << 20;
module_param_named(flows_max, halo_flows_max, uint, 0444);
MODULE_PARM_DESC(flows_max,
		 "most flows of a network namespace that a table may ask for (default 1048576)");

struct workqueue_struct *halo_wq;
static unsigned int net_id;

struct halo_net *halo_net(const struct net *net)
{
	return net_generic(net, net_id);
}

static void expire(struct work_struct *work)
{
	struct halo_net *hn = container_of(to_delayed_work(work),
					   struct halo_net, expiry);

	if (atomic_read(&hn->flows->count))
		halo_flows_expire(hn->flows);
	queue_delayed_work(halo_wq, &hn->expiry, EXPIRY_REST);
}

int halo_net_start(struct halo_net *hn, u32 flows_max)
{
	lockdep_assert_held(&hn->lock);
	hn->flows = halo_flows_new(flows_max);
	hn->syns = halo_syns_new();
	hn->ends = halo_ends_new(hn);
	if (!halo_test_fails())
		hn->stats = alloc_percpu(struct halo_stats);
	if (!halo_test_fails())
		hn->held = bitmap_zalloc(HALO_ROUTE_BITS, GFP_KERNEL);
	if (!hn->flows || !hn->syns || !hn->ends || !hn->stats || !hn->held) {
		halo_net_stop(hn);
		return -ENOMEM;
	}
	queue_delayed_work(halo_wq, &hn->expiry, EXPIRY_REST);
	return 0;
}

void halo_net_stop(struct halo_net *hn)
{
	struct halo_table *t = rcu_dereference_protected(hn->table, true);

	cancel_delayed_work_sync(&hn->expiry);
	halo_ends_free(hn->ends);
	RCU_INIT_POINTER(hn->table, NULL);
	halo_table_free(t);
	halo_flows_free(hn->flows);
	halo_syns_free(hn->syns);
	free_percpu(hn->stats);
	bitmap_free(hn->held);
	kfree(hn->hooks);
	hn->ends = NULL;
	hn->flows = NULL;
	hn->syns = NULL;
	hn->stats = NULL;
	hn->held = NULL;
	hn->hooks = NULL;
}

static int __net_init net_init(struct net *net)
{
	struct halo_net *hn = halo_net(net);

	hn->net = net;
	mutex_init(&hn->lock);
	INIT_DELAYED_WORK(&hn->expiry, expire);
	INIT_DELAYED_WORK(&hn->txn_timeout, halo_txn_timed_out);
	return 0;
}

/* Between this and net_exit() RCU waits for hooks that still run. */
static void __net_exit net_pre_exit(struct net *net)
{
	halo_hooks_unregister(halo_net(net));
}

static void __net_exit net_exit(struct net *net)
{
	struct halo_net *hn = halo_net(net);

	halo_txn_drop(hn, 0);
	cancel_delayed_work_sync(&hn->txn_timeout);
	halo_net_stop(hn);
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.pre_exit = net_pre_exit,
	.exit = net_exit,
	.id = &net_id,
	.size = sizeof(struct halo_net),
};

static int __init halo_init(void)
{
	int err = halo_selftest();

	if (err)
		return err;
	halo_wq = alloc_workqueue("halo", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!halo_wq)
		return -ENOMEM;
	err = register_pernet_subsys(&net_ops);
	if (err)
		goto err_wq;
	err = halo_genl_register();
	if (err)
		goto err_pernet;
	return 0;

err_pernet:
	unregister_pernet_subsys(&net_ops);
err_wq:
	destroy_workqueue(halo_wq);
	return err;
}

static void __exit halo_exit(void)
{
	halo_genl_unregister();
	unregister_pernet_subsys(&net_ops);
	destroy_workqueue(halo_wq);
}

module_init(halo_init);
module_exit(halo_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The HaloD authors");
MODULE_DESCRIPTION("HaloD's data path: one node for all doors of a route");
MODULE_VERSION("1.0");
MODULE_ALIAS_GENL_FAMILY(HALO_GENL_NAME);
