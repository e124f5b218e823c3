/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What workers have to tell the main thread: a bounded queue behind a file
 * descriptor. Not for packets or anything that must not be lost: when it is
 * full, the new event is.
 */
#ifndef HALO_PLANE_EVENT_QUEUE_H
#define HALO_PLANE_EVENT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#include "plane/plane.h"

#define EVENTS_MAX 1024

struct event_queue {
	pthread_mutex_t lock;
	int fd;
	unsigned head, count;
	struct plane_event events[EVENTS_MAX];
};

int event_queue_init(struct event_queue *q);
void event_queue_fini(struct event_queue *q);

/* Any thread; wakes the reader. */
void event_queue_push(struct event_queue *q, const struct plane_event *ev);
/* Makes fd readable without an event. */
void event_queue_wake(struct event_queue *q);

/* The reader: fd is quiet until the next push or wake. */
void event_queue_quiet(struct event_queue *q);
bool event_queue_pop(struct event_queue *q, struct plane_event *out);

#endif
