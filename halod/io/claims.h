/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a HELLO may come in: is the name the key's, may the node claim its
 * addresses (section 4 of the design). Not for what the cluster decides:
 * doubles, room, quarantine.
 */
#ifndef HALO_IO_CLAIMS_H
#define HALO_IO_CLAIMS_H

#include "base/addr.h"
#include "conf/conf.h"
#include "wire/frame.h"

struct claims;

/* Reads the gateway's own addresses. 0 or -errno. */
int claims_new(struct claims **out, const struct conf *conf);
void claims_free(struct claims *a);

/* identity: what the key proved, NULL without authentication. Fills in the
 * peer's address when the node names none. 0, or -EPERM with *err. */
int claims_check(const struct claims *a, struct message_hello *hello,
		 const char *identity, const struct addr *peer,
		 struct frame_error *err);
/* Inside the configured node-networks; false when there are none. */
bool claims_is_node(const struct claims *a, const struct addr *peer);

#endif
