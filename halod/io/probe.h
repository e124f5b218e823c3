/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks a node's server itself whether it is alive: one TCP connection to a
 * door on the node, answered within a deadline or not. Not a health checker:
 * who asks when, and what follows, is the cluster's.
 */
#ifndef HALO_IO_PROBE_H
#define HALO_IO_PROBE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct probes; /* those under way */

/* ok: the server accepted. Never called from within probe_start(). */
typedef void (*probe_fn)(void *arg, uint32_t tag, bool ok);

/* NULL: no memory. */
struct probes *probes_new(struct ev_loop *loop, probe_fn fn, void *arg);
/* One at a time for a tag: a second one while it runs is the same one. What
 * cannot be tried for want of our own resources counts as accepted: a gateway
 * short of descriptors must not declare nodes dead. */
void probes_start(struct probes *p, uint32_t tag, const struct endpoint *door,
		  uint64_t timeout_ns);
void probes_free(struct probes *p);

#endif
