// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow.h"

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "core.h"
#include "selftest.h"

#define NEIGHBOURS	64	/* buckets in which the idlest has to give way */
#define NEIGHBOURS_MAX	4096	/* in which anybody has to */
#define EXPIRY_PARTS	32	/* a part each half second */
#define EXPIRY_MIN	1024

/* An idle SSE client is a working one: established flows live as long as
 * conntrack's do.
 */
static const struct {
	u32 timeout;
	bool yields;	/* gives way before any flow that works */
} rules[] = {
	[HALO_FLOW_SYN_SENT] = { 60 * HZ, true },
	[HALO_FLOW_SYN_RECEIVED] = { 60 * HZ, true },
	[HALO_FLOW_ESTABLISHED] = { 5 * 86400 * HZ, false },
	[HALO_FLOW_CLOSING] = { 60 * HZ, true },
	[HALO_FLOW_UDP_NEW] = { 30 * HZ, true },
	[HALO_FLOW_UDP] = { 180 * HZ, false },
};

struct halo_flows *halo_flows_new(u32 max)
{
	u32 bits = max(ilog2(roundup_pow_of_two(max)), 10), i;
	struct halo_flows *ft;

	if (halo_test_fails())
		return NULL;
	ft = kvzalloc(sizeof(*ft), GFP_KERNEL);
	if (!ft)
		return NULL;
	ft->max = max;
	ft->shift = 64 - bits;
	get_random_bytes(ft->seed, sizeof(ft->seed));
	for (i = 0; i < HALO_FLOW_LOCKS; i++)
		spin_lock_init(&ft->locks[i]);
	if (!halo_test_fails())
		ft->buckets = kvcalloc(1u << bits, sizeof(*ft->buckets),
				       GFP_KERNEL);
	if (ft->buckets)
		return ft;
	kvfree(ft);
	return NULL;
}

static spinlock_t *lock_of(struct halo_flows *ft, u32 bucket)
{
	return &ft->locks[bucket % HALO_FLOW_LOCKS];
}

/* Its bucket's lock is held. */
static bool unlink(struct halo_flows *ft, struct halo_flow *f)
{
	lockdep_assert_held(lock_of(ft, f->bucket));
	if (hlist_unhashed(&f->chain))
		return false;
	hlist_del_init_rcu(&f->chain);
	atomic_dec(&ft->count);
	kfree_rcu(f, rcu);
	return true;
}

void halo_flows_free(struct halo_flows *ft)
{
	struct hlist_node *next;
	struct halo_flow *f;
	u32 i;

	if (!ft)
		return;
	for (i = 0; i < halo_n_buckets(ft); i++) {
		if (hlist_empty(&ft->buckets[i]))
			continue;
		spin_lock_bh(lock_of(ft, i));
		hlist_for_each_entry_safe(f, next, &ft->buckets[i], chain)
			unlink(ft, f);
		spin_unlock_bh(lock_of(ft, i));
		cond_resched();
	}
	kvfree(ft->buckets);
	kvfree(ft);
}

static u32 bucket_of(const struct halo_flows *ft, const struct halo_key *key)
{
	return key->family == NFPROTO_IPV4 ?
		halo_bucket4(ft, key->client.ip, key->ports, key->protocol) :
		halo_bucket6(ft, &key->client.in6, key->ports, key->protocol);
}

struct halo_flow *halo_flow_find(const struct halo_flows *ft,
				 const struct halo_key *key)
{
	return key->family == NFPROTO_IPV4 ?
		halo_flow_find4(ft, key->client.ip, key->ports, key->protocol) :
		halo_flow_find6(ft, &key->client.in6, key->ports,
				key->protocol);
}

struct halo_flow *halo_flow_new(const struct halo_key *key)
{
	struct halo_flow *f = kzalloc(sizeof(*f), GFP_ATOMIC | __GFP_NOWARN);

	if (!f)
		return NULL;
	f->key = *key;
	f->touched = (u32)jiffies;
	return f;
}

void halo_flow_free(struct halo_flow *f)
{
	kfree(f);
}

u32 halo_flow_idle(const struct halo_flow *f)
{
	return (u32)jiffies - READ_ONCE(f->touched);
}

