// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_ends.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/conntrack.h"
#include "io/rawsock.h"
#include "io/realtime.h"
#include "packet/route_bits.h"
#include "plane/plane_nft_early.h"
#include "plane/plane_nft_tell.h"

/* What was on its way through the kernel when the first look came is confirmed
 * by now. */
#define SECOND_LOOK_NS (20 * NS_PER_MS)
/* RFC 5961: a second challenge within 500 ms goes unanswered. */
#define TELL_AGAIN_NS (600 * NS_PER_MS)
#define FIFO_PRIORITY 4	  /* below those that hold and judge */
#define CHUNK	      64  /* entries deleted at once */
#define NEWEST	      256 /* SYNs that are looked for first */

enum step { FIRST_LOOK, SECOND_LOOK, TELL_AGAIN };

/* A request on its way through the steps. */
struct job {
	struct job *next;
	enum step step;
	uint64_t due_ns;
	uint32_t tag;
	bool forced, all_routes;
	struct route_bits routes;
	struct engine_conf *former; /* doors that may be gone; NULL: by tag */
	uint64_t ended;
	struct plane_nft_flows told; /* to be told again */
};

struct plane_nft_ends {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct job *jobs; /* under the lock, in the order they were made */
	bool stop;

	/* the thread's alone */
	bool realtime;
	struct doors *doors;
	struct plane_nft_tag tag;
	struct event_queue *events;
	struct plane_nft_syns *syns;
	struct conntrack *ct;
	struct rawsock raw, replay;
	struct ct_seq *seq;	      /* NULL: SYN/ACKs have to do */
	struct plane_nft_early early; /* what the main thread expects apart */

	struct {
		_Atomic uint64_t replayed, told_clients, told_nodes, ended;
	} count;
};

static void free_job(struct job *j)
{
	plane_nft_flows_clear(&j->told);
	free(j->former);
	free(j);
}

/* Planned ends leave services with keep alone. */
static bool concerns(const struct plane_nft_ends *e, const struct job *j,
		     const struct conntrack_entry *c)
{
	bool keep;
	struct engine_door door = doors_find(e->doors, &c->door, c->protocol,
					     &keep),
			   former;

	if (j->former) {
		former = engine_door(j->former, &c->door, c->protocol);
		return c->mark & e->tag.mask && former.found &&
		       (!door.found || door.route != former.route);
	}
	if (!door.found || (!j->forced && keep))
		return false;
	return j->all_routes || route_bits_has(&j->routes, door.route);
}

/* Only who has taken part in a handshake is told: no victim of a forged source
 * hears of us. */
static bool is_to_be_told(const struct conntrack_entry *c)
{
	return c->protocol == IPPROTO_TCP && c->assured &&
	       c->state == CONNTRACK_ESTABLISHED;
}

static bool is_unanswered(const struct conntrack_entry *c)
{
	return c->state == CONNTRACK_SYN_SENT && !c->answered;
}

static void replay(struct plane_nft_ends *e, const struct conntrack_entry *c)
{
	struct flow_key key = { .client = c->client.addr,
				.protocol = c->protocol,
				.client_port = c->client.port,
				.door_port = c->door.port };
	uint8_t syn[JOURNAL_SYN_MAX];
	size_t len = plane_nft_syns_find(e->syns, &key, syn);

	if (!len)
		return;
	rawsock_send(&e->replay, syn, len);
	e->count.replayed++;
}

static void settle(struct plane_nft_ends *e, struct job *j,
		   const struct conntrack_entry *c,
		   const struct ct_seq_item *numbers)
{
	j->ended++;
	e->count.ended++;
	if (is_unanswered(c)) {
		replay(e, c);
	} else if (is_to_be_told(c)) {
		plane_nft_tell(&e->raw, c, numbers, j->forced);
		e->count.told_clients++;
		e->count.told_nodes += !j->forced;
		if (plane_nft_flows_add(&j->told, c))
			log_warn("client is told once only",
				 "error=\"out of memory\"");
	}
}

/* Entries of a listing on their way to be ended. */
struct ending {
	struct plane_nft_ends *ends;
	struct job *job;
	unsigned count;
	int err;
	struct conntrack_entry entries[CHUNK];
};

