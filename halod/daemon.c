// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "carrier.h"
#include "control/cluster.h"
#include "drains.h"
#include "io/agents.h"
#include "io/clock.h"
#include "io/control_socket.h"
#include "io/host.h"
#include "io/log_limit.h"
#include "io/probe.h"
#include "io/realtime.h"
#include "io/store.h"
#include "manager.h"
#include "notes.h"
#include "reconf.h"
#include "recovery.h"
#include "reload.h"
#include "requests.h"
#include "settings.h"

#define REALTIME_PRIORITY 50
#define PEER_NOTES_PER_S  10   /* of what agents bring about at will */
#define SHUTDOWN_REPLY_S  0.05 /* for haloctl's answer to go out */

struct daemon {
	struct conf conf;
	char path[256];
	struct ev_loop *loop;
	struct cluster *cluster;
	struct effects *fx;
	bool stepping;
	struct carrier carrier;
	struct store *store; /* NULL: degraded */
	char store_error[200];
	struct manager manager;
	char no_realtime[120]; /* what profile fast lacks; or "" */
	struct reload *reload;
	char reload_error[400]; /* why the file is not in force; or "" */
	uint64_t seq;		/* of the last event */
	uint64_t decided_ns;	/* the step in hand began */
	uint64_t applied_version, applied_us; /* by the plane, in that step */
	struct log_limit peer_notes;
	struct agents *agents;
	struct control_socket *control, *control_readonly; /* or NULL */
	struct probes *probes;
	struct clock_timer tick;
	struct drains drains;
	ev_signal sigterm, sigint, sighup;
	ev_timer shutdown_timer;
	bool flush;
	int failed;		/* what it ended by; 0: it was told to */
	struct event *deferred; /* that came up while stepping */
	unsigned n_deferred, deferred_room;
	struct requests_context requests;
	struct host_report host; /* as it was at start */
	const char *warnings[HOST_FINDINGS_MAX + 1];
};

static void feed(struct daemon *d, const struct event *ev);

/* ---- effect → I/O ---- */

static void do_send(struct daemon *d, const struct effect *e)
{
	agents_send(d->agents, e->link, &e->message);
}

static void do_close(struct daemon *d, const struct effect *e)
{
	agents_close_link(d->agents, e->link);
}

static void do_hold(struct daemon *d, const struct effect *e)
{
	carrier_hold(&d->carrier, &e->routes, true);
}

static void do_release(struct daemon *d, const struct effect *e)
{
	carrier_hold(&d->carrier, &e->routes, false);
}

/* An event without borrowed pointers, to be fed after this step. */
static void defer(struct daemon *d, const struct event *ev)
{
	struct event *grown = d->deferred;

	if (d->n_deferred == d->deferred_room) {
		d->deferred_room = d->deferred_room ? 2 * d->deferred_room : 16;
		grown = realloc(grown, d->deferred_room * sizeof(*grown));
		if (!grown) {
			d->deferred_room = d->n_deferred;
			log_error("event lost", "why=\"out of memory\"");
			return;
		}
		d->deferred = grown;
	}
	d->deferred[d->n_deferred++] = *ev;
}

static void do_apply(struct daemon *d, const struct effect *e)
{
	struct event failed = { .type = EVENT_APPLY_FAILED,
				.version = e->table->version };

	if (carrier_apply(&d->carrier, e->table))
		defer(d, &failed);
	d->requests.table = d->carrier.table;
	d->applied_version = d->carrier.table->version;
	d->applied_us = (clock_monotonic_ns() - d->decided_ns) / NS_PER_US;
}

static void do_end_flows(struct daemon *d, const struct effect *e)
{
	carrier_end_flows(&d->carrier, e->tag, &e->routes, e->forced);
}

static const struct conf_service *first_tcp_service(const struct conf *conf)
{
	for (unsigned i = 0; i < conf->n_services; i++)
		if (conf->services[i].protocol == IPPROTO_TCP)
			return &conf->services[i];
	return NULL;
}

