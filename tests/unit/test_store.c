// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/store.h"

#define ROUTES 24

#define QUICK_US 50000 /* 5 ms on a machine that does nothing else */

struct fixture {
	char dir[64], path[80];
	char err[256];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test_store.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/halod.db", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[100];
	int err;

	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	err = system(command);
	free(f);
	return err;
}

static struct store *open_store(struct fixture *f)
{
	struct store *s = NULL;

	if (store_open(&s, f->path, f->err, sizeof(f->err)))
		fail_msg("%s", f->err);
	return s;
}

static void run_sql(struct fixture *f, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t now_ms(void)
{
	return now_us() / 1000;
}

/* Every field follows from the version, so that a mixture would show. */
static struct cluster_saved make_state(uint64_t version)
{
	struct cluster_saved s = { .version = version,
				   .next_tag = (uint32_t)version + 100,
				   .routes = ROUTES,
				   .slots = (uint16_t)(version % 7),
				   .frozen = version % 2,
				   .n_nodes = (uint32_t)(version % 50),
				   .n_moving = (uint32_t)(version % ROUTES) };

	s.nodes = calloc(s.n_nodes + 1, sizeof(*s.nodes));
	s.moving = calloc(s.n_moving + 1, sizeof(*s.moving));
	assert_true(s.nodes && s.moving);
	for (uint32_t i = 0; i < s.n_nodes; i++) {
		struct cluster_saved_node *n = &s.nodes[i];

		sprintf(n->name, "node-%03u", i);
		n->tag = (uint32_t)version + i;
		n->instance = UINT64_MAX - version - i;
		n->addr[FAMILY_V4] = addr_v4((uint8_t[]){ 198, 19, 0, i });
		if (i % 2)
			n->addr[FAMILY_V6] = addr_v6(
				(uint8_t[16]){ 0xfd, [15] = (uint8_t)i });
		n->state = (enum node_state)((version + i) % NODE_STATES);
		n->wish = (enum node_wish)((version + i) % 3);
		n->slot = (uint16_t)(i % 5);
		n->reserve_at = (uint16_t)(i % 3);
		n->failures = (uint32_t)version * 3;
	}
	for (uint32_t i = 0; i < s.n_moving; i++)
		s.moving[i] = (uint16_t)(i + 1);
	return s;
}

static void assert_node_equal(const struct cluster_saved_node *a,
			      const struct cluster_saved_node *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->tag, b->tag);
	assert_true(a->instance == b->instance);
	assert_true(addr_equal(&a->addr[FAMILY_V4], &b->addr[FAMILY_V4]));
	assert_true(addr_equal(&a->addr[FAMILY_V6], &b->addr[FAMILY_V6]));
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->wish, b->wish);
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->reserve_at, b->reserve_at);
	assert_int_equal(a->failures, b->failures);
}

static void assert_is_whole(const struct cluster_saved *got)
{
	struct cluster_saved want = make_state(got->version);

	assert_int_equal(got->next_tag, want.next_tag);
	assert_int_equal(got->routes, want.routes);
	assert_int_equal(got->slots, want.slots);
	assert_int_equal(got->frozen, want.frozen);
	assert_int_equal(got->n_nodes, want.n_nodes);
	assert_int_equal(got->n_moving, want.n_moving);
	for (uint32_t i = 0; i < want.n_nodes; i++)
		assert_node_equal(&got->nodes[i], &want.nodes[i]);
	assert_memory_equal(got->moving, want.moving,
			    want.n_moving * sizeof(*want.moving));
	cluster_saved_fini(&want);
}

static void save(struct store *s, uint64_t version)
{
	struct cluster_saved state = make_state(version);

	store_save(s, &state);
	assert_null(state.nodes);
}

static void put_event(struct store *s, uint64_t seq, const char *node,
		      uint32_t n_routes)
{
	static uint16_t ids[ROUTES_MAX];
	struct store_event e = { .seq = seq,
				 .time_ms = seq * 10,
				 .note = { .kind = NOTE_MOVED,
					   .reason = MOVE_DRAIN,
					   .version = seq + 1,
					   .ms = 7,
					   .slot = 3,
					   .routes = { ids, n_routes } } };

	for (uint32_t i = 0; i < n_routes; i++)
		ids[i] = (uint16_t)(i + 1);
	strcpy(e.note.from, node);
	strcpy(e.note.to, "other");
	strcpy(e.note.why, "because");
	store_event(s, &e);
	memset(ids, 0xff, sizeof(ids)); /* the store has its own copy */
}

