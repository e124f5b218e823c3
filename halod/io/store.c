// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/store.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "io/store_db.h"

#define RETRY_S	      1 /* between attempts while the disk refuses */
#define CLOSE_S	      2
#define STORE_ERR_MAX 160

struct queued {
	struct queued *next;
	bool first_packet;	  /* only that, of event.seq */
	struct store_event event; /* its routes point to ids */
	uint16_t ids[];
};

/* What waits to be written, oldest event first. */
struct backlog {
	struct queued *first, **last;
	unsigned n_events;
	size_t bytes;
	bool has_state;
	struct cluster_saved state;
};

struct store {
	char *path;
	pthread_t thread;
	struct store_db *db; /* the thread's, once it runs */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct backlog backlog;
	uint64_t last_seq, lost;
	bool open; /* the database is; path is not to be read before */
	bool stop, done;
	int health;
	char text[STORE_ERR_MAX];
};

static void backlog_init(struct backlog *b)
{
	*b = (struct backlog){ 0 };
	b->last = &b->first;
}

static bool backlog_is_empty(const struct backlog *b)
{
	return !b->first && !b->has_state;
}

static size_t queued_size(const struct queued *q)
{
	return sizeof(*q) + q->event.note.routes.count * sizeof(*q->ids);
}

static void backlog_drop_oldest(struct backlog *b)
{
	struct queued *q = b->first;

	b->first = q->next;
	if (!b->first)
		b->last = &b->first;
	b->n_events--;
	b->bytes -= queued_size(q);
	free(q);
}

static void backlog_append(struct backlog *b, struct queued *q)
{
	*b->last = q;
	b->last = &q->next;
	b->n_events++;
	b->bytes += queued_size(q);
}

static void backlog_fini(struct backlog *b)
{
	while (b->first)
		backlog_drop_oldest(b);
	if (b->has_state)
		cluster_saved_fini(&b->state);
}

/* Empties from into to. */
static void backlog_move(struct backlog *to, struct backlog *from)
{
	*to = *from;
	if (!to->first)
		to->last = &to->first;
	backlog_init(from);
}

/* How many of the oldest had to give way to the bounds. */
static unsigned backlog_trim(struct backlog *b)
{
	unsigned dropped = 0;

	for (; b->n_events > STORE_QUEUE_MAX || b->bytes > STORE_QUEUE_BYTES;
	     dropped++)
		backlog_drop_oldest(b);
	return dropped;
}

/* What could not be written goes before what came meanwhile. */
static void backlog_put_back(struct backlog *b, struct backlog *unwritten)
{
	struct backlog newer;

	backlog_move(&newer, b);
	backlog_move(b, unwritten);
	while (newer.first) {
		struct queued *q = newer.first;

		newer.first = q->next;
		q->next = NULL;
		backlog_append(b, q);
	}
	if (newer.has_state) {
		if (b->has_state)
			cluster_saved_fini(&b->state);
		b->state = newer.state;
		b->has_state = true;
	}
}

static int put_all(struct store_db *db, const struct backlog *work)
{
	int err = 0;

	if (work->has_state)
		err = store_db_put_state(db, &work->state);
	for (const struct queued *q = work->first; !err && q; q = q->next)
		err = q->first_packet
			      ? store_db_put_first_packet(db, q->event.seq,
							  q->event.first_us)
			      : store_db_put_event(db, &q->event);
	return err ? err : store_db_commit(db);
}

/* 0 or -errno with the reason in text. */
static int write_out(struct store_db *db, const struct backlog *work,
		     char *text)
{
	int err = store_db_begin(db);

	if (!err)
		err = put_all(db, work);
	snprintf(text, STORE_ERR_MAX, "%s", err ? store_db_error(db) : "");
	if (err)
		store_db_abort(db);
	return err;
}

static void wait_for_retry(struct store *s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_S;
	while (!s->stop &&
	       pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT)
		;
}

