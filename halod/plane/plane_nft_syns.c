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
	struct nflog *log;
	struct journal *journal;
	uint32_t slot_of[INDEX_LEN]; /* by the key's hash; the newest wins */
};

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
	err = nflog_new(&s->log, group, JOURNAL_SYN_MAX);
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

int plane_nft_syns_fd(const struct plane_nft_syns *s)
{
	return nflog_poll_fd(s->log);
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

static bool parse_syn(const uint8_t *data, size_t len, struct parsed *p,
		      struct flow_key *key)
{
	if (parse_packet(data, len, p) || p->protocol != IPPROTO_TCP ||
	    !parsed_is_syn(p))
		return false;
	*key = (struct flow_key){ .client = p->src,
				  .protocol = p->protocol,
				  .client_port = p->src_port,
				  .door_port = p->dst_port };
	return true;
}

static void take(void *arg, const uint8_t *data, size_t len)
{
	struct plane_nft_syns *s = arg;
	struct flow_key key;
	struct parsed p;
	uint32_t owner;

	if (!parse_syn(data, len, &p, &key))
		return;
	owner = owner_of(&key);
	s->slot_of[owner % INDEX_LEN] =
		journal_put(s->journal, owner, data, len, true);
}

void plane_nft_syns_drain(struct plane_nft_syns *s)
{
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
	if (!parse_syn(out, syn->len, &p, &found) ||
	    memcmp(&found, key, sizeof(*key)))
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