static void what_was_saved_last_is_loaded_whole(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct cluster_saved got;

	assert_int_equal(store_load(s, &got), -ENOENT);
	for (uint64_t v = 1; v <= 49; v++)
		save(s, v);
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_load(s, &got), 0);
	assert_int_equal(got.version, 49);
	assert_is_whole(&got);
	cluster_saved_fini(&got);
	store_close(s);
}

static void history_gives_events_in_order_with_their_routes(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct store_event *h;

	for (uint64_t seq = 1; seq <= 100; seq++)
		put_event(s, seq, seq % 2 ? "odd" : "even", (uint32_t)seq);
	assert_int_equal(store_last_seq(s), 100);
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_last_seq(s), 100);
	assert_int_equal(store_history(s, 0, NULL, 0, 1000, &h), 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(h[i].seq, i + 1);
		assert_int_equal(h[i].note.routes.count, i + 1);
		for (unsigned r = 0; r <= i; r++)
			assert_int_equal(h[i].note.routes.ids[r], r + 1);
	}
	assert_string_equal(h[1].note.from, "even");
	assert_string_equal(h[1].note.why, "because");
	assert_int_equal(h[1].note.reason, MOVE_DRAIN);
	free(h);
	assert_int_equal(store_history(s, 90, "odd", 0, 1000, &h), 5);
	assert_int_equal(h[0].seq, 91);
	free(h);
	assert_int_equal(store_history(s, 0, "other", 980, 1000, &h), 3);
	free(h);
	assert_int_equal(store_history(s, 0, NULL, 0, 2, &h), 2);
	assert_int_equal(h[0].seq, 1); /* it goes on from the last */
	assert_int_equal(h[1].seq, 2);
	free(h);
	assert_int_equal(store_history(s, 100, NULL, 0, 2, &h), 0);
	free(h);
	store_close(s);
}

static void what_is_known_later_is_added_to_the_event(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct store_event *h, event = {
		.seq = 1,
		.applied_us = 700,
		.note = { .kind = NOTE_MOVED, .event = "join of b" },
	};

	store_event(s, &event);
	store_first_packet(s, 1, 4200);
	store_first_packet(s, 99, 1); /* of none: no harm */
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_last_seq(s), 1);
	assert_int_equal(store_history(s, 0, NULL, 0, 10, &h), 1);
	assert_int_equal(h[0].applied_us, 700);
	assert_int_equal(h[0].first_us, 4200);
	assert_string_equal(h[0].note.event, "join of b");
	free(h);
	store_close(s);
}

static void last_move_of_a_route_is_found(void **state)
{
	static const uint16_t ids[] = { 3, 258 };
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct store_event event = {
		.note = { .kind = NOTE_MOVED, .routes = { ids, 2 } },
	}, *found;

	event.seq = 1;
	store_event(s, &event);
	event.seq = 2;
	event.note.kind = NOTE_MOVING; /* on its way: not there */
	store_event(s, &event);
	event.seq = 3;
	event.note.kind = NOTE_UNOWNED;
	event.note.routes.count = 1;
	store_event(s, &event);
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_last_move(s, 3, &found), 1);
	assert_int_equal(found->seq, 3);
	free(found);
	assert_int_equal(store_last_move(s, 258, &found), 1);
	assert_int_equal(found->seq, 1);
	free(found);
	assert_int_equal(store_last_move(s, 2, &found), 0);
	store_close(s);
}

