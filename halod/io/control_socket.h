/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local socket haloctl talks to: a JSON object a line in, a JSON object a
 * line out, or a stream of them (monitor). It knows no request: it hands
 * parsed objects to a handler. Framing and limits are here, meaning is
 * halod/requests.c's.
 *
 * What is no JSON object, or longer than the limit, is answered by an error
 * object and the connection closed. A client that has nothing to
 * wait for and neither completes a request nor reads its answer for 10 s is
 * closed. A client that closed its sending side is still answered.
 *
 * There may be two: the one of those who act, and a twin for everybody, whose
 * clients have limits of their own and a share of the loop's time, so that
 * whatever they do the other one is served.
 */
#ifndef HALO_IO_CONTROL_SOCKET_H
#define HALO_IO_CONTROL_SOCKET_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>

struct control_socket;
struct control_client;

/* What all clients of a socket together may take. */
struct control_limits {
	unsigned mode;	  /* of the socket's file */
	unsigned clients; /* connected at once; the next is turned away */
	size_t request;	  /* bytes of one request */
	size_t backlog;	  /* bytes a subscriber may leave unread */
	unsigned rest;	  /* after a request this many times its duration */
};

/* The handler answers by control_reply() now or later (drain --wait), once; or
 * turns the client into a subscriber. A client has one request at a time.
 * request is borrowed. */
struct control_handler {
	void (*request)(void *arg, struct control_client *client,
			json_t *request);
	/* the client went away before it was answered, or unsubscribed */
	void (*gone)(void *arg, struct control_client *client);
	void *arg;
	const struct control_limits *limits; /* NULL: control_limits */
};

#define CONTROL_REQUEST_MAX (2 << 20) /* a table of as many nodes as can be */
#define CONTROL_CLIENTS_MAX 64

extern const struct control_limits control_limits;	    /* of who may act */
extern const struct control_limits control_limits_readonly; /* of anybody */

/* A stale socket is replaced, a live one is -EADDRINUSE. Its folder
 * is made when only that is missing. */
int control_socket_open(struct control_socket **out, struct ev_loop *loop,
			const char *path, const struct control_handler *handler,
			char *err, unsigned err_size);
/* Other than 10 s of patience with slow clients. */
void control_socket_set_patience(struct control_socket *s, double seconds);

/* Steals the reference to response. */
void control_reply(struct control_client *client, json_t *response);
/* From now on the client gets what is published; its requests end. */
void control_subscribe(struct control_client *client);
/* One more line to a subscriber alone. Steals the reference. */
void control_send(struct control_client *client, json_t *event);
/* To every subscriber; one that does not read is dropped when
 * its limit waits. Steals the reference to event. */
void control_publish(struct control_socket *s, json_t *event);
void control_socket_free(struct control_socket *s); /* unlinks it */

#endif
