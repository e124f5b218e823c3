/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon: everything that is open, and two tables between it and the
 * cluster: what comes in (I/O → event) and what goes out (effect → I/O). It
 * never tests a node's state: that is control/'s.
 */
#ifndef HALO_DAEMON_H
#define HALO_DAEMON_H

#include "conf/conf.h"

struct daemon;

/* Opens store, plane, listeners; the table is in force when this returns.
 * -errno with a line for the operator in err. path: for SIGHUP. */
int daemon_open(struct daemon **out, const struct conf *conf, const char *path,
		char *err, unsigned err_size);
/* Until SIGTERM, SIGINT or `haloctl shutdown`; -ETIMEDOUT: until the plane did
 * not answer. */
int daemon_run(struct daemon *d);
/* Leaves the plane's rules in place unless a shutdown asked to flush them. */
void daemon_close(struct daemon *d);

#endif