static void database_of_the_former_schema_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct store_event *h;

	put_event(s, 1, "a", 3);
	store_close(s);
	run_sql(f, "ALTER TABLE events DROP COLUMN event;"
		   "ALTER TABLE events DROP COLUMN applied_us;"
		   "ALTER TABLE events DROP COLUMN first_us;"
		   "PRAGMA user_version = 1");
	s = open_store(f);
	assert_int_equal(store_history(s, 0, NULL, 0, 10, &h), 1);
	assert_int_equal(h[0].note.routes.count, 3);
	assert_string_equal(h[0].note.event, "");
	free(h);
	put_event(s, 2, "b", 1);
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_history(s, 0, NULL, 0, 10, &h), 2);
	free(h);
	store_close(s);
}

static void history_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct store_event *h;

	put_event(s, 1, "a", 1);
	put_event(s, 2, "a", 1);
	put_event(s, STORE_HISTORY_MAX + 1, "a", 1);
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_history(s, 0, NULL, 0, 10, &h), 2);
	assert_int_equal(h[0].seq, 2);
	free(h);
	store_close(s);
}

/* The best of five: others use the machine, too. */
static void assert_quick(struct store *s, const char *title, const char *node,
			 uint64_t from_ms, int want)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t start = now_us(), took;
		struct store_event *h;

		assert_int_equal(store_history(s, 0, node, from_ms, 500, &h),
				 want);
		took = now_us() - start;
		free(h);
		best = took < best ? took : best;
	}
	print_message("  %s: %llu us\n", title, (unsigned long long)best);
	assert_true(best < QUICK_US);
}

static void long_history_is_read_quickly(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);

	store_close(s);
	run_sql(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
		   " FROM n WHERE i < 100000) INSERT INTO events SELECT i,"
		   " i * 10, 1, '', 'web-' || (i % 50), 'all', 1, i, 7, 3,"
		   " 'because', zeroblob(200), '', 0, 0 FROM n");
	s = open_store(f);
	assert_quick(s, "all", NULL, 0, 500);
	assert_quick(s, "a node", "web-7", 0, 500);
	assert_quick(s, "a node in every event", "all", 0, 500);
	assert_quick(s, "a node in none", "nobody", 0, 0);
	assert_quick(s, "the last ten", NULL, 999910, 10);
	assert_quick(s, "a node, in the future", "all", 2000000, 0);
	assert_quick(s, "all, in the future", NULL, 2000000, 0);
	store_close(s);
}

static void assert_refused(struct fixture *f, int want, const char *word)
{
	struct store *s = NULL;

	assert_int_equal(store_open(&s, f->path, f->err, sizeof(f->err)), want);
	assert_null(s);
	if (!strstr(f->err, word))
		fail_msg("\"%s\" does not say \"%s\"", f->err, word);
}

static void missing_directory_says_how_to_make_it(void **state)
{
	struct fixture *f = *state;

	snprintf(f->path, sizeof(f->path), "%s/none/halod.db", f->dir);
	assert_refused(f, -ENOENT, "install -d");
}

static void directory_in_its_place_is_refused(void **state)
{
	struct fixture *f = *state;

	strcpy(f->path, f->dir);
	assert_refused(f, -EISDIR, "set state in halod.conf");
}

static void newer_schema_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;

	store_close(open_store(f));
	run_sql(f, "PRAGMA user_version = 99");
	assert_refused(f, -EPROTO, "newer halod");
	assert_refused(f, -EPROTO, "newer halod");
}

static void file_that_is_no_database_is_refused(void **state)
{
	struct fixture *f = *state;
	FILE *file = fopen(f->path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("this is not a database\n", file);
	fclose(file);
	assert_refused(f, -EUCLEAN, "move it away");
}

static void overwritten_pages_are_found_at_open(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	char junk[4096];
	int fd;

	for (uint64_t seq = 1; seq <= 1000; seq++)
		put_event(s, seq, "a", 50);
	store_close(s);
	memset(junk, 0x5a, sizeof(junk));
	fd = open(f->path, O_WRONLY);
	for (int page = 2; page < 20; page++)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), page * 4096),
				 sizeof(junk));
	close(fd);
	assert_refused(f, -EUCLEAN, "corrupt");
}

static void row_that_no_halod_wrote_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct cluster_saved got;

	save(s, 49);
	store_close(s);
	run_sql(f, "UPDATE nodes SET state = 77 WHERE name = 'node-003'");
	s = open_store(f);
	assert_int_equal(store_load(s, &got), -EUCLEAN);
	store_close(s);
}

