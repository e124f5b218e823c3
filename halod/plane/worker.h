/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thread with one queue and one engine: packets in, verdicts out. The main
 * thread talks to it by calls that run between two batches of packets; it
 * answers by events. It shares no other state with anybody.
 */
#ifndef HALO_PLANE_WORKER_H
#define HALO_PLANE_WORKER_H

#include <stdint.h>

#include "io/nfq.h"
#include "packet/engine.h"
#include "plane/event_queue.h"
#include "plane/known_nodes.h"

struct worker;

struct worker_conf {
	const struct engine_conf *engine;
	const struct route_set *relearn;
	uint16_t queue;
	unsigned queue_len;
	bool realtime;
	uint32_t mark; /* of the packets it makes */
};

/* Binds the queue and starts the thread. Where there are flows to relearn, it
 * does so for five minutes, and packets wait in the kernel until the worker has
 * its first table: without one the only answers are resets. events: borrowed.
 * -EBUSY: the queue number is taken. */
int worker_new(struct worker **out, const struct worker_conf *conf,
	       struct event_queue *events);
/* Ends the thread; packets that are still held are dropped. -ETIMEDOUT: it is
 * stuck, so w stays, and what w borrowed must stay, too. */
int worker_free(struct worker *w);

/* Runs fn on the worker's thread, verdicts it caused included. One at a time:
 * each worker_post() is followed by a worker_wait(), within five seconds of
 * which the call has been made. Else it is withdrawn, now and from then on
 * -ETIMEDOUT: the worker is stuck, with the table that it had; the events' fd
 * gets readable. */
typedef void (*worker_fn)(struct worker *w, uint64_t now_ns, void *arg);
void worker_post(struct worker *w, worker_fn fn, void *arg);
int worker_wait(struct worker *w);
bool worker_is_stuck(const struct worker *w);

/* To be called inside a worker_fn: */
struct engine *worker_engine(struct worker *w);
/* nodes: who is known to the kernel, copied. Whose mark it does not know the
 * worker rewrites itself. */
void worker_set_table(struct worker *w, struct table *t,
		      const struct known_nodes *nodes);
/* Flows of doors that are gone end in slices between batches. */
void worker_set_doors(struct worker *w, const struct engine_conf *doors,
		      uint64_t now_ns);
/* Goes on in slices between batches. */
void worker_end_flows(struct worker *w, uint32_t tag,
		      const struct route_set *routes, bool forced,
		      uint64_t now_ns);
struct nfq_stats worker_nfq_stats(struct worker *w);

/* How many worker_end_flows() have been finished, of all there ever were; and
 * how many clients have been reset meanwhile. From any thread. */
uint64_t worker_ends_done(struct worker *w);
uint64_t worker_resets(struct worker *w);

#endif