static void do_probe(struct daemon *d, const struct effect *e)
{
	const struct conf_service *s = first_tcp_service(&d->conf);
	struct event accepted = { .type = EVENT_PROBED,
				  .tag = e->tag,
				  .ok = true };
	struct endpoint door = { .addr = e->addr };

	if (!s) { /* datagrams prove nothing: only time tells */
		defer(d, &accepted);
		return;
	}
	door.port = s->node_port ? s->node_port
				 : (uint16_t)(s->listen + e->route - 1);
	probes_start(d->probes, e->tag, &door,
		     d->conf.agents.interval_ns * d->conf.agents.miss);
}

static void do_store(struct daemon *d, const struct effect *e)
{
	struct cluster_saved saved;

	if (!d->store)
		return;
	if (cluster_save(d->cluster, &saved))
		log_error("state not stored", "why=\"out of memory\"");
	else
		store_save(d->store, &saved);
}

/* None is a change of state, and any agent with a key, or a program that fights
 * for the ruleset, can have as many as it likes: they must not push what
 * happened out of log and history. */
static bool is_noise(struct daemon *d, enum note_kind kind)
{
	unsigned left_out;

	if (kind != NOTE_REFUSED_NODE && kind != NOTE_DIVERGED &&
	    kind != NOTE_REPAIRED && kind != NOTE_REPAIR_FAILED)
		return false;
	if (!log_limit_pass(&d->peer_notes, clock_monotonic_ns(), &left_out))
		return true;
	if (left_out)
		log_warn("notes left out", "count=%u", left_out);
	return false;
}

/* A database that was opened late has numbers of its own. */
static uint64_t next_seq(struct daemon *d)
{
	uint64_t last = d->store ? store_last_seq(d->store) : 0;

	d->seq = (last > d->seq ? last : d->seq) + 1;
	return d->seq;
}

static void tell(struct daemon *d, const struct note *note)
{
	struct store_event event = { .seq = next_seq(d),
				     .time_ms = clock_wall_ms(),
				     .note = *note };
	json_t *json;

	if ((note->kind == NOTE_MOVED || note->kind == NOTE_UNOWNED) &&
	    note->version == d->applied_version)
		event.applied_us = d->applied_us;
	notes_log(note);
	if (d->store)
		store_event(d->store, &event);
	json = requests_note(&d->requests, &event);
	if (d->control)
		control_publish(d->control, json_incref(json));
	if (d->control_readonly)
		control_publish(d->control_readonly, json_incref(json));
}

static void note(struct daemon *d, const struct note *note)
{
	if (!is_noise(d, note->kind))
		tell(d, note);
}

static void do_note(struct daemon *d, const struct effect *e)
{
	note(d, &e->note);
}

static void on_drifted(void *arg, bool ok, uint64_t ms)
{
	struct daemon *d = arg;
	struct note n = { .kind = ok ? NOTE_REPAIRED : NOTE_REPAIR_FAILED,
			  .version = d->carrier.table->version,
			  .ms = ms };

	snprintf(n.why, sizeof(n.why),
		 "another program changed the rules of "
		 "plane %s: %s",
		 d->carrier.ops->name,
		 ok ? "written anew" : "they could not be written");
	note(d, &n);
}

static void (*const effect_handlers[])(struct daemon *,
				       const struct effect *) = {
	[EFFECT_SEND] = do_send,   [EFFECT_CLOSE] = do_close,
	[EFFECT_HOLD] = do_hold,   [EFFECT_RELEASE] = do_release,
	[EFFECT_APPLY] = do_apply, [EFFECT_END_FLOWS] = do_end_flows,
	[EFFECT_PROBE] = do_probe, [EFFECT_STORE] = do_store,
	[EFFECT_NOTE] = do_note,
};

