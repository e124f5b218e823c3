// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/store_db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/store_row.h"

/*
 * WAL: readers (history, sqlite3(1)) and the writer do not wait for each
 * other, and a killed halod leaves the last whole transaction. FULL: so does a
 * power cut; NORMAL would go back to the last checkpoint, perhaps days. The
 * fsync a transaction costs is the store thread's, never the failover's.
 */
static const char connection_sql[] = "PRAGMA journal_mode = WAL;"
				     "PRAGMA synchronous = FULL;";

/* Numbers of enums are part of the schema: renumbering one is a new schema. */
static const char schema_sql[] =
	"CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1),"
	" version INTEGER NOT NULL, next_tag INTEGER NOT NULL,"
	" routes INTEGER NOT NULL, slots INTEGER NOT NULL,"
	" frozen INTEGER NOT NULL) STRICT;"
	"CREATE TABLE nodes (name TEXT PRIMARY KEY, tag INTEGER NOT NULL,"
	" instance INTEGER NOT NULL, addr4 BLOB, addr6 BLOB,"
	" state INTEGER NOT NULL, wish INTEGER NOT NULL,"
	" slot INTEGER NOT NULL, reserve_at INTEGER NOT NULL,"
	" failures INTEGER NOT NULL) STRICT;"
	"CREATE TABLE moving (route INTEGER PRIMARY KEY) STRICT;"
	"CREATE TABLE events (seq INTEGER PRIMARY KEY,"
	" time_ms INTEGER NOT NULL, kind INTEGER NOT NULL, node TEXT NOT NULL,"
	" from_node TEXT NOT NULL, to_node TEXT NOT NULL,"
	" reason INTEGER NOT NULL, version INTEGER NOT NULL,"
	" ms INTEGER NOT NULL, slot INTEGER NOT NULL, why TEXT NOT NULL,"
	" routes BLOB NOT NULL) STRICT;"
	"PRAGMA user_version = 1;";

/* From each schema to the next. What is new comes last in a table. */
static const char *const migration_sql[] = {
	[1] = "ALTER TABLE events ADD COLUMN event TEXT NOT NULL DEFAULT '';"
	      "ALTER TABLE events ADD COLUMN applied_us INTEGER NOT NULL"
	      " DEFAULT 0;"
	      "ALTER TABLE events ADD COLUMN first_us INTEGER NOT NULL"
	      " DEFAULT 0;"
	      "PRAGMA user_version = 2;",
};

#define IS_MOVE "kind IN (14, 15)"
static_assert(NOTE_MOVED == 14 && NOTE_UNOWNED == 15, "IS_MOVE");

/* So that no answer to haloctl reads the whole history. A database that was
 * made without them gets them; to an older halod they mean nothing. */
static const char indexes_sql[] =
	"CREATE INDEX IF NOT EXISTS events_time ON events (time_ms);"
	"CREATE INDEX IF NOT EXISTS events_node ON events"
	" (node, seq, time_ms);"
	"CREATE INDEX IF NOT EXISTS events_from ON events"
	" (from_node, seq, time_ms);"
	"CREATE INDEX IF NOT EXISTS events_to ON events"
	" (to_node, seq, time_ms);"
	"CREATE INDEX IF NOT EXISTS events_moves ON events (seq)"
	" WHERE " IS_MOVE ";";

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	CLEAR_NODES,
	CLEAR_MOVING,
	PUT_META,
	PUT_NODE,
	PUT_MOVING,
	PUT_EVENT,
	PUT_FIRST_PACKET,
	PRUNE,
	STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[CLEAR_NODES] = "DELETE FROM nodes",
	[CLEAR_MOVING] = "DELETE FROM moving",
	[PUT_META] = "INSERT OR REPLACE INTO meta VALUES (1,?,?,?,?,?)",
	[PUT_NODE] = "INSERT INTO nodes VALUES (?,?,?,?,?,?,?,?,?,?)",
	[PUT_MOVING] = "INSERT INTO moving VALUES (?)",
	[PUT_EVENT] = "INSERT OR REPLACE INTO events VALUES "
		      "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[PUT_FIRST_PACKET] = "UPDATE events SET first_us = ? WHERE seq = ?",
	[PRUNE] = "DELETE FROM events WHERE seq <="
		  " (SELECT max(seq) FROM events) - ?",
};

struct store_db {
	sqlite3 *sql;
	sqlite3_stmt *statements[STATEMENTS]; /* prepared at first use */
};

static int to_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

