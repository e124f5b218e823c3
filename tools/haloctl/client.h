/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to the daemon: a JSON object a line over its local socket. Not for
 * commands that need no daemon.
 */
#ifndef HALOCTL_CLIENT_H
#define HALOCTL_CLIENT_H

#include "haloctl.h"

struct client;

/* 0, or HALOCTL_UNREACHABLE after telling why. */
int client_open(struct haloctl *ctl, struct client **out);
void client_close(struct client *client);
/* 0 or HALOCTL_UNREACHABLE, told. Steals the reference to request. */
int client_send(struct client *client, json_t *take_request);
/*
 * The next object, a new reference. Waits for at most timeout_ms, -1: for
 * ever. Errors of the daemon are told and returned as an exit code.
 */
int client_receive(struct client *client, json_t **out, int timeout_ms);

#define CLIENT_TIMEOUT_MS 10000

/* Whether there is something to receive, or comes within that time. */
bool client_is_ready(struct client *client, int timeout_ms);

/* One request, one answer: 0 and a new reference in *answer, or an exit code
 * after telling. Steals the reference to request. */
int client_ask(struct haloctl *ctl, json_t *take_request, json_t **answer);
/* The same, following "next" by setting member `page` of the request: all
 * items of member `list` come in one answer. */
int client_ask_all(struct haloctl *ctl, json_t *take_request, const char *list,
		   const char *page, json_t **answer);
/* One request; its answer printed as it is with -j, else by print. Steals the
 * reference to request. */
int client_show(struct haloctl *ctl, json_t *take_request,
		void (*print)(struct haloctl *ctl, const json_t *answer));

#endif
