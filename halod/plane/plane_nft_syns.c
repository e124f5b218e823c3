// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_syns.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/clock.h"
#include "io/nflog.h"
#include "packet/parse.h"
#include "packet/rewrite.h"

#define SYNS_MAX  32768 /* 1.6 s at 20,000 connections a second */
#define INDEX_LEN (2 * SYNS_MAX)
#define DRAIN_MAX SYNS_MAX
/* After that a client has tried again by itself (RFC 6298, 2.1). */
#define YOUNG_NS NS_PER_S

/* SYNs are numbered. Number n has slot n % SYNS_MAX, here and in the journal,
 * until n + SYNS_MAX takes it. */
struct index {
	uint32_t newest[INDEX_LEN]; /* of all with the same hash … */
	uint32_t older[SYNS_MAX];   /* … and the next one */
};

struct plane_nft_syns {
	pthread_mutex_t lock; /* of all below */
	struct nflog *log;    /* NULL: this kernel has none */
	struct journal *journal;
	uint32_t next; /* number */
	struct index by_key, by_seq;
	uint32_t owner[SYNS_MAX];
	uint64_t taken_ns[SYNS_MAX];

	struct {
		_Atomic uint64_t taken, lost;
	} count;
};

/* A kernel without NFLOG: nothing is ever found. */
static int open_log(struct plane_nft_syns *s, uint16_t group)
{
	int err = getenv("HALO_FORCE_NO_NFLOG")
			  ? -EOPNOTSUPP
			  : nflog_new(&s->log, group, JOURNAL_SYN_MAX);

	return err == -EBUSY || err == -EPERM || err == -ENOMEM ? err : 0;
}

int plane_nft_syns_new(struct plane_nft_syns **out, uint16_t group)
{
	struct plane_nft_syns *s = calloc(1, sizeof(*s));
	int err = -ENOMEM;

	if (!s)
		return err;
	s->journal = journal_new(SYNS_MAX);
	if (!s->journal)
		goto err_free;
	s->next = 2 * SYNS_MAX; /* 0, which is everywhere, is gone */
	err = open_log(s, group);
	if (err)
		goto err_journal;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return 0;

err_journal:
	journal_free(s->journal);
err_free:
	free(s);
	return err;
}

void plane_nft_syns_free(struct plane_nft_syns *s)
{
	if (!s)
		return;
	nflog_free(s->log);
	journal_free(s->journal);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

bool plane_nft_syns_is_fed(const struct plane_nft_syns *s)
{
	return s->log;
}

int plane_nft_syns_fd(const struct plane_nft_syns *s)
{
	return s->log ? nflog_poll_fd(s->log) : -1;
}

static uint32_t owner_of(const struct flow_key *key)
{
	const uint8_t *byte = (const uint8_t *)key;
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < sizeof(*key); i++)
		h = (h ^ byte[i]) * 16777619u;
	h ^= h >> 16;
	return h == JOURNAL_NONE ? 0 : h;
}

static struct flow_key key_of(const struct parsed *syn)
{
	return (struct flow_key){ .client = syn->src,
				  .protocol = syn->protocol,
				  .client_port = syn->src_port,
				  .door_port = syn->dst_port };
}

/* The slot's former SYN makes room; was it needed yet? */
static void note_time(struct plane_nft_syns *s, uint32_t slot, uint64_t now_ns)
{
	if (s->taken_ns[slot] && now_ns - s->taken_ns[slot] < YOUNG_NS)
		s->count.lost++;
	s->taken_ns[slot] = now_ns;
	s->count.taken++;
}

static void index_add(struct index *in, uint32_t hash, uint32_t number)
{
	uint32_t *newest = &in->newest[hash % INDEX_LEN];

	in->older[number % SYNS_MAX] = *newest;
	*newest = number;
}

static void take_syn(struct plane_nft_syns *s, const struct parsed *p,
		     const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct flow_key key = key_of(p);
	uint32_t owner = owner_of(&key);
	uint32_t slot = journal_put(s->journal, owner, data, len, true);

	if (slot == JOURNAL_NONE) {
		s->count.lost++;
		return;
	}
	s->owner[slot] = owner;
	index_add(&s->by_key, owner, s->next);
	index_add(&s->by_seq, p->seq, s->next);
	s->next++;
	note_time(s, slot, now_ns);
}

