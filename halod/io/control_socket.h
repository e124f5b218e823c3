/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local socket haloctl talks to: a JSON object a line in, a JSON object a
 * line out, or a stream of them (monitor). It knows no request: it hands
 * parsed objects to a handler. Framing and limits are here, meaning is
 * halod/requests.c's.
 */
#ifndef HALO_IO_CONTROL_SOCKET_H
#define HALO_IO_CONTROL_SOCKET_H

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>

struct control_socket;
struct control_client;

/* The handler answers by control_reply() now or later (drain --wait), once; or
 * turns the client into a subscriber. request is borrowed. */
struct control_handler {
	void (*request)(void *arg, struct control_client *client,
			json_t *request);
	/* the client went away before it was answered, or unsubscribed */
	void (*gone)(void *arg, struct control_client *client);
	void *arg;
};

#define CONTROL_REQUEST_MAX 65536
#define CONTROL_CLIENTS_MAX 64

/* Socket 0660; a stale one is replaced, a live one is -EADDRINUSE. */
int control_socket_open(struct control_socket **out, struct ev_loop *loop,
			const char *path, const struct control_handler *handler,
			char *err, unsigned err_size);
/* Steals the reference to response. */
void control_reply(struct control_client *client, json_t *response);
void control_subscribe(struct control_client *client);
/* To every subscriber; one that does not read is dropped when 1 MiB waits. */
void control_publish(struct control_socket *s, json_t *event);
void control_socket_free(struct control_socket *s); /* unlinks it */

#endif
