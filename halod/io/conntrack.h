/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's connection tracking by netlink: listing, marking and deleting
 * entries. It sends nobody anything.
 */
#ifndef HALO_IO_CONNTRACK_H
#define HALO_IO_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

enum conntrack_state {
	CONNTRACK_OTHER,       /* not TCP */
	CONNTRACK_SYN_SENT,    /* nobody has answered */
	CONNTRACK_SYN_RECV,    /* the client has not answered the answer */
	CONNTRACK_ESTABLISHED, /* up to the last FIN's acknowledgement */
	CONNTRACK_CLOSED,
};

struct conntrack_entry {
	struct endpoint client, door; /* as the client wrote them */
	struct endpoint node;	      /* who answers, to whom */
	struct endpoint peer;
	uint8_t protocol;
	uint8_t state; /* enum conntrack_state */
	bool answered, assured;
	uint32_t mark;
	uint32_t id;
	uint32_t timeout_s;
};

/* 0: this kernel's conntrack can be asked by netlink; else -errno. */
int conntrack_probe(void);

/* Entries with (mark & mask) == value; mask 0: all. */
struct conntrack_mark {
	uint32_t value, mask;
	bool assured; /* those of established flows alone; for a listing */
};

/* A thread's own way to the kernel; it stays open, see nfnl_dump_on(). */
struct conntrack;

int conntrack_open(struct conntrack **out);
void conntrack_close(struct conntrack *ct);

/* false: enough. Borrowed for the call; may delete. */
typedef bool (*conntrack_fn)(void *arg, const struct conntrack_entry *e);
/* 0 or -errno. Blocks: about 1 µs an entry there is, and 30 ns an empty bucket.
 */
int conntrack_list(struct conntrack *ct, const struct conntrack_mark *m,
		   conntrack_fn fn, void *arg);

/* Those of the flows that are there, by client, door and protocol of each (the
 * rest is zero): 5 µs a flow. All are handed to fn, which must not delete. 0 or
 * -errno. */
int conntrack_find(struct conntrack *ct, const struct conntrack_entry *wanted,
		   unsigned count, conntrack_fn fn, void *arg);

/* All at once; entries that are not confirmed yet are missed. */
int conntrack_delete_marked(struct conntrack *ct,
			    const struct conntrack_mark *m);
/* Of each, the bits of mask become those of its entry's mark. Entries that are
 * gone meanwhile are fine. */
int conntrack_change_marks(struct conntrack *ct,
			   const struct conntrack_entry *entries,
			   unsigned count, uint32_t mask);
/* These alone; those that are gone meanwhile are fine, and true in gone[count],
 * which may be NULL. */
int conntrack_delete(struct conntrack *ct,
		     const struct conntrack_entry *entries, unsigned count,
		     bool *gone);

/* How full it is, and what that has cost since the machine was started. */
struct conntrack_room {
	uint32_t entries, max;
	uint64_t dropped; /* packets of new connections */
	uint64_t evicted; /* half-open connections that gave way to others */
};
/* Of this network namespace. -errno: this kernel does not say. */
int conntrack_room(struct conntrack_room *out);
bool conntrack_is_full(const struct conntrack_room *room, unsigned percent);

#endif
