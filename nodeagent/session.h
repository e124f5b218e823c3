/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A running agent: its gateways (gateway.h), the checks of its server, and the
 * local programs that hear what happens. It decides nothing.
 */
#ifndef HALO_NODEAGENT_SESSION_H
#define HALO_NODEAGENT_SESSION_H

#include <ev.h>

#include "options.h"

struct session;

/* loop: the default one. -errno with a line for the operator. */
int session_open(struct session **out, struct ev_loop *loop,
		 const struct options *o, char *err, unsigned err_size);
/* Until it was asked to leave and has left. */
void session_run(struct session *s);
void session_free(struct session *s);

#endif
