/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of this host would keep HaloD from working, and what to do about it:
 * for `haloctl doctor`, `halod -t`. It looks only; it changes no setting.
 */
#ifndef HALO_IO_HOST_H
#define HALO_IO_HOST_H

#include "conf/conf.h"

enum host_level { HOST_OK, HOST_WARNING, HOST_PROBLEM };

#define HOST_FINDINGS_MAX 64

struct host_finding {
	enum host_level level;
	char subject[32]; /* "forwarding", "rp_filter", … */
	char text[200];	  /* what was found */
	char fix[200];	  /* a command or a line; "" when all is well */
};

struct host_report {
	unsigned count;
	/* the last one is room for what is too many, and not counted */
	struct host_finding findings[HOST_FINDINGS_MAX + 1];
};

/* Everything, for this configuration, in the network namespace of the thread.
 * running: halod is up, so its own queues are no strangers. May block for
 * milliseconds. */
void host_check(struct host_report *out, const struct conf *conf, bool running);

#endif
