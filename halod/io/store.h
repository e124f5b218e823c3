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
	uint64_t seq;	  /* 1.., ascending; the caller goes on from last_seq */
	uint64_t time_ms; /* CLOCK_REALTIME since the epoch */
	struct note note; /* routes own memory only in store_history() */
	/* of a move: from the decision until the plane had the table, and until
	 * the first packet reached the new node; 0: not known */
	uint64_t applied_us, first_us;
};

#define STORE_QUEUE_MAX	  4096	      /* events that wait for the disk … */
#define STORE_QUEUE_BYTES (16u << 20) /* … and what they take */
#define STORE_HISTORY_MAX 100000      /* events kept on disk */

/* Creates or opens; checks integrity and schema. With a line for the operator
 * in err: -EACCES, -EROFS, -ENOENT, -ENOSPC (not writable), -EBUSY (locked),
 * -EUCLEAN (corrupt or no database), -EPROTO (a newer schema), -ENOMEM, -EIO.
 * The caller may go on without a store (degraded). */
int store_open(struct store **out, const char *path, char *err,
	       unsigned err_size);
/* For a database that could not be opened: the thread goes on trying, as it does
 * with one that cannot be written; store_health() says why. What is put
 * meanwhile is kept within the bounds and written then; events get numbers
 * after those on disk. 0 or -errno. */
int store_open_later(struct store **out, const char *path, const char *why);
/* What was on disk when it was opened or is by now: call it before the first
 * store_save(). -ENOENT when nothing was saved, -EUCLEAN when it cannot be
 * right. cluster_saved_fini() it. */
int store_load(struct store *s, struct cluster_saved *out);
/* Of the last event put or, before the first, on disk; 0: none. Numbers of
 * events that a crash kept from the disk are given again. */
uint64_t store_last_seq(struct store *s);

/* Queue for writing; never block, never touch the disk here. A state that is
 * still queued is replaced by a newer one; events are kept in order, bounded
 * (the oldest unwritten give way, counted). take_: what the struct owns moves,
 * the struct itself stays the caller's. State and events that wait together
 * are written in one transaction. */
void store_save(struct store *s, struct cluster_saved *take_state);
void store_event(struct store *s, const struct store_event *event);

/* What became known of an event later: the first packet reached the new node.
 * Queued like an event. */
void store_first_packet(struct store *s, uint64_t seq, uint64_t first_us);

/* 0 healthy; else -errno of the last failed write and its text: degraded. The
 * thread goes on trying. *lost counts events that were not kept. */
int store_health(struct store *s, char *text, unsigned size, uint64_t *lost);

/* History, newest last: events with seq > since, of node (NULL: any; as node,
 * from or to), time_ms >= from_ms; of more than max the oldest max, so that one
 * can go on from the last. What still waits for the disk is not in it. Own read
 * connection; may block on disk: call from control requests only. Returns count
 * or -errno; free() *out, one block.
 */
int store_history(struct store *s, uint64_t since, const char *node,
		  uint64_t from_ms, unsigned max, struct store_event **out);

/* The last event on disk that gave the route to a node or to nobody: 1 and one
 * event, 0, or -errno. As store_history(); looks through a bounded part of what
 * happened, the newest first. */
int store_last_move(struct store *s, uint16_t route, struct store_event **out);

/* Writes all that is queued (waits at most 2 s), then ends the thread. NULL is
 * fine: a daemon that runs without a store. */
void store_close(struct store *s);

#endif