/* With the lock, which it drops while it writes. */
static void write_backlog(struct store *s)
{
	struct backlog work;
	char text[STORE_ERR_MAX];
	int err;

	backlog_move(&work, &s->backlog);
	pthread_mutex_unlock(&s->lock);
	err = write_out(s->db, &work, text);
	if (!err)
		backlog_fini(&work);
	pthread_mutex_lock(&s->lock);
	s->health = err;
	memcpy(s->text, text, sizeof(text));
	if (!err)
		return;
	backlog_put_back(&s->backlog, &work);
	s->lost += backlog_trim(&s->backlog);
	wait_for_retry(s);
}

/* What was put before numbers were known comes after what is on disk. */
static void take_numbers(struct store *s, uint64_t on_disk)
{
	for (struct queued *q = s->backlog.first; q; q = q->next)
		q->event.seq += on_disk;
	s->last_seq += on_disk;
}

/* With the lock, which it drops while it tries. */
static void try_to_open(struct store *s)
{
	struct store_db *db = NULL;
	char text[STORE_ERR_MAX] = "";
	uint64_t on_disk = 0;
	int err;

	pthread_mutex_unlock(&s->lock);
	err = store_db_open(&db, s->path, text, sizeof(text));
	if (!err)
		err = store_db_last_seq(db, &on_disk);
	pthread_mutex_lock(&s->lock);
	s->health = err;
	if (err) {
		store_db_close(db);
		snprintf(s->text, sizeof(s->text), "%s", text);
		wait_for_retry(s);
		return;
	}
	s->db = db;
	s->open = true;
	take_numbers(s, on_disk);
}

/* When told to stop it tries once more, not for ever. */
static void *store_thread(void *arg)
{
	struct store *s = arg;
	bool last = false;

	pthread_mutex_lock(&s->lock);
	while (!s->open && !s->stop)
		try_to_open(s);
	last = !s->open;
	while (!last) {
		while (!s->stop && backlog_is_empty(&s->backlog))
			pthread_cond_wait(&s->wake, &s->lock);
		last = s->stop;
		if (!backlog_is_empty(&s->backlog))
			write_backlog(s);
	}
	s->done = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct store *s)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&s->thread, NULL, store_thread, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static void init_locks(struct store *s)
{
	pthread_condattr_t attr;
	pthread_mutexattr_t mutex;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	/* under profile fast the caller is real-time, this thread is not */
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&s->lock, &mutex);
	pthread_mutexattr_destroy(&mutex);
}

static struct store *store_new(const char *path)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->path = strdup(path);
	if (!s->path) {
		free(s);
		return NULL;
	}
	init_locks(s);
	backlog_init(&s->backlog);
	return s;
}

static void store_free(struct store *s)
{
	store_db_close(s->db);
	backlog_fini(&s->backlog);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
}

int store_open_later(struct store **out, const char *path, const char *why)
{
	struct store *s = store_new(path);
	int err;

	if (!s)
		return -ENOMEM;
	s->health = -EAGAIN;
	snprintf(s->text, sizeof(s->text), "%s", why);
	err = start_thread(s);
	if (err)
		store_free(s);
	else
		*out = s;
	return err;
}

int store_open(struct store **out, const char *path, char *err,
	       unsigned err_size)
{
	struct store *s = store_new(path);
	int ret;

	snprintf(err, err_size, "%s: out of memory", path);
	if (!s)
		return -ENOMEM;
	ret = store_db_open(&s->db, path, err, err_size);
	if (!ret)
		ret = store_db_last_seq(s->db, &s->last_seq);
	s->open = !ret;
	if (!ret)
		ret = start_thread(s);
	if (ret) {
		store_free(s);
		return ret;
	}
	snprintf(err, err_size, "%s", "");
	*out = s;
	return 0;
}

static bool is_open(struct store *s)
{
	bool open;

	pthread_mutex_lock(&s->lock);
	open = s->open;
	pthread_mutex_unlock(&s->lock);
	return open;
}