static void carry_out(struct daemon *d)
{
	d->stepping = true;
	for (unsigned i = 0; i < effects_count(d->fx); i++) {
		const struct effect *e = effects_at(d->fx, i);

		effect_handlers[e->type](d, e);
	}
	effects_clear(d->fx);
	d->stepping = false;
	clock_timer_advance(&d->tick, cluster_deadline(d->cluster));
}

/* ---- I/O → event ---- */

static int step(void *arg, const struct event *ev)
{
	struct daemon *d = arg;
	int err;

	d->decided_ns = clock_monotonic_ns();
	err = cluster_step(d->cluster, ev, d->decided_ns, d->fx);
	carry_out(d);
	if (err == -ENOMEM)
		log_error("event lost", "type=%d why=\"out of memory\"",
			  ev->type);
	return err;
}

static void feed_deferred(struct daemon *d)
{
	for (unsigned i = 0; i < d->n_deferred; i++) {
		struct event ev = d->deferred[i]; /* the array may move */

		step(d, &ev);
	}
	d->n_deferred = 0;
}

static void feed(struct daemon *d, const struct event *ev)
{
	if (d->stepping) {
		defer(d, ev);
		return;
	}
	step(d, ev);
	feed_deferred(d);
}

static int step_for_requests(void *arg, const struct event *ev)
{
	int err = step(arg, ev);

	feed_deferred(arg);
	return err;
}

static void on_agent_message(void *arg, uint64_t link, const struct message *m)
{
	struct event ev = { .link = link };

	switch (m->type) {
	case MESSAGE_HELLO:
		ev.type = EVENT_HELLO;
		ev.hello = &m->hello;
		break;
	case MESSAGE_BEAT:
		ev.type = EVENT_BEAT;
		ev.beat = &m->beat;
		break;
	case MESSAGE_MOVED_OK:
		ev.type = EVENT_MOVED_OK;
		ev.id = m->moved_ok.id;
		break;
	case MESSAGE_ASSIGNED_OK:
		ev.type = EVENT_ASSIGNED_OK;
		ev.assigned_ok = &m->assigned_ok;
		break;
	case MESSAGE_GOODBYE:
		ev.type = EVENT_GOODBYE;
		break;
	default: /* agents.c lets only an agent's messages through */
		return;
	}
	feed(arg, &ev);
}

static void on_agent_closed(void *arg, uint64_t link, const char *why)
{
	struct event ev = { .type = EVENT_LINK_CLOSED, .link = link };

	feed(arg, &ev);
}

static void on_agent_revoked(void *arg, uint64_t link)
{
	struct event ev = { .type = EVENT_REVOKED, .link = link };

	feed(arg, &ev);
}

static void on_probed(void *arg, uint32_t tag, bool ok)
{
	struct event ev = { .type = EVENT_PROBED, .tag = tag, .ok = ok };

	feed(arg, &ev);
}

static void on_request(void *arg, struct control_client *client,
		       json_t *request)
{
	struct daemon *d = arg;
	json_t *response = requests_handle(&d->requests, request, client);

	if (response)
		control_reply(client, response);
}

static void on_reading_request(void *arg, struct control_client *client,
			       json_t *request)
{
	struct daemon *d = arg;
	json_t *response = requests_read(&d->requests, request, client);

	if (response)
		control_reply(client, response);
}

static void on_client_gone(void *arg, struct control_client *client)
{
	struct daemon *d = arg;

	requests_gone(&d->requests, client);
}

/* Silence counts only when all that has arrived has been read. */
static void on_tick(void *arg)
{
	struct event ev = { .type = EVENT_TICK };
	struct daemon *d = arg;

	if (cluster_deadline(d->cluster) <= clock_monotonic_ns())
		agents_drain_input(d->agents);
	if (cluster_deadline(d->cluster) <= clock_monotonic_ns())
		feed(d, &ev);
	clock_timer_advance(&d->tick, cluster_deadline(d->cluster));
}

static void on_refused(void *arg, uint32_t tag)
{
	struct event ev = { .type = EVENT_REFUSED, .tag = tag };

	feed(arg, &ev);
}

