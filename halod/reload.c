// SPDX-License-Identifier: GPL-2.0-or-later
#include "reload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct waiter {
	struct control_client *client; /* NULL: free */
	bool next; /* for the reading that follows the one under way */
};

struct reload {
	struct ev_loop *loop;
	const char *path;
	reload_fn *done;
	void *arg;
	ev_async finished;
	pthread_t thread;
	bool busy, again;
	const struct conf *running; /* the daemon's */
	struct waiter waiting[CONTROL_CLIENTS_MAX];

	/* the thread's while busy */
	struct conf before; /* what runs, when the reading began */
	struct reload_read read;
};

static void *read_all(void *arg)
{
	struct reload *r = arg;
	struct reload_read *read = &r->read;

	read->err = conf_reload(&read->conf, r->path, &r->before, &read->diags);
	if (!read->err)
		read->err = agents_prepare(&read->agents, &read->conf,
					   &read->diags);
	ev_async_send(r->loop, &r->finished);
	return NULL;
}

/* Signals are the main thread's. */
static int begin(struct reload *r)
{
	sigset_t all, before;
	int err;

	r->read = (struct reload_read){ .err = 0 };
	r->before = *r->running;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&r->thread, NULL, read_all, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	r->busy = !err;
	return err;
}

static void finish(struct reload *r)
{
	pthread_join(r->thread, NULL);
	r->busy = false;
}

static void answer(struct reload *r, json_t *take_answer)
{
	for (unsigned i = 0; i < ARRAY_SIZE(r->waiting); i++) {
		struct waiter *w = &r->waiting[i];

		if (w->client && !w->next) {
			control_reply(w->client, json_incref(take_answer));
			w->client = NULL;
		}
		w->next = false;
	}
	json_decref(take_answer);
}

static void on_finished(struct ev_loop *loop, ev_async *w, int revents)
{
	struct reload *r = w->data;

	finish(r);
	answer(r, r->done(r->arg, &r->read));
	agents_change_free(r->read.agents);
	r->read.agents = NULL;
	if (!r->again)
		return;
	r->again = false;
	if (begin(r)) {
		r->read.err = -EAGAIN;
		diag_error(&r->read.diags, r->path, 0,
			   "cannot be read: no thread could be started");
		answer(r, r->done(r->arg, &r->read));
	}
}

int reload_new(struct reload **out, struct ev_loop *loop, const char *path,
	       reload_fn *done, void *arg)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->path = path;
	r->done = done;
	r->arg = arg;
	ev_async_init(&r->finished, on_finished);
	r->finished.data = r;
	ev_async_start(loop, &r->finished);
	*out = r;
	return 0;
}

void reload_free(struct reload *r)
{
	if (!r)
		return;
	if (r->busy)
		finish(r);
	agents_change_free(r->read.agents);
	ev_async_stop(r->loop, &r->finished);
	free(r);
}

static void wait_for(struct reload *r, struct control_client *client)
{
	for (unsigned i = 0; client && i < ARRAY_SIZE(r->waiting); i++) {
		if (r->waiting[i].client)
			continue;
		r->waiting[i] = (struct waiter){ client, r->busy };
		return;
	}
}

int reload_ask(struct reload *r, const struct conf *running,
	       struct control_client *client)
{
	int err = 0;

	r->running = running;
	if (r->busy) {
		wait_for(r, client);
		r->again = true;
		return 0;
	}
	wait_for(r, client);
	err = begin(r);
	if (err)
		reload_forget(r, client);
	return err;
}

void reload_forget(struct reload *r, const struct control_client *client)
{
	for (unsigned i = 0; client && i < ARRAY_SIZE(r->waiting); i++)
		if (r->waiting[i].client == client)
			r->waiting[i].client = NULL;
}
