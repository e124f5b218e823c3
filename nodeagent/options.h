/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of halo-agent: words → checked struct. It opens no file.
 */
#ifndef HALO_NODEAGENT_OPTIONS_H
#define HALO_NODEAGENT_OPTIONS_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/units.h"
#include "checks.h"
#include "wire/message.h"

#define GATEWAYS_MAX 4

struct options {
	unsigned n_gateways;
	const char *gateways[GATEWAYS_MAX]; /* of argv, like those below */
	const char *key, *on_event, *events;
	char name[NODE_NAME_MAX];
	struct addr addr[FAMILIES];
	enum node_wish wish;
	unsigned n_checks;
	struct check checks[CHECKS_MAX];
	bool no_auth, realtime, no_end_sockets;
	bool help, version; /* then nothing else was checked */
	enum log_level log_level;
};

extern const char options_usage[];

/* 0, or -EINVAL with a line for the operator. */
int options_parse(struct options *out, int argc, char **argv, char *err,
		  unsigned err_size);

#endif
