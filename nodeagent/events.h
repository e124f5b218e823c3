/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local socket on which servers of the node hear what happens, a line an
 * event, and may answer {"done":ID}. It does not know what the lines mean.
 */
#ifndef HALO_NODEAGENT_EVENTS_H
#define HALO_NODEAGENT_EVENTS_H

#include <ev.h>
#include <stdbool.h>

#define EVENTS_CLIENTS_MAX 32
#define EVENTS_LINE_MAX	   256 /* of a client */
#define EVENTS_KEPT_MAX	   4
#define EVENTS_PASSING	   (-1) /* as kept: to those alone who are there */
#define EVENTS_QUEUE_MAX   (1024 * 1024) /* a client that does not read */

struct events;

/* A line of a client, without its end. */
typedef void (*events_fn)(void *arg, const char *line);

/* Socket 0660; a stale one is replaced, a live one is -EADDRINUSE. -errno with
 * a line for the operator in err. */
int events_open(struct events **out, struct ev_loop *loop, const char *path,
		events_fn fn, void *arg, char *err, unsigned err_size);
/* To all. kept, below EVENTS_KEPT_MAX: also to those who come later, until the
 * next line with that number. */
void events_publish(struct events *e, const char *line, int kept);
unsigned events_clients(const struct events *e);
void events_free(struct events *e); /* unlinks it */

#endif
