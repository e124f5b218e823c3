/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every command of haloctl shares: the options in force, how a result or
 * an error is told, how it exits. Not the commands (commands.h) and not the
 * way to the daemon (client.h).
 */
#ifndef HALOCTL_HALOCTL_H
#define HALOCTL_HALOCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define HALOCTL_SCHEMA 1 /* of every JSON object printed */
#define HALOCTL_SOCKET	       "/run/halod/halod.sock"
#define HALOCTL_SOCKET_READING "/run/halod/halod-ro.sock"

/* What a command returns and haloctl exits with. */
enum haloctl_exit {
	HALOCTL_OK,
	HALOCTL_FAILED,	     /* refused, or tried and failed */
	HALOCTL_USAGE,	     /* the command line is wrong */
	HALOCTL_UNREACHABLE, /* no daemon answers on the socket */
	HALOCTL_NOT_FOUND,   /* no such node, route, key, … */
};

struct haloctl {
	bool json;   /* -j */
	bool colour; /* out is a terminal and nobody objects */
	bool retries; /* to lose the daemon is no error yet: not told */
	const char *socket;
	const char *fallback; /* when that may not be opened; or NULL */
	FILE *out, *err;
	const struct command *command; /* the one that runs; for its usage */
};

/*
 * A command: argv[0] is its last word ("drain"), operands and options follow;
 * -j and -s are gone already. Returns an enum haloctl_exit.
 */
typedef int command_fn(struct haloctl *ctl, int argc, char **argv);

/* What was attempted, on which object, why it failed, what to try; object and
 * advice may be NULL. "cannot drain node", "web-1", "…", "haloctl node list" */
struct haloctl_error {
	const char *what, *object, *why, *advice;
};

void haloctl_tell(struct haloctl *ctl, const struct haloctl_error *error);
/* Tells it on err, with -j also as {"schema":1,"error":{…}} on out. Returns
 * code, so that a command can end by it. */
int haloctl_fail(struct haloctl *ctl, enum haloctl_exit code,
		 const struct haloctl_error *error);
/* "haloctl: …" and the usage of the running command; HALOCTL_USAGE. */
__attribute__((format(printf, 2, 3))) int haloctl_usage(struct haloctl *ctl,
							const char *fmt, ...);

/* One compact line on out. Steals the reference; HALOCTL_OK. */
int haloctl_print_json(struct haloctl *ctl, json_t *take_value);

#endif
