// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_syns.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io/nflog.h"
#include "packet/parse.h"
#include "packet/rewrite.h"

#define SYNS_MAX  16384 /* 0.8 s at 20,000 connections a second */
#define INDEX_LEN (4 * SYNS_MAX)
#define DRAIN_MAX SYNS_MAX

struct plane_nft_syns {
	pthread_mutex_t lock; /* of all below */
	struct nflog *log;    /* NULL: this kernel has none */
	struct journal *journal;
	uint32_t slot_of[INDEX_LEN]; /* by the key's hash; the newest wins */
	struct {
		uint32_t slot, owner;
	} by_seq[INDEX_LEN]; /* by the sequence number; the same */
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
	memset(s->slot_of, 0xff, sizeof(s->slot_of)); /* JOURNAL_NONE */
	memset(s->by_seq, 0xff, sizeof(s->by_seq));
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

static void take_syn(struct plane_nft_syns *s, const struct parsed *p,
		     const uint8_t *data, size_t len)
{
	struct flow_key key = key_of(p);
	uint32_t owner = owner_of(&key);

	uint32_t slot = journal_put(s->journal, owner, data, len, true);

	s->slot_of[owner % INDEX_LEN] = slot;
	s->by_seq[p->seq % INDEX_LEN].slot = slot;
	s->by_seq[p->seq % INDEX_LEN].owner = owner;
}

static void take(void *arg, const uint8_t *data, size_t len)
{
	struct plane_nft_syns *s = arg;
	struct parsed p;

	if (!parse_packet(data, len, &p) && p.protocol == IPPROTO_TCP &&
	    parsed_is_syn(&p))
		take_syn(s, &p, data, len);
}

void plane_nft_syns_drain(struct plane_nft_syns *s)
{
	if (!s->log)
		return;
	pthread_mutex_lock(&s->lock);
	nflog_receive(s->log, DRAIN_MAX, take, s);
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

size_t plane_nft_syns_find(struct plane_nft_syns *s, const struct flow_key *key,
			   uint8_t out[JOURNAL_SYN_MAX])
{
	const struct journal_syn *syn;
	uint32_t owner = owner_of(key);
	size_t len = 0;

	pthread_mutex_lock(&s->lock);
	syn = journal_get(s->journal, s->slot_of[owner % INDEX_LEN], owner);
	if (syn)
		len = copy_syn(syn, key, out);
	pthread_mutex_unlock(&s->lock);
	return len;
}

bool plane_nft_syns_find_seq(struct plane_nft_syns *s, uint32_t seq,
			     struct flow_key *out)
{
	const struct journal_syn *syn;
	struct parsed p;
	bool found;

	pthread_mutex_lock(&s->lock);
	syn = journal_get(s->journal, s->by_seq[seq % INDEX_LEN].slot,
			  s->by_seq[seq % INDEX_LEN].owner);
	found = syn && !parse_packet(syn->data, syn->len, &p) && p.seq == seq;
	if (found)
		*out = key_of(&p);
	pthread_mutex_unlock(&s->lock);
	return found;
}
