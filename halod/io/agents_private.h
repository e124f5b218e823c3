/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What agents.c, agents_peer.c (one connection) and agents_door.c (who may
 * connect) share. For nobody else: agents.h is the interface.
 */
#ifndef HALO_IO_AGENTS_PRIVATE_H
#define HALO_IO_AGENTS_PRIVATE_H

#include <poll.h>

#include "io/agents.h"
#include "io/claims.h"
#include "io/keys.h"
#include "io/log_limit.h"
#include "io/pending.h"
#include "io/stream.h"
#include "wire/assembler.h"

/* Per round of the loop, so that beats never wait for strangers: a handshake
 * costs 0.1 ms. */
#define ACCEPTS_PER_ROUND    64
#define HANDSHAKES_PER_ROUND 32

#define SLOT_BITS     16 /* of a link; the rest is a serial number */
#define SLOT_OF(link) ((unsigned)((link) & ((1u << SLOT_BITS) - 1)))

enum stage {
	PEER_PENDING, /* has not said HELLO, or not proved who it is */
	PEER_LIVE,    /* handed up */
	PEER_ENDING,  /* what was sent goes out, input is discarded */
	PEER_DEAD,    /* until the end of the round */
};

struct peer {
	struct agents *owner;
	uint64_t link;
	enum stage stage;
	bool counted; /* its handshake */
	bool tell;    /* closed() is due … */
	bool revoked; /* … or revoked() */
	bool in_reap;
	char why[96];
	struct endpoint from;
	struct stream stream;
	struct assembler assembler;
	ev_io io;
	struct pending_entry pending;
	struct pending *crowd; /* that of the agents it is pending in */
	uint64_t ending_until_ns;
	struct peer *prev, *next; /* of those ending */
	struct peer *reap_next;
};

struct agents {
	struct ev_loop *loop;
	struct agents_handler handler;
	struct claims *claims;
	struct tls *tls; /* NULL: auth = none */
	struct keys *keys;
	int fd;
	ev_io listener;
	ev_timer sweep;
	ev_prepare round;
	unsigned handshakes_left; /* in this round */
	struct peer **peers;	  /* by the low bits of their link */
	unsigned peers_max, live_max, pending_max;
	unsigned peers_top; /* no slot from here on was ever used */
	unsigned *free_slots, n_free;
	uint64_t next_serial;
	struct pending *strangers, *neighbours; /* in node-networks */
	struct peer *ending, *reap;
	struct pollfd *poll_set; /* room for peers_max */
	struct log_limit log_limit;
	struct agents_stats stats;
};

static inline void agents_need_sweep(struct agents *a)
{
	if (!ev_is_active(&a->sweep))
		ev_timer_again(a->loop, &a->sweep);
}

static inline unsigned agents_pending(const struct agents *a)
{
	return pending_count(a->strangers) + pending_count(a->neighbours);
}

static inline struct peer *agents_peer_of(struct pending_entry *e)
{
	return (struct peer *)((char *)e - offsetof(struct peer, pending));
}

/* agents.c: a refusal, in the log; its lines are limited. */
void agents_log_refusal(struct agents *a, const struct endpoint *from,
			const char *why);

/* agents_door.c: 0 or -errno */
int agents_door_open(struct agents *a, const struct endpoint *at);
void agents_door_close(struct agents *a);

/* agents_peer.c. fd is taken on success: 0 or -ENOMEM. */
int agents_peer_new(struct agents *a, int fd, const struct endpoint *from);
/* One read, its frames handed up. */
void agents_peer_receive(struct peer *p);
void agents_peer_send(struct peer *p, const struct message *m);
/* Told why, where it can be, and ended. */
void agents_peer_refuse(struct peer *p, enum error_code code, const char *why);
/* What was sent goes out first; tell: closed() is called at the round's end. */
void agents_peer_end(struct peer *p, const char *why, bool tell);
/* At once; memory and descriptor stay until the round ends, since callers may
 * stand on it. */
void agents_peer_kill(struct peer *p, const char *why);
/* Between rounds: telling nobody. */
void agents_peer_free(struct peer *p);

#endif
