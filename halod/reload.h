/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the configuration and the keys anew, on a thread of its own: beats do
 * not wait for the disk. What comes of it is put in force by another
 * (reconf.h); whoever asked is answered then.
 */
#ifndef HALO_RELOAD_H
#define HALO_RELOAD_H

#include <ev.h>
#include <jansson.h>

#include "base/diag.h"
#include "conf/conf.h"
#include "io/agents.h"
#include "io/control_socket.h"

/* What was read. err 0: conf is valid and agents is ready to be applied. */
struct reload_read {
	int err;
	struct conf conf;
	struct agents_change *agents; /* the receiver's when he takes it */
	struct diag_list diags;
};

struct reload;

/* On the loop's thread; returns the answer for whoever asked, a reference. */
typedef json_t *reload_fn(void *arg, struct reload_read *read);

/* path: borrowed. 0 or -ENOMEM. */
int reload_new(struct reload **out, struct ev_loop *loop, const char *path,
	       reload_fn *done, void *arg);
/* Waits for a reading under way; who waits for it is not answered. */
void reload_free(struct reload *r);

/* While one reading is under way, the next follows it: what is asked for now
 * may have been written since. client may be NULL: a signal. 0 or -errno, and
 * nobody will be answered. */
int reload_ask(struct reload *r, const struct conf *running,
	       struct control_client *client);
/* The client went away. */
void reload_forget(struct reload *r, const struct control_client *client);

#endif