static void on_flows_gone(void *arg, uint32_t tag)
{
	struct event ev = { .type = EVENT_FLOWS_GONE, .tag = tag };

	feed(arg, &ev);
}

/* ---- signals, shutdown ---- */

static void on_terminate(struct ev_loop *loop, ev_signal *w, int revents)
{
	log_info("stopping", "signal=%s rules=stay", strsignal(w->signum));
	ev_break(loop, EVBREAK_ALL);
}

/* To go on would be to serve by two tables. Whoever starts us anew gets a plane
 * that obeys; rules and flows stay meanwhile. */
static void on_stuck(void *arg)
{
	struct daemon *d = arg;

	log_error("ending",
		  "why=\"plane %s does not answer\" rules=stay "
		  "try=\"start halod again\"",
		  d->carrier.ops->name);
	d->failed = -ETIMEDOUT;
	ev_break(d->loop, EVBREAK_ALL);
}

static void on_shutdown_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	ev_break(loop, EVBREAK_ALL);
}

static void request_shutdown(void *arg, bool flush)
{
	struct daemon *d = arg;

	log_info("stopping", "by=haloctl rules=%s", flush ? "flush" : "stay");
	d->flush |= flush;
	ev_timer_start(d->loop, &d->shutdown_timer); /* once, however often */
}

/* ---- reload ---- */

/* Without it beats are judged all the same, at the mercy of other programs. */
static void become_realtime(struct daemon *d)
{
	int priority, memory;

	*d->no_realtime = 0;
	if (d->conf.agents.profile != PROFILE_FAST)
		return;
	memory = realtime_lock_memory();
	priority = realtime_enter(REALTIME_PRIORITY);
	if (!memory && !priority)
		return;
	snprintf(d->no_realtime, sizeof(d->no_realtime),
		 "profile fast without%s%s%s: give halod %s%s",
		 priority ? " real-time priority" : "",
		 priority && memory ? " and" : "",
		 memory ? " locked memory" : "",
		 priority ? "CAP_SYS_NICE " : "", memory ? "CAP_IPC_LOCK" : "");
	log_warn("not real-time", "why=\"%s\"", d->no_realtime);
}

static void on_reload(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct daemon *d = w->data;
	int err;

	manager_reloading(&d->manager);
	err = reload_ask(d->reload, &d->conf, NULL);
	if (!err)
		return;
	log_error("not reloaded", "why=\"%s\"", strerror(-err));
	manager_reloaded(&d->manager);
}

static int request_reload(void *arg, struct control_client *client)
{
	struct daemon *d = arg;

	return reload_ask(d->reload, &d->conf, client);
}

static void forget_client(void *arg, struct control_client *client)
{
	struct daemon *d = arg;

	reload_forget(d->reload, client);
}

/* What stands in status until the file can be taken over. */
static void remember_refusal(struct daemon *d, const struct diag_list *diags)
{
	const struct diag *first = diags->count ? &diags->items[0] : NULL;

	for (unsigned i = 0; i < diags->count; i++) {
		const struct diag *e = &diags->items[i];

		if (first->warning)
			first = e;
		log_error("not reloaded", "at=%s:%u why=\"%s\"", e->file,
			  e->line, e->text);
	}
	snprintf(d->reload_error, sizeof(d->reload_error), "%.80s, line %u: %s",
		 first ? first->file : d->path, first ? first->line : 0,
		 first ? first->text : "it could not be read");
}

static json_t *on_read(void *arg, struct reload_read *read)
{
	struct daemon *d = arg;
	struct reconf_parts parts = { .path = d->path,
				      .conf = &d->conf,
				      .carrier = &d->carrier,
				      .cluster = d->cluster,
				      .fx = d->fx,
				      .agents = d->agents };
	struct conf before = d->conf;

	if (reconf_apply(&parts, read)) {
		remember_refusal(d, &read->diags);
	} else {
		*d->reload_error = 0;
		log_info("reloaded", "file=%s", d->path);
		carry_out(d);
		feed_deferred(d);
		if (before.agents.profile != d->conf.agents.profile)
			become_realtime(d);
	}
	manager_reloaded(&d->manager);
	return reconf_answer(d->path, &before, read);
}