const char *store_db_error(struct store_db *db)
{
	return sqlite3_errmsg(db->sql);
}

static int exec(struct store_db *db, const char *sql)
{
	return to_errno(sqlite3_exec(db->sql, sql, NULL, NULL, NULL));
}

/* The first column of the first row as a number, -ENODATA without a row. */
static int query_number(struct store_db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL);
	int err;

	if (code != SQLITE_OK)
		return to_errno(code);
	code = sqlite3_step(st);
	err = code == SQLITE_DONE ? -ENODATA : to_errno(code);
	if (!err)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return err;
}

static int check_integrity(struct store_db *db)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &st,
				      NULL);
	int err;

	if (code != SQLITE_OK)
		return to_errno(code);
	code = sqlite3_step(st);
	err = to_errno(code);
	if (code == SQLITE_ROW &&
	    strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
		err = -EUCLEAN;
	sqlite3_finalize(st);
	return err;
}

/* All or nothing, so that a kill here leaves the database as it was: empty, or
 * of the former schema. */
static int make_schema(struct store_db *db, int64_t from)
{
	int err = exec(db, "BEGIN IMMEDIATE");

	if (err)
		return err;
	if (!from)
		err = exec(db, schema_sql);
	for (int64_t v = from ? from : 1; !err && v < STORE_DB_SCHEMA; v++)
		err = exec(db, migration_sql[v]);
	if (!err)
		err = exec(db, "COMMIT");
	if (err)
		exec(db, "ROLLBACK");
	return err;
}

static int check_schema(struct store_db *db)
{
	int64_t version;
	int err = query_number(db, "PRAGMA user_version", &version);

	if (err)
		return err;
	if (version >= 0 && version < STORE_DB_SCHEMA)
		return make_schema(db, version);
	return version == STORE_DB_SCHEMA ? 0 : -EPROTO;
}

/* By open(2) first: it tells exactly why not, SQLite "unable to open". */
static int touch(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int connect_db(struct store_db *db, const char *path, int mode)
{
	int code = sqlite3_open_v2(path, &db->sql, mode | SQLITE_OPEN_NOMUTEX,
				   NULL);

	if (code != SQLITE_OK)
		return to_errno(code);
	sqlite3_extended_result_codes(db->sql, 1);
	return to_errno(sqlite3_busy_timeout(db->sql, STORE_DB_BUSY_MS));
}

static const char *advice(int err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return "make its directory writable for halod, or set state in "
		       "halod.conf";
	case -ENOENT:
		return "create its directory: install -d -m 0750 DIRECTORY";
	case -EISDIR:
		return "it is a directory, set state in halod.conf to a file";
	case -ENOSPC:
		return "make room on its file system";
	case -EBUSY:
		return "another process has locked it, end that one";
	case -EUCLEAN:
		return "it is corrupt or no database of halod, move it away to "
		       "begin anew";
	case -EPROTO:
		return "a newer halod wrote it, run that one or move it away";
	default:
		return "see the system's log";
	}
}

static int open_unchecked(struct store_db **out, const char *path, int mode)
{
	struct store_db *db = calloc(1, sizeof(*db));
	int err = db ? connect_db(db, path, mode) : -ENOMEM;

	if (err)
		store_db_close(db);
	else
		*out = db;
	return err;
}

int store_db_open_reader(struct store_db **out, const char *path)
{
	return open_unchecked(out, path, SQLITE_OPEN_READWRITE);
}

int store_db_open_readonly(struct store_db **out, const char *path)
{
	return open_unchecked(out, path, SQLITE_OPEN_READONLY);
}

static int prepare_db(struct store_db *db)
{
	int err = check_integrity(db);

	if (!err)
		err = exec(db, connection_sql);
	if (!err)
		err = check_schema(db);
	return err ? err : exec(db, indexes_sql);
}

int store_db_open(struct store_db **out, const char *path, char *err,
		  unsigned err_size)
{
	struct store_db *db = NULL;
	int ret = touch(path);

	if (!ret)
		ret = store_db_open_reader(&db, path);
	if (!ret)
		ret = prepare_db(db);
	if (!ret) {
		*out = db;
		return 0;
	}
	snprintf(err, err_size, "%s: %s: %s", path,
		 db && ret != -EPROTO ? store_db_error(db) : strerror(-ret),
		 advice(ret));
	store_db_close(db);
	return ret;
}

void store_db_close(struct store_db *db)
{
	if (!db)
		return;
	for (unsigned i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->sql);
	free(db);
}

