/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of commands: words → function. It knows prefixes, help and "did
 * you mean"; what a command does is in the file of its object.
 */
#ifndef HALOCTL_COMMAND_H
#define HALOCTL_COMMAND_H

#include "haloctl.h"

struct command {
	const char *object; /* "node" */
	const char *verb;   /* "drain"; NULL: the object alone is a command */
	const char *args;   /* "NAME [--wait]", "" for none */
	const char *help;   /* one line, lower case, no full stop */
	command_fn *run;
};

/* Finds the command that argv[0], argv[1], … name and runs it; with no words,
 * or `help`, prints help. Returns an enum haloctl_exit. */
int command_run(struct haloctl *ctl, int argc, char **argv);

void command_print_usage(const struct command *command, FILE *out);

#endif