/* found: false in all of which nothing is known. */
static void read_numbers(struct plane_nft_ends *e,
			 const struct conntrack_entry *entries, unsigned count,
			 struct ct_seq_item out[CHUNK])
{
	int err;

	for (unsigned i = 0; i < count; i++)
		out[i] = (struct ct_seq_item){ .client = entries[i].client,
					       .door = entries[i].door };
	err = e->seq ? ct_seq_read(e->seq, out, count) : 0;
	if (err)
		log_debug("sequence numbers not read", "error=\"%s\"",
			  strerror(-err));
}

/* Deleted before anybody is told: as long as the kernel knows the flow, the
 * answers go to the node and nobody notices. Who has gone meanwhile may have
 * come back with the same port, and is left in peace. */
static void end_chunk(struct ending *in)
{
	struct ct_seq_item numbers[CHUNK];
	bool gone[CHUNK];

	read_numbers(in->ends, in->entries, in->count, numbers);
	in->err = conntrack_delete(in->ends->ct, in->entries, in->count, gone);
	if (in->err)
		return;
	plane_nft_syns_drain(in->ends->syns);
	for (unsigned i = 0; i < in->count; i++)
		if (!gone[i])
			settle(in->ends, in->job, &in->entries[i], &numbers[i]);
	in->count = 0;
}

static bool end_one(void *arg, const struct conntrack_entry *c)
{
	struct ending *in = arg;

	if (!concerns(in->ends, in->job, c))
		return true;
	in->entries[in->count++] = *c;
	if (in->count == CHUNK)
		end_chunk(in);
	return !in->err;
}

static bool end_assured(void *arg, const struct conntrack_entry *c)
{
	return !c->assured || end_one(arg, c);
}

/* Of the flows found, those that wait for an answer. */
struct finding {
	uint32_t mark, mask;
	unsigned count;
	struct conntrack_entry entries[NEWEST];
};

static bool note_found(void *arg, const struct conntrack_entry *c)
{
	struct finding *f = arg;

	if ((c->mark & f->mask) == f->mark && is_unanswered(c) &&
	    f->count < NEWEST)
		f->entries[f->count++] = *c;
	return true;
}

/* Clients who wait for an answer wait for nothing else: their flows are found
 * by their SYNs, not by the walk. */
static int end_newest(struct plane_nft_ends *e, struct ending *in)
{
	struct conntrack_entry newest[NEWEST];
	struct finding f = { .mark = in->job->tag << e->tag.shift,
			     .mask = e->tag.mask };
	unsigned count;
	int err;

	plane_nft_syns_drain(e->syns);
	count = plane_nft_syns_newest(e->syns, newest, NEWEST);
	err = conntrack_find(e->ct, newest, count, note_found, &f);
	for (unsigned i = 0; i < f.count && !err && !in->err; i++)
		end_one(in, &f.entries[i]);
	if (!err && !in->err)
		end_chunk(in);
	return err;
}

/* While the listing goes on: the kernel takes 10 ms to walk an empty hash. */
static int end_all(struct plane_nft_ends *e, struct ending *in, bool assured)
{
	struct conntrack_mark tag = { in->job->tag << e->tag.shift,
				      in->job->former ? 0 : e->tag.mask,
				      assured };
	int err = conntrack_list(e->ct, &tag, assured ? end_assured : end_one,
				 in);

	if (!err && !in->err)
		end_chunk(in);
	return err;
}

/* false: no list was made when the node fell silent. */
static bool end_listed(struct plane_nft_ends *e, struct ending *in)
{
	struct plane_nft_flows listed;

	if (!plane_nft_early_take(&e->early, in->job->tag, &listed))
		return false;
	for (size_t i = 0; i < listed.count && !in->err; i++)
		end_one(in, &listed.entries[i]);
	if (!in->err)
		end_chunk(in);
	plane_nft_flows_clear(&listed);
	return true;
}

/* clients who believe in their connection do not wait for 100,000 half-open
 * ones of a flood */
static int end_walking(struct plane_nft_ends *e, struct ending *in)
{
	int err = 0;

	if (in->job->step == FIRST_LOOK)
		err = end_all(e, in, true);
	return err || in->err ? err : end_all(e, in, false);
}