/* Polls; the store retries every second. */
static bool health_becomes(struct store *s, bool healthy)
{
	uint64_t lost, deadline = now_ms() + 10000;
	char text[200];
	struct timespec nap = { .tv_nsec = 5000000 };

	while (now_ms() < deadline) {
		int err = store_health(s, text, sizeof(text), &lost);

		if (!err == healthy) {
			assert_int_equal(!*text, healthy);
			return true;
		}
		nanosleep(&nap, NULL);
	}
	return false;
}

static void locked_database_degrades_and_recovers(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct cluster_saved got;
	sqlite3 *other;

	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", 0, 0, 0), 0);
	save(s, 5);
	assert_true(health_becomes(s, false));
	save(s, 6);
	sqlite3_close(other);
	assert_true(health_becomes(s, true));
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_load(s, &got), 0);
	assert_int_equal(got.version, 6);
	cluster_saved_fini(&got);
	store_close(s);
}

static void database_that_is_locked_at_start_is_opened_later(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct store_event *events;
	struct cluster_saved got;
	sqlite3 *other;

	put_event(s, 1, "a", 1);
	put_event(s, 2, "a", 1);
	store_close(s);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other,
				      "PRAGMA locking_mode = EXCLUSIVE;"
				      "BEGIN EXCLUSIVE",
				      0, 0, 0),
			 0);
	s = NULL;
	assert_int_not_equal(store_open(&s, f->path, f->err, sizeof(f->err)),
			     0);
	assert_int_equal(store_open_later(&s, f->path, f->err), 0);
	assert_true(health_becomes(s, false));
	assert_int_equal(store_load(s, &got), -EAGAIN);
	put_event(s, 1, "b", 1);
	save(s, 9);
	sqlite3_close(other);
	assert_true(health_becomes(s, true));
	assert_int_equal(store_last_seq(s), 3);
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_history(s, 0, NULL, 0, 10, &events), 3);
	assert_int_equal(events[2].seq, 3);
	assert_string_equal(events[2].note.from, "b");
	free(events);
	assert_int_equal(store_load(s, &got), 0);
	assert_int_equal(got.version, 9);
	cluster_saved_fini(&got);
	store_close(s);
}

/* It may be a newer halod's: nothing of it is touched. */
static void newer_database_at_start_is_left_alone_for_good(void **state)
{
	struct fixture *f = *state;
	struct store *s;

	store_close(open_store(f));
	run_sql(f, "PRAGMA user_version = 99");
	assert_int_equal(store_open_later(&s, f->path, "newer"), 0);
	save(s, 9);
	assert_true(health_becomes(s, false));
	store_close(s);
	run_sql(f, "CREATE TABLE proof AS SELECT 1 / (user_version = 99) AS ok "
		   "FROM pragma_user_version");
}

static void queue_is_bounded_and_counts_what_it_loses(void **state)
{
	struct fixture *f = *state;
	struct store *s = open_store(f);
	struct store_event *h;
	char text[200];
	uint64_t lost;
	sqlite3 *other;

	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", 0, 0, 0), 0);
	put_event(s, 1, "a", 0);
	assert_true(health_becomes(s, false));
	for (uint64_t seq = 2; seq <= STORE_QUEUE_MAX + 100; seq++)
		put_event(s, seq, "a", 0);
	sqlite3_close(other);
	assert_true(health_becomes(s, true));
	store_health(s, text, sizeof(text), &lost);
	assert_in_range(lost, 99, 100); /* one may have been in the writer */
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_history(s, 0, NULL, 0, STORE_HISTORY_MAX, &h),
			 STORE_QUEUE_MAX + 100 - lost);
	free(h);
	store_close(s);
}

/* A mount namespace of this process's own; nobody else sees the tmpfs. */
static bool mount_tmpfs(const char *dir, const char *options)
{
	return !unshare(CLONE_NEWNS) &&
	       !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("tmpfs", dir, "tmpfs", 0, options);
}