/* Any that yields before any that works, the idlest of them. */
static bool is_rather(const struct halo_flow *a, const struct halo_flow *b)
{
	bool yields = rules[READ_ONCE(a->state)].yields;

	if (!b || yields != rules[READ_ONCE(b->state)].yields)
		return !b || yields;
	return halo_flow_idle(a) > halo_flow_idle(b);
}

static struct halo_flow *victim(struct halo_flows *ft, u32 from)
{
	u32 mask = halo_n_buckets(ft) - 1, i;
	struct halo_flow *f, *found = NULL;

	for (i = 0; i < min(mask, found ? NEIGHBOURS : NEIGHBOURS_MAX); i++)
		hlist_for_each_entry_rcu(f, &ft->buckets[(from + i) & mask],
					 chain)
			if (is_rather(f, found))
				found = f;
	return found;
}

/* True: somebody gave way; false: nobody was near. */
static bool make_room(struct halo_flows *ft, u32 from)
{
	struct halo_flow *f = victim(ft, from);

	return f && halo_flow_remove(ft, f);
}

struct halo_flow *halo_flow_insert(struct halo_flows *ft, struct halo_flow *f,
				   bool *evicted)
{
	bool full = atomic_read(&ft->count) >= READ_ONCE(ft->max);
	struct halo_flow *there;

	f->bucket = bucket_of(ft, &f->key);
	*evicted = full && make_room(ft, f->bucket);
	if (full && !*evicted) {
		halo_flow_free(f);
		return NULL;
	}
	spin_lock_bh(lock_of(ft, f->bucket));
	there = halo_flow_find(ft, &f->key);
	if (!there) {
		hlist_add_head_rcu(&f->chain, &ft->buckets[f->bucket]);
		atomic_inc(&ft->count);
	}
	spin_unlock_bh(lock_of(ft, f->bucket));
	if (!there)
		return f;
	halo_flow_free(f);
	return there;
}

bool halo_flow_remove(struct halo_flows *ft, struct halo_flow *f)
{
	bool removed;

	spin_lock_bh(lock_of(ft, f->bucket));
	removed = unlink(ft, f);
	spin_unlock_bh(lock_of(ft, f->bucket));
	return removed;
}

bool halo_flow_replace(struct halo_flows *ft, struct halo_flow *f,
		       struct halo_flow *by)
{
	bool removed;

	by->bucket = f->bucket;
	spin_lock_bh(lock_of(ft, f->bucket));
	removed = unlink(ft, f);
	if (removed) {
		hlist_add_head_rcu(&by->chain, &ft->buckets[by->bucket]);
		atomic_inc(&ft->count);
	}
	spin_unlock_bh(lock_of(ft, f->bucket));
	return removed;
}

/* Sequence numbers wrap (RFC 9293, section 3.4). */
static bool is_before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

static void observe(struct halo_sent *sent, const struct halo_packet *p)
{
	u32 end = p->seq + p->len;

	if (!sent->has_end || is_before(sent->end, end))
		WRITE_ONCE(sent->end, end);
	sent->has_end = true;
	if (!(p->flags & HALO_ACK))
		return;
	if (!sent->has_ack || is_before(sent->ack, p->ack))
		WRITE_ONCE(sent->ack, p->ack);
	sent->has_ack = true;
}

void halo_flow_open(struct halo_flow *f, const struct halo_packet *syn)
{
	memset(f->sent, 0, sizeof(f->sent));
	f->was_reset = false;
	/* Data on a SYN (RFC 7413) may be refused: not counted. */
	f->sent[HALO_CLIENT].end = syn->seq + 1;
	f->sent[HALO_CLIENT].has_end = true;
}

static void node_syn(struct halo_flow *f, const struct halo_packet *p)
{
	const struct halo_sent *client = &f->sent[HALO_CLIENT];

	if (f->state != HALO_FLOW_SYN_SENT || !(p->flags & HALO_ACK) ||
	    is_before(p->ack, client->end))
		return;
	observe(&f->sent[HALO_NODE], p);
	WRITE_ONCE(f->state, HALO_FLOW_SYN_RECEIVED);
}

static void syn(struct halo_flow *f, enum halo_end from,
		const struct halo_packet *p)
{
	if (from == HALO_NODE)
		node_syn(f, p);
	else if (f->state == HALO_FLOW_SYN_SENT)
		halo_flow_open(f, p);
}