static int get_statement(struct store_db *db, enum statement which,
			 sqlite3_stmt **out)
{
	sqlite3_stmt **st = &db->statements[which];
	int code = SQLITE_OK;

	if (!*st)
		code = sqlite3_prepare_v3(db->sql, statement_sql[which], -1,
					  SQLITE_PREPARE_PERSISTENT, st, NULL);
	*out = *st;
	return to_errno(code);
}

/* Steps a statement that gives no rows, and makes it ready for the next. */
static int run(sqlite3_stmt *st)
{
	int err = to_errno(sqlite3_step(st));

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return err;
}

static int run_plain(struct store_db *db, enum statement which)
{
	sqlite3_stmt *st;
	int err = get_statement(db, which, &st);

	return err ? err : run(st);
}

int store_db_begin(struct store_db *db)
{
	return run_plain(db, BEGIN);
}

void store_db_abort(struct store_db *db)
{
	/* a full disk has ended the transaction by itself */
	if (!sqlite3_get_autocommit(db->sql))
		run_plain(db, ROLLBACK);
}

static int put_nodes(struct store_db *db, const struct cluster_saved *state)
{
	sqlite3_stmt *st;
	int err = get_statement(db, PUT_NODE, &st);

	for (uint32_t i = 0; !err && i < state->n_nodes; i++) {
		store_row_bind_node(st, &state->nodes[i]);
		err = run(st);
	}
	return err;
}

static int put_moving(struct store_db *db, const struct cluster_saved *state)
{
	sqlite3_stmt *st;
	int err = get_statement(db, PUT_MOVING, &st);

	for (uint32_t i = 0; !err && i < state->n_moving; i++) {
		sqlite3_bind_int(st, 1, state->moving[i]);
		err = run(st);
	}
	return err;
}

static int put_meta(struct store_db *db, const struct cluster_saved *state)
{
	sqlite3_stmt *st;
	int err = get_statement(db, PUT_META, &st);

	if (err)
		return err;
	store_row_bind_meta(st, state);
	return run(st);
}

int store_db_put_state(struct store_db *db, const struct cluster_saved *state)
{
	int err = put_meta(db, state);

	if (!err)
		err = run_plain(db, CLEAR_NODES);
	if (!err)
		err = run_plain(db, CLEAR_MOVING);
	if (!err)
		err = put_nodes(db, state);
	return err ? err : put_moving(db, state);
}

int store_db_put_event(struct store_db *db, const struct store_event *event)
{
	sqlite3_stmt *st;
	int err = get_statement(db, PUT_EVENT, &st);

	if (!err)
		err = store_row_bind_event(st, event);
	return err ? err : run(st);
}

int store_db_put_first_packet(struct store_db *db, uint64_t seq,
			      uint64_t first_us)
{
	sqlite3_stmt *st;
	int err = get_statement(db, PUT_FIRST_PACKET, &st);

	if (err)
		return err;
	sqlite3_bind_int64(st, 1, (sqlite3_int64)first_us);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)seq);
	return run(st);
}

int store_db_commit(struct store_db *db)
{
	sqlite3_stmt *st;
	int err = get_statement(db, PRUNE, &st);

	if (err)
		return err;
	sqlite3_bind_int(st, 1, STORE_HISTORY_MAX);
	err = run(st);
	return err ? err : run_plain(db, COMMIT);
}

int store_db_last_seq(struct store_db *db, uint64_t *out)
{
	int64_t seq;
	int err = query_number(db, "SELECT ifnull(max(seq), 0) FROM events",
			       &seq);

	if (!err)
		*out = (uint64_t)seq;
	return err;
}

static int read_meta(struct store_db *db, struct cluster_saved *out)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(db->sql,
				      "SELECT version, next_tag, routes, slots,"
				      " frozen FROM meta",
				      -1, &st, NULL);
	int err;

	if (code != SQLITE_OK)
		return to_errno(code);
	code = sqlite3_step(st);
	err = code == SQLITE_DONE ? -ENOENT : to_errno(code);
	if (!err)
		err = store_row_meta(st, out);
	sqlite3_finalize(st);
	return err;
}

/* At most max rows of sql, each given to row(); *n tells how many. */
static int read_rows(struct store_db *db, const char *sql, unsigned max,
		     int (*row)(sqlite3_stmt *, struct cluster_saved *),
		     struct cluster_saved *out)
{
	sqlite3_stmt *st;
	int code = sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL);
	int err = to_errno(code);

	while (!err && (code = sqlite3_step(st)) == SQLITE_ROW)
		err = max-- ? row(st, out) : -EUCLEAN;
	sqlite3_finalize(st);
	return err ? err : to_errno(code);
}