struct taking {
	struct plane_nft_syns *syns;
	uint64_t now_ns;
};

static void take(void *arg, const uint8_t *data, size_t len)
{
	struct taking *t = arg;
	struct parsed p;

	if (!parse_packet(data, len, &p) && p.protocol == IPPROTO_TCP &&
	    parsed_is_syn(&p))
		take_syn(t->syns, &p, data, len, t->now_ns);
}

void plane_nft_syns_drain(struct plane_nft_syns *s)
{
	struct taking t = { s, clock_monotonic_ns() };

	if (!s->log)
		return;
	pthread_mutex_lock(&s->lock);
	nflog_receive(s->log, DRAIN_MAX, take, &t);
	pthread_mutex_unlock(&s->lock);
}

/* Copies of packets of this host, or of one that is connected by veth, come
 * without a checksum. */
static size_t copy_syn(const struct journal_syn *syn,
		       const struct flow_key *key, uint8_t *out)
{
	struct flow_key found;
	struct parsed p;

	memcpy(out, syn->data, syn->len);
	if (parse_packet(out, syn->len, &p))
		return 0;
	found = key_of(&p);
	if (memcmp(&found, key, sizeof(*key)))
		return 0;
	rewrite_complete(out, &p);
	return syn->len;
}

/* A walk over those of the same hash, the newest first. What is behind one that
 * is gone is gone as well. */
struct walk {
	const struct plane_nft_syns *syns;
	const struct index *index;
	uint32_t number, age;
};

static struct walk walk_from(const struct plane_nft_syns *s,
			     const struct index *in, uint32_t hash)
{
	return (struct walk){ .syns = s,
			      .index = in,
			      .number = in->newest[hash % INDEX_LEN] };
}

static const struct journal_syn *walk_on(struct walk *w)
{
	uint32_t slot = w->number % SYNS_MAX, age = w->syns->next - w->number;

	if (age <= w->age || age > SYNS_MAX)
		return NULL;
	w->age = age;
	w->number = w->index->older[slot];
	return journal_get(w->syns->journal, slot, w->syns->owner[slot]);
}

size_t plane_nft_syns_find(struct plane_nft_syns *s, const struct flow_key *key,
			   uint8_t out[JOURNAL_SYN_MAX])
{
	const struct journal_syn *syn;
	size_t len = 0;
	struct walk w;

	pthread_mutex_lock(&s->lock);
	w = walk_from(s, &s->by_key, owner_of(key));
	while (!len && (syn = walk_on(&w)))
		len = copy_syn(syn, key, out);
	pthread_mutex_unlock(&s->lock);
	return len;
}

bool plane_nft_syns_find_seq(struct plane_nft_syns *s, uint32_t seq,
			     struct flow_key *out)
{
	const struct journal_syn *syn;
	bool found = false;
	struct parsed p;
	struct walk w;

	pthread_mutex_lock(&s->lock);
	w = walk_from(s, &s->by_seq, seq);
	while (!found && (syn = walk_on(&w)))
		found = !parse_packet(syn->data, syn->len, &p) && p.seq == seq;
	if (found)
		*out = key_of(&p);
	pthread_mutex_unlock(&s->lock);
	return found;
}

void plane_nft_syns_stats(const struct plane_nft_syns *s,
			  struct plane_nft_syns_stats *out)
{
	*out = (struct plane_nft_syns_stats){
		.taken = s->count.taken,
		.lost = s->count.lost + (s->log ? nflog_lost(s->log) : 0),
	};
}

static bool name_flow(const struct journal_syn *syn,
		      struct conntrack_entry *out)
{
	struct parsed p;

	if (parse_packet(syn->data, syn->len, &p))
		return false;
	*out = (struct conntrack_entry){ .client = { p.src, p.src_port },
					 .door = { p.dst, p.dst_port },
					 .protocol = p.protocol };
	return true;
}

unsigned plane_nft_syns_newest(struct plane_nft_syns *s,
			       struct conntrack_entry *out, unsigned max)
{
	const struct journal_syn *syn;
	unsigned count = 0;

	pthread_mutex_lock(&s->lock);
	while (count < max && (syn = journal_newest(s->journal, count)) &&
	       name_flow(syn, &out[count]))
		count++;
	pthread_mutex_unlock(&s->lock);
	return count;
}
