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
	CHECK_HTTP,   /* a page is answered, with the right status */
	CHECK_EXEC,   /* a command ends with 0 */
};

#define CHECK_TEXT_MAX 400

struct check {
	enum check_kind kind;
	struct endpoint at;	   /* tcp; listen: the port alone */
	char text[CHECK_TEXT_MAX]; /* http: the URL; exec: the command */
	unsigned status;	   /* http: the one wanted, 0: 200 to 399 */
	uint64_t interval_ns;	   /* 0: the beats' */
	uint64_t timeout_ns;	   /* of a connection, an answer, a command */
	unsigned rise, fall;	   /* results in a row that change its mind */
	enum node_health health;
	unsigned streak; /* of results against it */
};

/* "listen:PORT", "tcp:[ADDRESS:]PORT", "http://HOST[:PORT][/PATH]" or
 * "exec:COMMAND", then ",interval=100ms", ",timeout=", ",rise=N", ",fall=N",
 * ",status=N" (http). -EINVAL with a line for the operator. */
int check_parse(struct check *out, const char *text, char *err,
		unsigned err_size);
/* The first result is believed at once. */
void check_result(struct check *c, bool ok);

#endif