static int add_node(sqlite3_stmt *st, struct cluster_saved *out)
{
	return store_row_node(st, &out->nodes[out->n_nodes++]);
}

static int add_moving(sqlite3_stmt *st, struct cluster_saved *out)
{
	int64_t route = sqlite3_column_int64(st, 0);

	if (route < 1 || route > ROUTES_MAX)
		return -EUCLEAN;
	out->moving[out->n_moving++] = (uint16_t)route;
	return 0;
}

static int load_all(struct store_db *db, struct cluster_saved *out)
{
	int64_t nodes, moving;
	int err = read_meta(db, out);

	if (!err)
		err = query_number(db, "SELECT count(*) FROM nodes", &nodes);
	if (!err)
		err = query_number(db, "SELECT count(*) FROM moving", &moving);
	if (err)
		return err;
	if (nodes > NODES_MAX || moving > ROUTES_MAX)
		return -EUCLEAN;
	out->nodes = calloc((size_t)nodes + 1, sizeof(*out->nodes));
	out->moving = calloc((size_t)moving + 1, sizeof(*out->moving));
	if (!out->nodes || !out->moving)
		return -ENOMEM;
	err = read_rows(db, "SELECT * FROM nodes ORDER BY name",
			(unsigned)nodes, add_node, out);
	return err ? err
		   : read_rows(db, "SELECT route FROM moving ORDER BY route",
			       (unsigned)moving, add_moving, out);
}

int store_db_load(struct store_db *db, struct cluster_saved *out)
{
	struct cluster_saved saved = { 0 };
	int err = exec(db, "BEGIN"); /* one snapshot for all tables */

	if (err)
		return err;
	err = load_all(db, &saved);
	exec(db, "COMMIT");
	if (err)
		cluster_saved_fini(&saved);
	else
		*out = saved;
	return err;
}

/* The seqs of a history: oldest max of all, or those that name the node; the
 * latter from an index for each column. */
/* + keeps it from sorting all that the index of times has. */
#define OLDEST " seq > ?1 AND +time_ms >= ?2 ORDER BY seq LIMIT ?4"
#define OLDEST_WITH(column)                                   \
	"SELECT * FROM (SELECT seq FROM events WHERE " column \
	" = ?3 AND" OLDEST ")"
#define SEQS_OF_ALL "SELECT seq FROM events WHERE" OLDEST
#define SEQS_OF_NODE                                              \
	OLDEST_WITH("node")                                       \
	" UNION " OLDEST_WITH("from_node") " UNION " OLDEST_WITH( \
		"to_node") " ORDER BY seq LIMIT ?4"

#define HISTORY_SIZE(seqs)                                \
	"SELECT count(*), ifnull(sum(length(routes)), 0)" \
	" FROM events WHERE seq IN (" seqs ")"
#define HISTORY(seqs) \
	"SELECT * FROM events WHERE seq IN (" seqs ") ORDER BY seq"

/* [whether of a node] */
static const char *const history_size_sql[] = { HISTORY_SIZE(SEQS_OF_ALL),
						HISTORY_SIZE(SEQS_OF_NODE) };
static const char *const history_sql[] = { HISTORY(SEQS_OF_ALL),
					   HISTORY(SEQS_OF_NODE) };

struct history_query {
	uint64_t since, from_ms;
	const char *node;
	unsigned max;
};

/* SQLite's integers are signed. */
static sqlite3_int64 clamp(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (sqlite3_int64)value;
}

static int prepare_history(struct store_db *db, const char *sql,
			   const struct history_query *q, sqlite3_stmt **out)
{
	int code = sqlite3_prepare_v2(db->sql, sql, -1, out, NULL);

	if (code != SQLITE_OK)
		return to_errno(code);
	sqlite3_bind_int64(*out, 1, clamp(q->since));
	sqlite3_bind_int64(*out, 2, clamp(q->from_ms));
	if (q->node)
		sqlite3_bind_text(*out, 3, q->node, -1, SQLITE_STATIC);
	sqlite3_bind_int64(*out, 4, q->max);
	return 0;
}

