/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * halo.ko as a program speaks to it: the messages of kmod/uapi/halo.h, to and
 * from the types of table/ and packet/. It decides nothing and starts no
 * thread; each handle belongs to one thread.
 */
#ifndef HALO_IO_KMOD_H
#define HALO_IO_KMOD_H

#include <stdbool.h>
#include <stdint.h>

#include "packet/engine.h"
#include "table/diff.h"
#include "table/table.h"

struct kmod;

/* The module of this network namespace. -ENOENT: it is not loaded;
 * -EPROTONOSUPPORT: one of another version; err is then a line for the
 * operator. */
int kmod_open(struct kmod **out, char *err, unsigned err_size);
void kmod_close(struct kmod *k);
/* Its netlink port: what it changes is told to others as this one's. */
uint32_t kmod_port(const struct kmod *k);
/* What the kernel said to the last refusal, "" if nothing. */
const char *kmod_why(const struct kmod *k);

struct kmod_info {
	char version[32];
	uint64_t features; /* HALO_FEATURE_* */
	uint32_t flows_limit;
};
int kmod_info(struct kmod *k, struct kmod_info *out);

/* The whole table, in one atomic step or not at all. */
int kmod_replace(struct kmod *k, const struct engine_conf *conf,
		 const struct table *t);
/* What differs. -ESTALE: the kernel has another version than d->from. */
int kmod_change(struct kmod *k, const struct table_diff *d);
/* The kernel's table, the caller's reference. -ENOENT: there is none, or it is
 * of other routes, addresses or services than conf. */
int kmod_read(struct kmod *k, const struct engine_conf *conf,
	      struct table **out);
/* No table, no flow, no hook. */
int kmod_flush(struct kmod *k);

/* Somebody reads that queue for the next alive_ms, held packets and refusals;
 * 0: nobody. */
int kmod_attend(struct kmod *k, uint16_t queue, unsigned alive_ms);
int kmod_hold(struct kmod *k, const struct route_set *routes);
int kmod_release(struct kmod *k, const struct route_set *routes);

/* In the background; KMOD_FLOWS_ENDED tells. count 0: all routes. */
int kmod_end_flows(struct kmod *k, uint32_t tag, const struct route_set *routes,
		   bool forced);
/* At most max; returns how many, or -errno. */
int kmod_flows(struct kmod *k, const struct flow_query *q,
	       struct flow_view *out, unsigned max);
int kmod_stats(struct kmod *k, struct engine_stats *out);

enum kmod_event_type {
	KMOD_FLOWS_ENDED, /* tag, count */
	KMOD_REFUSED,	  /* tag, route */
	KMOD_CHANGED,	  /* port: who changed the table */
};

struct kmod_event {
	enum kmod_event_type type;
	uint32_t tag, port;
	uint16_t route;
	uint64_t count;
};

struct kmod_events;

int kmod_events_open(struct kmod_events **out);
void kmod_events_close(struct kmod_events *e);
int kmod_events_fd(const struct kmod_events *e);
/* The next: 0; -EAGAIN: none; -ENOBUFS: some were lost. Never blocks. */
int kmod_events_next(struct kmod_events *e, struct kmod_event *out);

#endif
