/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of the state database ↔ structs, column by column. What is read is
 * checked: a row that no halod wrote is -EUCLEAN.
 */
#ifndef HALO_IO_STORE_ROW_H
#define HALO_IO_STORE_ROW_H

#include <sqlite3.h>
#include <stddef.h>

#include "io/store.h"

/* Columns in the order of the tables; texts are borrowed until the step. */
void store_row_bind_meta(sqlite3_stmt *st, const struct cluster_saved *state);
void store_row_bind_node(sqlite3_stmt *st,
			 const struct cluster_saved_node *node);
int store_row_bind_event(sqlite3_stmt *st, const struct store_event *event);

int store_row_meta(sqlite3_stmt *st, struct cluster_saved *out);
int store_row_node(sqlite3_stmt *st, struct cluster_saved_node *out);
/* The event's routes are written to ids, which has room for so many. */
int store_row_event(sqlite3_stmt *st, struct store_event *out, uint16_t *ids,
		    size_t room);

#endif