static void watch_signal(struct daemon *d, ev_signal *w, int signum,
			 void (*fn)(struct ev_loop *, ev_signal *, int))
{
	ev_signal_init(w, fn, signum);
	w->data = d;
	ev_signal_start(d->loop, w);
}

/* ---- start and end ---- */

/* A store that cannot be opened degrades: the data path does not wait. */
static void open_store(struct daemon *d)
{
	if (store_open(&d->store, d->conf.state, d->store_error,
		       sizeof(d->store_error))) {
		log_error("running without a store", "why=\"%s\"",
			  d->store_error);
		store_open_later(&d->store, d->conf.state, d->store_error);
		return;
	}
	d->seq = store_last_seq(d->store);
}

static int open_cluster(struct daemon *d)
{
	struct cluster_conf conf;

	settings_cluster(&conf, &d->conf);
	d->fx = effects_new();
	d->cluster = cluster_new(&conf, clock_monotonic_ns());
	d->probes = probes_new(d->loop, on_probed, d);
	if (!d->fx || !d->cluster || !d->probes ||
	    reload_new(&d->reload, d->loop, d->path, on_read, d))
		return -ENOMEM;
	return clock_timer_init(&d->tick, d->loop, on_tick, d);
}

static int open_control(struct daemon *d, char *err, unsigned err_size)
{
	struct control_handler control = { .request = on_request,
					   .gone = on_client_gone,
					   .arg = d };
	struct control_handler twin = { .request = on_reading_request,
					.gone = on_client_gone,
					.limits = &control_limits_readonly,
					.arg = d };
	int ret;

	ret = control_socket_open(&d->control, d->loop, d->conf.control,
				  &control, err, err_size);
	if (ret || !*d->conf.control_readonly)
		return ret;
	return control_socket_open(&d->control_readonly, d->loop,
				   d->conf.control_readonly, &twin, err,
				   err_size);
}

/* First where only one halod can be: a second one is told so. */
static int open_listeners(struct daemon *d, char *err, unsigned err_size)
{
	struct agents_handler agents = { .message = on_agent_message,
					 .closed = on_agent_closed,
					 .revoked = on_agent_revoked,
					 .arg = d };
	int ret = open_control(d, err, err_size);

	if (ret)
		return ret;
	return agents_open(&d->agents, d->loop, &d->conf, &agents, err,
			   err_size);
}

/* Problems stand in `status` until the next start; warnings are logged. */
static void look_at_host(struct daemon *d)
{
	unsigned n = 0;

	host_check(&d->host, &d->conf, true);
	for (unsigned i = 0; i < d->host.count; i++) {
		const struct host_finding *f = &d->host.findings[i];

		if (f->level == HOST_OK)
			continue;
		log_warn("host", "check=\"%s\" why=\"%s\" try=\"%s\"",
			 f->subject, f->text, f->fix);
		if (f->level == HOST_PROBLEM)
			d->warnings[n++] = f->text;
	}
	d->requests.warnings = d->warnings;
}

static void fill_requests(struct daemon *d)
{
	struct requests_context *r = &d->requests;

	r->arg = d;
	r->conf = &d->conf;
	r->cluster = d->cluster;
	r->table = d->carrier.table;
	r->plane_ops = d->carrier.ops;
	r->plane_why = *d->carrier.why ? d->carrier.why : NULL;
	r->plane = d->carrier.plane;
	r->store = d->store;
	r->store_error = d->store_error;
	r->agents = d->agents;
	r->drifts = &d->carrier.drifts;
	r->start_ns = clock_monotonic_ns();
	r->now_ns = clock_monotonic_ns;
	r->step = step_for_requests;
	r->shutdown = request_shutdown;
	r->reload = request_reload;
	r->forget = forget_client;
	r->reload_error = d->reload_error;
	r->no_realtime = d->no_realtime;
}

