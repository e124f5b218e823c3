/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of one command: "--name VALUE", "--name=VALUE", "--flag", "--".
 * Operands and options may stand in any order. Not haloctl's own -j and -s:
 * main.c has taken those.
 */
#ifndef HALOCTL_OPTIONS_H
#define HALOCTL_OPTIONS_H

#include "haloctl.h"

struct option_spec {
	const char *name;   /* without the dashes; a NULL name ends a table */
	const char **value; /* takes a value: stored here, borrowed from argv */
	bool *flag;	    /* or takes none: set true */
};

/*
 * Stores options and closes the gaps they leave: afterwards argv[1..*argc-1]
 * are the operands, of which there must be min to max. 0, or HALOCTL_USAGE
 * after telling what is wrong.
 */
int options_parse(struct haloctl *ctl, int *argc, char **argv,
		  const struct option_spec *specs, int min, int max);

#endif