static void full_disk_degrades_and_recovers(void **state)
{
	struct fixture *f = *state;
	struct store_event *h;
	struct store *s;
	char path[100];
	char block[4096] = "";
	int fd;

	if (geteuid() || !mount_tmpfs(f->dir, "size=512k")) {
		print_message("skipped: needs root and a mount namespace\n");
		skip();
	}
	s = open_store(f);
	snprintf(path, sizeof(path), "%s/filler", f->dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	for (uint64_t seq = 1; seq <= 100; seq++)
		put_event(s, seq, "a", 1000);
	assert_true(health_becomes(s, false));
	unlink(path);
	assert_true(health_becomes(s, true));
	store_close(s);
	s = open_store(f);
	assert_int_equal(store_history(s, 0, NULL, 0, 1000, &h), 100);
	free(h);
	store_close(s);
	umount(f->dir);
}

static void read_only_file_system_is_refused(void **state)
{
	struct fixture *f = *state;

	if (geteuid() || !mount_tmpfs(f->dir, "size=512k") ||
	    mount(NULL, f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL)) {
		print_message("skipped: needs root and a mount namespace\n");
		skip();
	}
	assert_refused(f, -EROFS, "set state in halod.conf");
	umount(f->dir);
}

/* Never returns: writes states and events as fast as the disk takes them. */
static void write_for_ever(struct fixture *f, uint64_t version)
{
	struct store *s = NULL;

	if (store_open(&s, f->path, f->err, sizeof(f->err)))
		_exit(1);
	for (;; version++) {
		struct timespec nap = { .tv_nsec = 50000 };

		put_event(s, version, "a", 10);
		save(s, version);
		nanosleep(&nap, NULL);
	}
}

static void kill_after(pid_t child, uint64_t us)
{
	struct timespec nap = { .tv_nsec = (long)us * 1000 };
	int status;

	nanosleep(&nap, NULL);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

/* What was there after the kill: its version. */
static uint64_t check_after_kill(struct fixture *f, uint64_t at_least)
{
	struct store *s = open_store(f);
	struct cluster_saved got;
	uint64_t version = at_least;
	int err = store_load(s, &got);

	assert_true(err == 0 || (err == -ENOENT && at_least == 0));
	if (!err) {
		assert_true(got.version >= at_least);
		assert_is_whole(&got);
		version = got.version;
		cluster_saved_fini(&got);
	}
	store_close(s);
	return version;
}

static void kill_9_leaves_the_last_whole_state(void **state)
{
	struct fixture *f = *state;
	unsigned seed = (unsigned)getpid();
	uint64_t version = 0;

	if (getenv("SEED"))
		seed = (unsigned)strtoul(getenv("SEED"), NULL, 0);
	print_message("SEED=%u\n", seed);
	srandom(seed);
	for (int i = 0; i < 25; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			write_for_ever(f, version + 1);
		kill_after(child, (uint64_t)random() % 60000);
		version = check_after_kill(f, version);
	}
	print_message("reached version %llu\n", (unsigned long long)version);
	assert_true(version > 0);
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(what_was_saved_last_is_loaded_whole),
		store_test(history_gives_events_in_order_with_their_routes),
		store_test(what_is_known_later_is_added_to_the_event),
		store_test(last_move_of_a_route_is_found),
		store_test(database_of_the_former_schema_is_taken_over),
		store_test(history_is_bounded),
		store_test(long_history_is_read_quickly),
		store_test(missing_directory_says_how_to_make_it),
		store_test(directory_in_its_place_is_refused),
		store_test(newer_schema_is_refused_and_left_alone),
		store_test(file_that_is_no_database_is_refused),
		store_test(overwritten_pages_are_found_at_open),
		store_test(row_that_no_halod_wrote_is_refused),
		store_test(locked_database_degrades_and_recovers),
		store_test(database_that_is_locked_at_start_is_opened_later),
		store_test(newer_database_at_start_is_left_alone_for_good),
		store_test(queue_is_bounded_and_counts_what_it_loses),
		store_test(full_disk_degrades_and_recovers),
		store_test(read_only_file_system_is_refused),
		store_test(kill_9_leaves_the_last_whole_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
