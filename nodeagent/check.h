/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One check of the node's server: how it is written, and what a run of results
 * makes of it. It asks nobody: checks.h does.
 */
#ifndef HALO_NODEAGENT_CHECK_H
#define HALO_NODEAGENT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "wire/message.h"

enum check_kind {
	CHECK_LISTEN, /* a socket listens on the port; no connection is made */
	CHECK_TCP,    /* a connection is accepted */
	CHECK_EXEC,   /* a command ends with 0 */
};

#define CHECK_COMMAND_MAX 400

struct check {
	enum check_kind kind;
	struct endpoint at; /* listen: the port alone; exec: none */
	char command[CHECK_COMMAND_MAX]; /* exec */
	uint64_t interval_ns;		 /* 0: the beats' */
	uint64_t timeout_ns;		 /* of a connection */
	unsigned rise, fall; /* results in a row that change its mind */
	enum node_health health;
	unsigned streak; /* of results against it */
};

/* "listen:PORT", "tcp:[ADDRESS:]PORT" or "exec:COMMAND", then
 * ",interval=100ms", ",timeout=",
 * ",rise=N", ",fall=N". -EINVAL with a line for the operator. */
int check_parse(struct check *out, const char *text, char *err,
		unsigned err_size);
/* The first result is believed at once. */
void check_result(struct check *c, bool ok);

#endif