static int history_size(struct store_db *db, const struct history_query *q,
			size_t *count, size_t *bytes)
{
	sqlite3_stmt *st;
	int err =
		prepare_history(db, history_size_sql[q->node != NULL], q, &st);

	if (err)
		return err;
	err = to_errno(sqlite3_step(st));
	*count = (size_t)sqlite3_column_int64(st, 0);
	*bytes = (size_t)sqlite3_column_int64(st, 1);
	sqlite3_finalize(st);
	return err;
}

/* events[count], then bytes of route ids that they point to. */
static int read_history(struct store_db *db, const struct history_query *q,
			struct store_event *events, size_t count, size_t bytes)
{
	uint16_t *ids = (uint16_t *)(events + count);
	size_t room = bytes / sizeof(*ids);
	sqlite3_stmt *st;
	int err = prepare_history(db, history_sql[q->node != NULL], q, &st);

	for (size_t i = 0; !err && i < count; i++) {
		err = to_errno(sqlite3_step(st));
		if (!err)
			err = store_row_event(st, &events[i], ids, room);
		if (!err) {
			ids += events[i].note.routes.count;
			room -= events[i].note.routes.count;
		}
	}
	sqlite3_finalize(st);
	return err;
}

static int build_history(struct store_db *db, const struct history_query *q,
			 struct store_event **out)
{
	struct store_event *events;
	size_t count, bytes;
	int err = history_size(db, q, &count, &bytes);

	if (err)
		return err;
	events = calloc(1, count * sizeof(*events) + bytes + 1);
	if (!events)
		return -ENOMEM;
	err = read_history(db, q, events, count, bytes);
	if (err) {
		free(events);
		return err;
	}
	*out = events;
	return (int)count;
}

/* Time ascends with seq, so what is older ends at one seq; where the clock was
 * set back, the last that it dated before from_ms. */
static int skip_older(struct store_db *db, struct history_query *q)
{
	char sql[128];
	int64_t seq;
	int err;

	if (!q->from_ms)
		return 0;
	snprintf(sql, sizeof(sql),
		 "SELECT seq FROM events WHERE time_ms < %lld"
		 " ORDER BY time_ms DESC, seq DESC LIMIT 1",
		 (long long)clamp(q->from_ms));
	err = query_number(db, sql, &seq);
	if (!err && (uint64_t)seq > q->since)
		q->since = (uint64_t)seq;
	return err == -ENODATA ? 0 : err;
}

int store_db_history(struct store_db *db, uint64_t since, const char *node,
		     uint64_t from_ms, unsigned max, struct store_event **out)
{
	struct history_query q = {
		.since = since, .from_ms = from_ms, .node = node, .max = max
	};
	int ret = exec(db, "BEGIN"); /* size and rows of one snapshot */

	if (ret)
		return ret;
	if (q.max > STORE_HISTORY_MAX)
		q.max = STORE_HISTORY_MAX;
	ret = skip_older(db, &q);
	if (!ret)
		ret = build_history(db, &q, out);
	exec(db, "COMMIT");
	return ret;
}

#define MOVES_SEARCHED	   5000	      /* events … */
#define MOVES_SEARCHED_LEN (8u << 20) /* … and bytes of route ids */

static bool names_route(sqlite3_stmt *st, int column, uint16_t route)
{
	const uint8_t *ids = sqlite3_column_blob(st, column);
	int len = sqlite3_column_bytes(st, column);

	for (int i = 0; i + 1 < len; i += 2)
		if ((ids[i] << 8 | ids[i + 1]) == route)
			return true;
	return false;
}

/* 0: none has it. */
static uint64_t find_move(sqlite3_stmt *st, uint16_t route)
{
	size_t len = 0;

	while (len < MOVES_SEARCHED_LEN && sqlite3_step(st) == SQLITE_ROW) {
		if (names_route(st, 1, route))
			return (uint64_t)sqlite3_column_int64(st, 0);
		len += (size_t)sqlite3_column_bytes(st, 1);
	}
	return 0;
}

int store_db_last_move(struct store_db *db, uint16_t route,
		       struct store_event **out)
{
	static const char sql[] =
		"SELECT seq, routes FROM events WHERE " IS_MOVE
		" ORDER BY seq DESC LIMIT ?";
	sqlite3_stmt *st;
	uint64_t seq;
	int code = sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL);

	if (code != SQLITE_OK)
		return to_errno(code);
	sqlite3_bind_int(st, 1, MOVES_SEARCHED);
	seq = find_move(st, route);
	sqlite3_finalize(st);
	return seq ? store_db_history(db, seq - 1, NULL, 0, 1, out) : 0;
}
