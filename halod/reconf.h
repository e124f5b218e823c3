/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts another configuration in force while halod runs, all of it or nothing:
 * each part gets what it wants to know. What may change at all is conf's, how a
 * file is read is reload.h's.
 */
#ifndef HALO_RECONF_H
#define HALO_RECONF_H

#include "carrier.h"
#include "control/cluster.h"
#include "reload.h"

/* All the daemon's. */
struct reconf_parts {
	const char *path; /* for diagnostics */
	struct conf *conf;
	struct carrier *carrier;
	struct cluster *cluster;
	struct effects *fx;
	struct agents *agents;
};

/* 0, and effects in fx are to be carried out; or -errno with errors in
 * read->diags and nothing has changed. Takes read->agents. */
int reconf_apply(const struct reconf_parts *p, struct reload_read *read);

/* {"schema":1,"changed":["reserve",…],"diagnostics":[…]}, or an error with the
 * diagnostics beside it; NULL: no memory. before: what ran until now. */
json_t *reconf_answer(const char *path, const struct conf *before,
		      const struct reload_read *read);

#endif