static int open_plane_with_state(struct daemon *d, char *err, unsigned err_size)
{
	struct recovery recovery;
	int ret;

	open_store(d);
	ret = recovery_init(&recovery, d->store, d->conf.routes);
	if (ret) {
		snprintf(err, err_size, "cannot start: %s", strerror(-ret));
		return ret;
	}
	ret = carrier_open(&d->carrier, d->loop, &d->conf, &recovery.unmoved,
			   err, err_size);
	if (!ret)
		recovery_run(&recovery, d->cluster, d->fx,
			     carrier_adopt(&d->carrier));
	recovery_fini(&recovery);
	return ret;
}

static int open_all(struct daemon *d, char *err, unsigned err_size)
{
	int ret;

	ret = open_cluster(d);
	if (ret) {
		snprintf(err, err_size, "cannot start: %s", strerror(-ret));
		return ret;
	}
	/* the plane last: a start that fails leaves another halod's alone */
	ret = open_listeners(d, err, err_size);
	if (!ret)
		ret = open_plane_with_state(d, err, err_size);
	if (ret)
		return ret;
	fill_requests(d);
	look_at_host(d);
	drains_start(&d->drains, d->loop, d->cluster, &d->carrier,
		     on_flows_gone, d);
	watch_signal(d, &d->sigterm, SIGTERM, on_terminate);
	watch_signal(d, &d->sigint, SIGINT, on_terminate);
	watch_signal(d, &d->sighup, SIGHUP, on_reload);
	carry_out(d);
	feed_deferred(d);
	become_realtime(d);
	return 0;
}

int daemon_open(struct daemon **out, const struct conf *conf, const char *path,
		char *err, unsigned err_size)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int ret;

	if (!d) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	d->conf = *conf;
	d->carrier.refused = on_refused;
	d->carrier.drifted = on_drifted;
	d->carrier.stuck = on_stuck;
	d->carrier.arg = d;
	d->peer_notes.per_second = PEER_NOTES_PER_S;
	snprintf(d->path, sizeof(d->path), "%s", path);
	d->loop = ev_default_loop(0);
	manager_init(&d->manager);
	ev_timer_init(&d->shutdown_timer, on_shutdown_timer, SHUTDOWN_REPLY_S,
		      0);
	ret = open_all(d, err, err_size);
	if (ret) {
		daemon_close(d);
		return ret;
	}
	log_info("ready", "plane=%s why=\"%s\" routes=%u version=%llu",
		 d->carrier.ops->name,
		 *d->carrier.why ? d->carrier.why : "configured",
		 d->conf.routes, (unsigned long long)d->carrier.table->version);
	manager_ready(&d->manager, d->loop, &d->carrier, d->cluster);
	*out = d;
	return 0;
}

int daemon_run(struct daemon *d)
{
	ev_run(d->loop, 0);
	return d->failed;
}

static void stop_watching(struct daemon *d)
{
	ev_signal_stop(d->loop, &d->sigterm);
	ev_signal_stop(d->loop, &d->sigint);
	ev_signal_stop(d->loop, &d->sighup);
	ev_timer_stop(d->loop, &d->shutdown_timer);
}

void daemon_close(struct daemon *d)
{
	stop_watching(d);
	drains_stop(&d->drains);
	manager_fini(&d->manager);
	control_socket_free(d->control);
	control_socket_free(d->control_readonly);
	requests_fini(&d->requests);
	reload_free(d->reload);
	agents_free(d->agents);
	probes_free(d->probes);
	carrier_close(&d->carrier, d->flush);
	store_close(d->store);
	if (d->tick.loop)
		clock_timer_fini(&d->tick);
	cluster_free(d->cluster);
	effects_free(d->fx);
	free(d->deferred);
	free(d);
}