int store_load(struct store *s, struct cluster_saved *out)
{
	struct store_db *db;
	int err = is_open(s) ? store_db_open_reader(&db, s->path) : -EAGAIN;

	if (err)
		return err;
	err = store_db_load(db, out);
	store_db_close(db);
	return err;
}

uint64_t store_last_seq(struct store *s)
{
	uint64_t seq;

	pthread_mutex_lock(&s->lock);
	seq = s->last_seq;
	pthread_mutex_unlock(&s->lock);
	return seq;
}

void store_save(struct store *s, struct cluster_saved *take_state)
{
	pthread_mutex_lock(&s->lock);
	if (s->backlog.has_state)
		cluster_saved_fini(&s->backlog.state);
	s->backlog.state = *take_state;
	s->backlog.has_state = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	*take_state = (struct cluster_saved){ 0 };
}

/* NULL: no memory. */
static struct queued *copy_event(const struct store_event *event)
{
	const struct route_set *routes = &event->note.routes;
	size_t len = routes->count * sizeof(*routes->ids);
	struct queued *q = malloc(sizeof(*q) + len);

	if (!q)
		return NULL;
	q->next = NULL;
	q->first_packet = false;
	q->event = *event;
	if (len)
		memcpy(q->ids, routes->ids, len);
	q->event.note.routes.ids = q->ids;
	return q;
}

void store_event(struct store *s, const struct store_event *event)
{
	struct queued *q = copy_event(event);

	pthread_mutex_lock(&s->lock);
	if (event->seq > s->last_seq)
		s->last_seq = event->seq;
	if (q) {
		backlog_append(&s->backlog, q);
		s->lost += backlog_trim(&s->backlog);
		pthread_cond_signal(&s->wake);
	} else {
		s->lost++;
	}
	pthread_mutex_unlock(&s->lock);
}

void store_first_packet(struct store *s, uint64_t seq, uint64_t first_us)
{
	struct store_event event = { .seq = seq, .first_us = first_us };
	struct queued *q = copy_event(&event);

	if (!q)
		return; /* a figure, nothing that happened */
	q->first_packet = true;
	pthread_mutex_lock(&s->lock);
	backlog_append(&s->backlog, q);
	s->lost += backlog_trim(&s->backlog);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

int store_health(struct store *s, char *text, unsigned size, uint64_t *lost)
{
	int health;

	pthread_mutex_lock(&s->lock);
	health = s->health;
	*lost = s->lost;
	if (health && s->open)
		snprintf(text, size, "%s: %s", s->path, s->text);
	else if (health)
		snprintf(text, size, "%s", s->text);
	else
		snprintf(text, size, "%s", "");
	pthread_mutex_unlock(&s->lock);
	return health;
}

int store_history(struct store *s, uint64_t since, const char *node,
		  uint64_t from_ms, unsigned max, struct store_event **out)
{
	struct store_db *db;
	int ret = is_open(s) ? store_db_open_reader(&db, s->path) : -EAGAIN;

	if (ret)
		return ret;
	ret = store_db_history(db, since, node, from_ms, max, out);
	store_db_close(db);
	return ret;
}

int store_last_move(struct store *s, uint16_t route, struct store_event **out)
{
	struct store_db *db;
	int ret = is_open(s) ? store_db_open_reader(&db, s->path) : -EAGAIN;

	if (ret)
		return ret;
	ret = store_db_last_move(db, route, out);
	store_db_close(db);
	return ret;
}

/* False: the disk hangs, and the thread with it. */
static bool stop_thread(struct store *s)
{
	struct timespec until;
	bool done;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSE_S;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->wake);
	while (!s->done && !err)
		err = pthread_cond_timedwait(&s->wake, &s->lock, &until);
	done = s->done;
	pthread_mutex_unlock(&s->lock);
	return done;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (!stop_thread(s)) {
		/* what it still uses ends with the process */
		pthread_detach(s->thread);
		return;
	}
	pthread_join(s->thread, NULL);
	store_free(s);
}