/* Only a reset that its receiver would obey closes the flow (RFC 5961, section
 * 3.2): a forged one must not shorten its life.
 */
static bool reset_is_exact(const struct halo_flow *f, enum halo_end from,
			   const struct halo_packet *p)
{
	const struct halo_sent *own = &f->sent[from], *peer = &f->sent[!from];

	if (f->state == HALO_FLOW_SYN_SENT && from == HALO_NODE)
		return p->flags & HALO_ACK && p->ack == peer->end;
	if (!own->has_end && !peer->has_ack)
		return true;
	return (own->has_end && p->seq == own->end) ||
	       (peer->has_ack && p->seq == peer->ack);
}

bool halo_flow_refuses(const struct halo_flow *f, const struct halo_packet *p)
{
	return READ_ONCE(f->state) == HALO_FLOW_SYN_SENT &&
	       p->flags & HALO_RST && reset_is_exact(f, HALO_NODE, p);
}

static void close(struct halo_flow *f)
{
	f->was_reset = true;
	WRITE_ONCE(f->state, HALO_FLOW_CLOSING);
}

void halo_flow_refused(struct halo_flows *ft, struct halo_flow *f)
{
	spin_lock_bh(lock_of(ft, f->bucket));
	if (f->state == HALO_FLOW_SYN_SENT)
		close(f);
	spin_unlock_bh(lock_of(ft, f->bucket));
}

/* Whoever knows the node's sequence number has received its SYN/ACK. */
static bool completes_handshake(const struct halo_flow *f,
				const struct halo_packet *p)
{
	const struct halo_sent *node = &f->sent[HALO_NODE];

	return p->flags & HALO_ACK && node->has_end && p->ack == node->end;
}

static void segment(struct halo_flow *f, enum halo_end from,
		    const struct halo_packet *p)
{
	/* A challenge ACK: of an older connection of the same ports. */
	if (f->state == HALO_FLOW_SYN_SENT)
		return;
	if (f->state == HALO_FLOW_SYN_RECEIVED && from == HALO_CLIENT) {
		if (!completes_handshake(f, p))
			return;
		observe(&f->sent[from], p);
		WRITE_ONCE(f->state, HALO_FLOW_ESTABLISHED);
	}
	observe(&f->sent[from], p);
	if (p->flags & HALO_FIN)
		WRITE_ONCE(f->state, HALO_FLOW_CLOSING);
}

void halo_flow_track(struct halo_flows *ft, struct halo_flow *f,
		     enum halo_end from, const struct halo_packet *p)
{
	spin_lock_bh(lock_of(ft, f->bucket));
	if (p->flags & HALO_RST) {
		if (reset_is_exact(f, from, p))
			close(f);
	} else if (p->flags & HALO_SYN) {
		syn(f, from, p);
	} else {
		segment(f, from, p);
	}
	spin_unlock_bh(lock_of(ft, f->bucket));
}

unsigned int halo_flow_expected(const struct halo_flow *f, enum halo_end to,
				u32 seq[2])
{
	const struct halo_sent *peer = &f->sent[!to], *own = &f->sent[to];
	unsigned int n = 0;

	if (peer->has_end)
		seq[n++] = READ_ONCE(peer->end);
	if (own->has_ack && (!n || seq[0] != READ_ONCE(own->ack)))
		seq[n++] = READ_ONCE(own->ack);
	return n;
}

static void expire_bucket(struct halo_flows *ft, u32 i)
{
	struct halo_flow *f;

	rcu_read_lock();
	hlist_for_each_entry_rcu(f, &ft->buckets[i], chain)
		if (halo_flow_idle(f) >= rules[READ_ONCE(f->state)].timeout)
			halo_flow_remove(ft, f);
	rcu_read_unlock();
}

bool halo_flows_expire(struct halo_flows *ft)
{
	u32 mask = halo_n_buckets(ft) - 1;
	u32 n = max_t(u32, (mask + 1) / EXPIRY_PARTS, EXPIRY_MIN);

	for (; n--; ft->expiry_at++) {
		if (hlist_empty(&ft->buckets[ft->expiry_at & mask]))
			continue;
		expire_bucket(ft, ft->expiry_at & mask);
		cond_resched();
	}
	return atomic_read(&ft->count);
}
