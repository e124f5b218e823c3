/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The database behind store.h: schema, statements, one transaction a save. It
 * knows no thread and no queue; a connection belongs to one thread at a time.
 */
#ifndef HALO_IO_STORE_DB_H
#define HALO_IO_STORE_DB_H

#include "io/store.h"

#define STORE_DB_SCHEMA	 2    /* PRAGMA user_version */
#define STORE_DB_BUSY_MS 1000 /* patience with another process's lock */

struct store_db;

/* As store_open(): creates, checks, migrates. */
int store_db_open(struct store_db **out, const char *path, char *err,
		  unsigned err_size);
/* A second connection for reading what exists: no checks. */
int store_db_open_reader(struct store_db **out, const char *path);
/* For another process than the daemon: cannot change anything. */
int store_db_open_readonly(struct store_db **out, const char *path);
void store_db_close(struct store_db *db); /* NULL is fine */

int store_db_load(struct store_db *db, struct cluster_saved *out);
int store_db_last_seq(struct store_db *db, uint64_t *out);

/* One transaction: begin; any number of puts; commit. After an error abort;
 * then nothing has happened. store_db_error() tells why. */
int store_db_begin(struct store_db *db);
int store_db_put_state(struct store_db *db, const struct cluster_saved *state);
int store_db_put_event(struct store_db *db, const struct store_event *event);
int store_db_put_first_packet(struct store_db *db, uint64_t seq,
			      uint64_t first_us);
int store_db_commit(struct store_db *db); /* drops what history has too much */
void store_db_abort(struct store_db *db);
const char *store_db_error(struct store_db *db);

int store_db_history(struct store_db *db, uint64_t since, const char *node,
		     uint64_t from_ms, unsigned max, struct store_event **out);
/* As store_last_move(). */
int store_db_last_move(struct store_db *db, uint16_t route,
		       struct store_event **out);

#endif
