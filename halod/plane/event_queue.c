// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/event_queue.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int event_queue_init(struct event_queue *q)
{
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->fd < 0)
		return -errno;
	pthread_mutex_init(&q->lock, NULL);
	q->head = 0;
	q->count = 0;
	return 0;
}

void event_queue_fini(struct event_queue *q)
{
	pthread_mutex_destroy(&q->lock);
	close(q->fd);
}

void event_queue_push(struct event_queue *q, const struct plane_event *ev)
{
	pthread_mutex_lock(&q->lock);
	if (q->count < EVENTS_MAX)
		q->events[(q->head + q->count++) % EVENTS_MAX] = *ev;
	pthread_mutex_unlock(&q->lock);
	event_queue_wake(q);
}

void event_queue_wake(struct event_queue *q)
{
	eventfd_write(q->fd, 1); /* fails only when it is readable anyway */
}

void event_queue_quiet(struct event_queue *q)
{
	eventfd_t ignored;

	eventfd_read(q->fd, &ignored);
}

bool event_queue_pop(struct event_queue *q, struct plane_event *out)
{
	bool got;

	pthread_mutex_lock(&q->lock);
	got = q->count > 0;
	if (got) {
		*out = q->events[q->head];
		q->head = (q->head + 1) % EVENTS_MAX;
		q->count--;
	}
	pthread_mutex_unlock(&q->lock);
	return got;
}
