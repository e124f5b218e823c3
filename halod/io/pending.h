/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections that have not proved who they are: oldest first, counted by
 * source address. It owns none of them and closes nothing.
 */
#ifndef HALO_IO_PENDING_H
#define HALO_IO_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct pending;
struct pending_source;

/* Stored by value in the connection. */
struct pending_entry {
	struct pending_source *source;	   /* NULL: not in the list */
	struct pending_entry *prev, *next; /* of all */
	struct pending_entry *source_prev, *source_next;
	uint64_t since_ns;
};

struct pending *pending_new(void);
void pending_free(struct pending *p); /* empty by then */
/* 0 or -ENOMEM */
int pending_add(struct pending *p, struct pending_entry *e,
		const struct addr *from, uint64_t now_ns);
void pending_remove(struct pending *p, struct pending_entry *e);
unsigned pending_count(const struct pending *p);
unsigned pending_count_from(const struct pending *p, const struct addr *from);
/* The oldest of all (from NULL) or of one address; NULL: none. */
struct pending_entry *pending_oldest(const struct pending *p,
				     const struct addr *from);
/* The next younger one, of all or of the same address. */
struct pending_entry *pending_younger(const struct pending_entry *e,
				      bool same_source);

#endif
