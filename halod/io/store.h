/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state on disk (section 8 of the design): SQLite in WAL mode, written by
 * a thread of its own so that failover never waits for the disk. Not a cache:
 * it is read once, at start, and for history.
 */
#ifndef HALO_IO_STORE_H
#define HALO_IO_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/cluster.h"

struct store;

struct store_event {
	uint64_t seq;	  /* 1.., never reused; assigned when put */
	uint64_t time_ms; /* CLOCK_REALTIME since the epoch */
	struct note note; /* routes own memory only in store_history() */
};

/* Creates or opens; checks integrity and schema. -errno with a line for the
 * operator in err: not writable, locked, corrupt, a newer schema. On -EROFS,
 * -EUCLEAN… the caller may go on without a store (degraded). */
int store_open(struct store **out, const char *path, char *err,
	       unsigned err_size);
/* What was saved last; -ENOENT when nothing was. cluster_saved_fini() it. */
int store_load(struct store *s, struct cluster_saved *out);
uint64_t store_last_seq(const struct store *s);

/* Queue for writing; never block, never touch the disk here. A state that is
 * still queued is replaced by a newer one; events are kept in order, bounded
 * (the oldest unwritten give way, counted). take_: ownership moves. */
void store_save(struct store *s, struct cluster_saved *take_state);
void store_event(struct store *s, const struct store_event *event);

/* 0 healthy; else -errno of the last failed write and its text: degraded. The
 * thread goes on trying. *lost counts events that were not kept. */
int store_health(struct store *s, char *text, unsigned size, uint64_t *lost);

/* History, newest last: events with seq > since, of node (NULL: any), time_ms
 * >= from_ms; at most max. Own read connection; may block on disk: call from
 * control requests only. Returns count or -errno; free() *out, one block. */
int store_history(struct store *s, uint64_t since, const char *node,
		  uint64_t from_ms, unsigned max, struct store_event **out);

/* Writes all that is queued (waits at most 2 s), then ends the thread. */
void store_close(struct store *s);

#endif
