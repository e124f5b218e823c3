// SPDX-License-Identifier: GPL-2.0-or-later
#include "ending.h"

#include <linux/mm.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "genl.h"
#include "reset.h"
#include "selftest.h"

#define STEP 2048	/* buckets */
#define GRAB 16		/* flows taken from a bucket at once */
#define GRABS 64	/* of one bucket; a replayed flow may be grabbed again */

struct job {
	struct list_head list;
	u16 tag;
	bool forced, all;
	bool anew;	/* routes were added: once more from the beginning */
	u32 cursor;	/* buckets before it are done */
	struct halo_ended ended;
	unsigned long *bits;
};

struct halo_ends {
	struct halo_net *hn;
	struct work_struct work;
	spinlock_t lock;
	struct list_head jobs;	/* under lock; only work takes them out */
	u32 n_jobs;
};

bool halo_flow_is_stale(const struct halo_table *t, struct halo_flow *f)
{
	struct halo_door door;
	const struct halo_seat *seat;

	if (likely(READ_ONCE(f->serial) == t->serial))
		return false;
	door = halo_table_door(t, f->key.protocol, f->key.door_port);
	if (!door.service || door.route != f->route)
		return true;
	seat = halo_table_seat(t, door.route);
	if (!door.service->keep && (!seat || seat->tag != f->tag))
		return true;
	WRITE_ONCE(f->serial, t->serial);
	return false;
}

static union nf_inet_addr vip_of(const struct halo_table *t, u8 family)
{
	union nf_inet_addr vip = { .in6 = t->vip6 };

	if (family == NFPROTO_IPV4)
		vip.ip = t->vip4;
	return vip;
}

void halo_end_tell(struct halo_net *hn, const struct halo_table *t,
		   const struct halo_flow *f, enum halo_end to)
{
	struct halo_reset r = { .family = f->key.family };
	u32 seq[2];
	unsigned int n = halo_flow_expected(f, to, seq), i;

	if (to == HALO_CLIENT) {
		r.src = vip_of(t, f->key.family);
		r.sport = f->key.door_port;
		r.dst = f->key.client;
		r.dport = f->key.client_port;
	} else {
		r.src = f->key.client;
		r.sport = f->key.client_port;
		r.dst = f->node;
		r.dport = f->key.door_port;
	}
	for (i = 0; i < n; i++) {
		r.seq = seq[i];
		halo_reset_send(hn->net, &r);
	}
	halo_count(hn, to == HALO_CLIENT ? HALO_REASON_RESET_CLIENT :
					   HALO_REASON_RESET_NODE);
}

/* Nobody serves the client there: it is told, unless new connections wait for
 * a node there; then its next SYN will wait with them.
 */
static void refuse(struct halo_net *hn, const struct halo_table *t,
		   const struct halo_flow *f, struct halo_ended *ended)
{
	struct halo_reset r = {
		.family = f->key.family,
		.src = vip_of(t, f->key.family),
		.sport = f->key.door_port,
		.dst = f->key.client,
		.dport = f->key.client_port,
		.ack = f->sent[HALO_CLIENT].end,
		.has_ack = true,
	};

	if (test_bit(f->route, hn->held))
		return;
	halo_reset_send(hn->net, &r);
	halo_count(hn, HALO_REASON_RESET_CLIENT);
	ended->told_clients++;
}

/* The same flow with another node; NULL: no memory, its SYN will come again. */
static struct halo_flow *moved(const struct halo_table *t,
			       const struct halo_flow *f,
			       const struct halo_seat *to)
{
	struct halo_flow *by = halo_flow_new(&f->key);

	if (!by)
		return NULL;
	by->state = HALO_FLOW_SYN_SENT;
	by->route = f->route;
	by->serial = t->serial;
	by->tag = to->tag;
	by->node = to->addr[halo_index(f->key.family)];
	by->sent[HALO_CLIENT] = f->sent[HALO_CLIENT];
	by->syn = f->syn;
	return by;
}

static void replay(struct halo_net *hn, const struct halo_table *t,
		   struct halo_flow *f, struct halo_ended *ended)
{
	struct halo_door door = halo_table_door(t, f->key.protocol,
						f->key.door_port);
	const struct halo_seat *seat = door.service ?
		halo_table_seat(t, door.route) : NULL;
	struct halo_flow *by = NULL;
	struct halo_syn syn;

	if (!seat || !seat->has[halo_index(f->key.family)]) {
		if (halo_flow_remove(hn->flows, f))
			refuse(hn, t, f, ended);
		return;
	}
	if (halo_syns_get(hn->syns, f->syn, &syn))
		by = moved(t, f, seat);
	if (!by) {
		halo_flow_remove(hn->flows, f);
		return;
	}
	if (!halo_flow_replace(hn->flows, f, by)) {
		halo_flow_free(by);
		return;
	}
	if (halo_syn_send(hn->net, &syn, &by->node)) {
		halo_count(hn, HALO_REASON_REPLAYED);
		ended->replayed++;
	}
}

void halo_end_flow(struct halo_net *hn, const struct halo_table *t,
		   struct halo_flow *f, bool forced, struct halo_ended *ended)
{
	bool tell = f->key.protocol == IPPROTO_TCP && !f->was_reset;
	bool replays = READ_ONCE(f->state) == HALO_FLOW_SYN_SENT;

	if (!replays && !halo_flow_remove(hn->flows, f))
		return;
	ended->flows++;
	if (tell && !forced) {
		halo_end_tell(hn, t, f, HALO_NODE);
		ended->told_nodes++;
	}
	if (replays) {
		replay(hn, t, f, ended);
	} else if (tell) {
		halo_end_tell(hn, t, f, HALO_CLIENT);
		ended->told_clients++;
	}
}