/* What a list lacks is left to the next look: a walk at once would keep those
 * from a CPU that are to hear of it. */
static void end_found(struct plane_nft_ends *e, struct job *j)
{
	struct ending in = { .ends = e, .job = j };
	int err = end_newest(e, &in);

	if (!err && !in.err && !end_listed(e, &in))
		err = end_walking(e, &in);
	if (err || in.err)
		log_error("flows not ended", "tag=%u error=\"%s\"", j->tag,
			  strerror(err ? -err : -in.err));
}

/* Once more, in case it got lost; but who has a flow again has come back with
 * the same port, and is left in peace. */
static void tell_again(struct plane_nft_ends *e, const struct job *j)
{
	struct ct_seq_item numbers[CHUNK];

	for (size_t at = 0; at < j->told.count; at += CHUNK) {
		const struct conntrack_entry *c = &j->told.entries[at];
		size_t left = j->told.count - at;
		unsigned count = (unsigned)(left < CHUNK ? left : CHUNK);

		read_numbers(e, c, count, numbers);
		for (unsigned i = 0; i < count; i++)
			if (!numbers[i].found)
				plane_nft_tell_ask(&e->raw, &c[i], j->forced);
	}
}

static void announce(struct plane_nft_ends *e, const struct job *j)
{
	struct plane_event ev = { .type = PLANE_FLOWS_ENDED,
				  .tag = j->tag,
				  .count = j->ended,
				  .ok = true };

	event_queue_push(e->events, &ev);
}

static bool wait_until(struct job *j, enum step step, uint64_t delay_ns)
{
	j->step = step;
	j->due_ns = clock_monotonic_ns() + delay_ns;
	return true;
}

/* false: the job is finished. */
static bool take_step(struct plane_nft_ends *e, struct job *j)
{
	switch (j->step) {
	case FIRST_LOOK:
		end_found(e, j);
		return wait_until(j, SECOND_LOOK, SECOND_LOOK_NS);
	case SECOND_LOOK:
		end_found(e, j);
		announce(e, j);
		return j->told.count &&
		       wait_until(j, TELL_AGAIN, TELL_AGAIN_NS);
	case TELL_AGAIN:
		tell_again(e, j);
		break;
	}
	return false;
}

/* The job that is due first; of several, the oldest. Under the lock. */
static struct job **first_due(struct plane_nft_ends *e)
{
	struct job **first = &e->jobs;

	for (struct job **at = &e->jobs; *at; at = &(*at)->next)
		if ((*at)->due_ns < (*first)->due_ns)
			first = at;
	return first;
}

static void append(struct plane_nft_ends *e, struct job *j)
{
	struct job **at = &e->jobs;

	while (*at)
		at = &(*at)->next;
	j->next = NULL;
	*at = j;
}

static void wait_for(struct plane_nft_ends *e, uint64_t due_ns)
{
	struct timespec at = { .tv_sec = (time_t)(due_ns / NS_PER_S),
			       .tv_nsec = (long)(due_ns % NS_PER_S) };

	if (due_ns == TIME_NEVER)
		pthread_cond_wait(&e->asked, &e->lock);
	else
		pthread_cond_timedwait(&e->asked, &e->lock, &at);
}

static void list_early(struct plane_nft_ends *e)
{
	int err = plane_nft_early_work(&e->early, e->ct, &e->tag);

	if (err)
		log_warn("flows not listed early", "error=\"%s\"",
			 strerror(-err));
}

static void do_job(struct plane_nft_ends *e, struct job *j)
{
	if (!take_step(e, j)) {
		free_job(j);
		return;
	}
	pthread_mutex_lock(&e->lock);
	append(e, j);
	pthread_mutex_unlock(&e->lock);
}

/* A job that is due, out of the list; NULL: none, but there are lists to be
 * made or dropped. false: stop. */
