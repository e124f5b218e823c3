/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the process may do: no more than the features in use need. Not for
 * what is lacking: that is found by host.h.
 */
#ifndef HALO_IO_PRIVILEGES_H
#define HALO_IO_PRIVILEGES_H

#include <stdbool.h>

/* What some need beyond the rights of every halod. */
struct privileges {
	bool realtime; /* profile = fast */
	bool low_port; /* listens below 1024 */
};

/*
 * Gives up, for good, every capability but those, the bounding set and what
 * setuid programs would give. Threads inherit it: call it before the first.
 * What the process never had it does not get. 0 or -errno.
 */
int privileges_reduce(const struct privileges *wants);

#endif