static bool concerns(const struct job *j, const struct halo_table *t,
		     const struct halo_flow *f)
{
	struct halo_door door;

	if (f->tag != j->tag || (!j->all && !test_bit(f->route, j->bits)))
		return false;
	if (j->forced)
		return true;
	door = halo_table_door(t, f->key.protocol, f->key.door_port);
	return !door.service || !door.service->keep;
}

/* What is sent may come to our hooks, which take the bucket's lock: so the
 * flows are looked up first. RCU keeps them.
 */
static u32 grab(struct halo_flows *ft, const struct job *j,
		const struct halo_table *t, u32 bucket,
		struct halo_flow *found[GRAB])
{
	struct halo_flow *f;
	u32 n = 0;

	hlist_for_each_entry_rcu(f, &ft->buckets[bucket], chain)
		if (n < GRAB && concerns(j, t, f))
			found[n++] = f;
	return n;
}

static void end_bucket(struct halo_net *hn, struct job *j, u32 bucket)
{
	struct halo_flow *found[GRAB];
	const struct halo_table *t;
	u32 n, i, grabs = GRABS;

	do {
		rcu_read_lock();
		t = rcu_dereference(hn->table);
		n = grab(hn->flows, j, t, bucket, found);
		for (i = 0; i < n; i++)
			halo_end_flow(hn, t, found[i], j->forced, &j->ended);
		rcu_read_unlock();
	} while (n == GRAB && --grabs);
}

/* The buckets of one step. */
static void step(struct halo_net *hn, struct job *j)
{
	u32 last = min(j->cursor + STEP, halo_n_buckets(hn->flows)), i;

	for (i = j->cursor; i < last; i++) {
		if (hlist_empty(&hn->flows->buckets[i]))
			continue;
		end_bucket(hn, j, i);
		cond_resched();
	}
}

static void free_job(struct job *j)
{
	bitmap_free(j->bits);
	kfree(j);
}

static struct job *begin_step(struct halo_ends *e)
{
	struct job *j;

	spin_lock_bh(&e->lock);
	j = list_first_entry_or_null(&e->jobs, struct job, list);
	if (j && j->anew) {
		j->anew = false;
		j->cursor = 0;
	}
	spin_unlock_bh(&e->lock);
	return j;
}

/* True: it was the last step, the job is the caller's. */
static bool end_step(struct halo_ends *e, struct job *j)
{
	bool done;

	spin_lock_bh(&e->lock);
	j->cursor += STEP;
	done = !j->anew && j->cursor >= halo_n_buckets(e->hn->flows);
	if (done) {
		list_del(&j->list);
		e->n_jobs--;
	}
	spin_unlock_bh(&e->lock);
	return done;
}

static void work(struct work_struct *w)
{
	struct halo_ends *e = container_of(w, struct halo_ends, work);
	struct job *j = begin_step(e);

	if (!j)
		return;
	step(e->hn, j);
	if (end_step(e, j)) {
		halo_genl_ended(e->hn, j->tag, j->forced, &j->ended);
		free_job(j);
	}
	queue_work(halo_wq, &e->work);
}

struct halo_ends *halo_ends_new(struct halo_net *hn)
{
	struct halo_ends *e = NULL;

	if (!halo_test_fails())
		e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return NULL;
	e->hn = hn;
	spin_lock_init(&e->lock);
	INIT_LIST_HEAD(&e->jobs);
	INIT_WORK(&e->work, work);
	return e;
}

void halo_ends_free(struct halo_ends *e)
{
	struct job *j, *next;

	if (!e)
		return;
	cancel_work_sync(&e->work);
	list_for_each_entry_safe(j, next, &e->jobs, list)
		free_job(j);
	kfree(e);
}

static struct job *find(struct halo_ends *e, u16 tag, bool forced)
{
	struct job *j;

	lockdep_assert_held(&e->lock);
	list_for_each_entry(j, &e->jobs, list)
		if (j->tag == tag && j->forced == forced)
			return j;
	return NULL;
}

static struct job *new_job(u16 tag, bool forced)
{
	struct job *j = kzalloc(sizeof(*j), GFP_KERNEL);

	if (!j)
		return NULL;
	j->bits = bitmap_zalloc(HALO_ROUTE_BITS, GFP_KERNEL);
	if (!j->bits) {
		kfree(j);
		return NULL;
	}
	j->tag = tag;
	j->forced = forced;
	return j;
}

static void add_routes(struct job *j, const unsigned long *bits)
{
	if (bits)
		bitmap_or(j->bits, j->bits, bits, HALO_ROUTE_BITS);
	else
		j->all = true;
}

int halo_ends_add(struct halo_ends *e, u16 tag, bool forced,
		  const unsigned long *bits)
{
	struct job *fresh = new_job(tag, forced), *j;
	int err = 0;

	lockdep_assert_held(&e->hn->lock);
	if (!fresh)
		return -ENOMEM;
	spin_lock_bh(&e->lock);
	j = find(e, tag, forced);
	if (j) {
		add_routes(j, bits);
		j->anew = true;
	} else if (e->n_jobs < HALO_ENDS_MAX) {
		add_routes(fresh, bits);
		list_add_tail(&fresh->list, &e->jobs);
		e->n_jobs++;
		fresh = NULL;
	} else {
		err = -EBUSY;
	}
	spin_unlock_bh(&e->lock);
	if (fresh)
		free_job(fresh);
	queue_work(halo_wq, &e->work);
	return err;
}

bool halo_ends_is_forced(struct halo_ends *e, u16 tag)
{
	bool forced;

	spin_lock_bh(&e->lock);
	forced = find(e, tag, true);
	spin_unlock_bh(&e->lock);
	return forced;
}