static bool wait_for_work(struct plane_nft_ends *e, struct job **out)
{
	bool due = false, stop;

	*out = NULL;
	pthread_mutex_lock(&e->lock);
	while (!e->stop && !due) {
		struct job **first = first_due(e), *j = *first;
		uint64_t now_ns = clock_monotonic_ns();

		due = true;
		if (j && j->due_ns <= now_ns) {
			*first = j->next;
			*out = j;
		} else if (!plane_nft_early_is_due(&e->early, now_ns)) {
			due = false;
			wait_for(e, j ? j->due_ns : TIME_NEVER);
		}
	}
	stop = e->stop;
	pthread_mutex_unlock(&e->lock);
	return !stop;
}

static void *work(void *arg)
{
	struct plane_nft_ends *e = arg;
	struct job *j;

	if (e->realtime && realtime_enter(FIFO_PRIORITY))
		log_warn("flows are ended without real-time priority",
			 "why=\"no CAP_SYS_NICE\"");
	while (wait_for_work(e, &j)) {
		if (j)
			do_job(e, j);
		else
			list_early(e);
	}
	return NULL;
}

static void init_lock(struct plane_nft_ends *e)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->asked, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&e->lock, NULL);
}

int plane_nft_ends_new(struct plane_nft_ends **out,
		       const struct plane_nft_ends_conf *conf,
		       struct event_queue *events, struct plane_nft_syns *syns)
{
	struct plane_nft_ends *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->doors = conf->doors;
	e->tag = conf->tag;
	e->realtime = conf->realtime;
	e->events = events;
	e->syns = syns;
	err = conntrack_open(&e->ct);
	if (err)
		goto err_free;
	err = rawsock_init(&e->raw, conf->mark);
	if (err)
		goto err_conntrack;
	err = rawsock_init(&e->replay, conf->replay);
	if (err)
		goto err_raw;
	init_lock(e);
	err = -pthread_create(&e->thread, NULL, work, e);
	if (err)
		goto err_replay;
	*out = e;
	return 0;

err_replay:
	rawsock_fini(&e->replay);
err_raw:
	rawsock_fini(&e->raw);
err_conntrack:
	conntrack_close(e->ct);
err_free:
	free(e);
	return err;
}

void plane_nft_ends_free(struct plane_nft_ends *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->stop = true;
	pthread_cond_signal(&e->asked);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->thread, NULL);
	while (e->jobs) {
		struct job *next = e->jobs->next;

		free_job(e->jobs);
		e->jobs = next;
	}
	plane_nft_early_fini(&e->early);
	rawsock_fini(&e->replay);
	rawsock_fini(&e->raw);
	conntrack_close(e->ct);
	pthread_cond_destroy(&e->asked);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* The thread looks at it in the course of a job: ask() publishes it. */
void plane_nft_ends_use(struct plane_nft_ends *e, struct ct_seq *seq)
{
	e->seq = seq;
}

static void hand_over(struct plane_nft_ends *e, struct job *j)
{
	pthread_mutex_lock(&e->lock);
	append(e, j);
	pthread_cond_signal(&e->asked);
	pthread_mutex_unlock(&e->lock);
}

void plane_nft_ends_expect(struct plane_nft_ends *e, uint32_t tag, bool on)
{
	plane_nft_early_expect(&e->early, tag, on);
	pthread_mutex_lock(&e->lock);
	pthread_cond_signal(&e->asked);
	pthread_mutex_unlock(&e->lock);
}

int plane_nft_ends_ask(struct plane_nft_ends *e, uint32_t tag,
		       const struct route_set *routes, bool forced)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->tag = tag;
	j->forced = forced;
	j->all_routes = !routes->count;
	route_bits_add_set(&j->routes, routes);
	hand_over(e, j);
	return 0;
}

int plane_nft_ends_ask_gone(struct plane_nft_ends *e,
			    const struct engine_conf *former)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->former = malloc(sizeof(*j->former));
	if (!j->former) {
		free(j);
		return -ENOMEM;
	}
	*j->former = *former;
	hand_over(e, j);
	return 0;
}

void plane_nft_ends_stats(const struct plane_nft_ends *e,
			  struct plane_nft_ends_stats *out)
{
	*out = (struct plane_nft_ends_stats){
		.replayed = e->count.replayed,
		.told_clients = e->count.told_clients,
		.told_nodes = e->count.told_nodes,
		.ended = e->count.ended,
	};
}
