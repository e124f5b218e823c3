// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/agents.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/log.h"
#include "io/agents_private.h"
#include "io/clock.h"

/* Reconnecting agents come and go: room beyond the nodes themselves. */
#define LIVE_MAX	(NODES_MAX + 256)
#define PENDING_MAX	4096
#define PENDING_NS	(5 * NS_PER_S)
#define SWEEP_S		0.25
#define FDS_FOR_OTHERS	128
#define LOG_LINES_PER_S 10

static struct peer *find_peer(const struct agents *a, uint64_t link)
{
	uint64_t slot = link & ((1u << SLOT_BITS) - 1);
	struct peer *p = slot < a->peers_max ? a->peers[slot] : NULL;

	return p && p->link == link ? p : NULL;
}

void agents_log_refusal(struct agents *a, const struct endpoint *from,
			const char *why)
{
	char text[ENDPOINT_STRLEN];
	unsigned left_out;

	a->stats.refused++;
	if (!log_limit_pass(&a->log_limit, clock_monotonic_ns(), &left_out))
		return;
	endpoint_format(from, text);
	if (left_out)
		log_warn("agent refused", "peer=%s why=\"%s\" suppressed=%u",
			 text, why, left_out);
	else
		log_warn("agent refused", "peer=%s why=\"%s\"", text, why);
}

static void expire_pending(struct pending *crowd, uint64_t now)
{
	struct pending_entry *e;

	while ((e = pending_oldest(crowd, NULL)) &&
	       now - e->since_ns >= PENDING_NS)
		agents_peer_refuse(agents_peer_of(e), ERROR_PROTOCOL,
				   "no HELLO within 5 s");
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct agents *a = timer->data;
	uint64_t now = clock_monotonic_ns();

	expire_pending(a->strangers, now);
	expire_pending(a->neighbours, now);
	while (a->ending && now >= a->ending->ending_until_ns)
		agents_peer_kill(a->ending, "");
	if (!ev_is_active(&a->listener))
		ev_io_start(loop, &a->listener);
	if (!agents_pending(a) && !a->ending)
		ev_timer_stop(loop, timer);
}

static void tell_end(const struct agents *a, const struct peer *p)
{
	if (p->revoked)
		a->handler.revoked(a->handler.arg, p->link);
	else
		a->handler.closed(a->handler.arg, p->link, p->why);
}

/* Between rounds nobody stands on a peer: the dead are told and freed. */
static void on_round(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
	struct agents *a = prepare->data;
	struct peer *p;

	a->handshakes_left = HANDSHAKES_PER_ROUND;
	while ((p = a->reap)) {
		LL_DELETE2(a->reap, p, reap_next);
		p->in_reap = false;
		if (p->tell) {
			p->tell = false;
			tell_end(a, p);
		}
		if (p->stage == PEER_DEAD && !p->in_reap)
			agents_peer_free(p);
	}
}

static const uint8_t *find_key(void *arg, const char *identity)
{
	const struct agents *a = arg;

	return keys_find(a->keys, identity, NULL);
}

/* As many as the descriptors allow; strangers get what nodes leave. */
static void set_limits(struct agents *a)
{
	struct rlimit rl = { .rlim_cur = 1024 };
	unsigned fds;

	getrlimit(RLIMIT_NOFILE, &rl);
	fds = rl.rlim_cur > 65536 ? 65536 : (unsigned)rl.rlim_cur;
	fds = fds > 2 * FDS_FOR_OTHERS ? fds - FDS_FOR_OTHERS : FDS_FOR_OTHERS;
	a->live_max = fds * 3 / 4 < LIVE_MAX ? fds * 3 / 4 : LIVE_MAX;
	a->pending_max = fds - a->live_max < PENDING_MAX ? fds - a->live_max
							 : PENDING_MAX;
	/* those accepted or dying in this round */
	a->peers_max = a->live_max + a->pending_max + 2 * ACCEPTS_PER_ROUND;
}

static int allocate(struct agents *a)
{
	set_limits(a);
	a->strangers = pending_new();
	a->neighbours = pending_new();
	a->peers = calloc(a->peers_max, sizeof(struct peer *));
	a->free_slots = calloc(a->peers_max, sizeof(unsigned));
	a->poll_set = calloc(a->peers_max, sizeof(struct pollfd));
	if (!a->strangers || !a->neighbours || !a->peers || !a->free_slots ||
	    !a->poll_set)
		return -ENOMEM;
	for (unsigned i = a->peers_max; i-- > 0;)
		a->free_slots[a->n_free++] = i;
	return 0;
}

static void log_diags(const struct diag_list *diags)
{
	for (unsigned i = 0; i < diags->count; i++)
		log_warn("keys", "%s: %s", diags->items[i].file,
			 diags->items[i].text);
}

static int set_up_auth(struct agents *a, const struct conf *conf, char *err,
		       unsigned err_size)
{
	struct diag_list *diags;
	int ret;

	if (conf->agents.auth == AUTH_NONE)
		return 0;
	diags = calloc(1, sizeof(*diags));
	if (!diags)
		return -ENOMEM;
	ret = keys_load(&a->keys, conf->agents.keys, diags);
	if (ret) /* the last: what stopped it */
		snprintf(err, err_size, "%s: %s",
			 diags->items[diags->count - 1].file,
			 diags->items[diags->count - 1].text);
	else
		log_diags(diags);
	free(diags);
	return ret ? ret : tls_new_server(&a->tls, find_key, a);
}

static void init_watchers(struct agents *a)
{
	ev_init(&a->sweep, on_sweep);
	a->sweep.repeat = SWEEP_S;
	ev_prepare_init(&a->round, on_round);
	a->sweep.data = a->round.data = a;
}

static int open_door(struct agents *a, const struct endpoint *at, char *err,
		     unsigned err_size)
{
	char text[ENDPOINT_STRLEN];
	int ret = agents_door_open(a, at);

	if (ret)
		snprintf(err, err_size, "agents: cannot listen on %s: %s",
			 endpoint_format(at, text), strerror(-ret));
	return ret;
}

int agents_open(struct agents **out, struct ev_loop *loop,
		const struct conf *conf, const struct agents_handler *handler,
		char *err, unsigned err_size)
{
	struct agents *a = calloc(1, sizeof(*a));
	int ret;

	snprintf(err, err_size, "agents: out of memory");
	if (!a)
		return -ENOMEM;
	a->loop = loop;
	a->handler = *handler;
	a->fd = -1;
	init_watchers(a);
	a->next_serial = 1;
	a->handshakes_left = HANDSHAKES_PER_ROUND;
	a->log_limit.per_second = LOG_LINES_PER_S;
	ret = allocate(a);
	if (!ret)
		ret = claims_new(&a->claims, conf);
	if (!ret)
		ret = set_up_auth(a, conf, err, err_size);
	if (!ret)
		ret = open_door(a, &conf->agents.listen, err, err_size);
	if (ret) {
		agents_free(a);
		return ret;
	}
	ev_prepare_start(loop, &a->round);
	*out = a;
	return 0;
}

void agents_send(struct agents *a, uint64_t link, const struct message *m)
{
	struct peer *p = find_peer(a, link);

	if (p && p->stage == PEER_LIVE)
		agents_peer_send(p, m);
}

void agents_close_link(struct agents *a, uint64_t link)
{
	struct peer *p = find_peer(a, link);

	if (p && p->stage == PEER_LIVE)
		agents_peer_end(p, "", false);
}

/* Those handed up, as poll(2) wants them. */
static nfds_t list_live(struct agents *a)
{
	nfds_t n = 0;

	for (unsigned i = 0; i < a->peers_top; i++) {
		const struct peer *p = a->peers[i];

		if (p && p->stage == PEER_LIVE && !p->stream.batch)
			a->poll_set[n++] = (struct pollfd){ .fd = p->stream.fd,
							    .events = POLLIN };
		else
			a->poll_set[n++] = (struct pollfd){ .fd = -1 };
	}
	return n;
}

void agents_drain_input(struct agents *a)
{
	nfds_t n = list_live(a);

	if (poll(a->poll_set, n, 0) <= 0)
		return;
	for (nfds_t i = 0; i < n; i++)
		if (a->poll_set[i].revents && a->peers[i]->stage == PEER_LIVE)
			agents_peer_receive(a->peers[i]);
}

/* Whether the key it came in with is still that of its name. */
static bool key_is_gone(const struct agents *a, const struct peer *p)
{
	const struct tls_session *session = p->stream.session;
	const uint8_t *key;

	if (!session || !p->stream.established)
		return false;
	key = keys_find(a->keys, tls_session_identity(session), NULL);
	return !key || memcmp(key, tls_session_key(session), KEY_LEN);
}

static void end_revoked(struct agents *a)
{
	for (unsigned i = 0; i < a->peers_top; i++) {
		struct peer *p = a->peers[i];

		if (!p || p->stage >= PEER_ENDING || !key_is_gone(a, p))
			continue;
		p->revoked = true;
		agents_peer_refuse(p, ERROR_NAME, "its key was removed");
	}
}

struct agents_change {
	struct keys *keys; /* NULL: auth = none */
	struct claims *claims;
};

int agents_prepare(struct agents_change **out, const struct conf *conf,
		   struct diag_list *diags)
{
	struct agents_change *c = calloc(1, sizeof(*c));
	int ret = c ? claims_new(&c->claims, conf) : -ENOMEM;

	if (ret)
		diag_error(diags, "agents", 0, "%s", strerror(-ret));
	else if (conf->agents.auth == AUTH_PSK)
		ret = keys_load(&c->keys, conf->agents.keys, diags);
	if (ret)
		agents_change_free(c);
	else
		*out = c;
	return ret;
}

void agents_change_free(struct agents_change *c)
{
	if (!c)
		return;
	keys_free(c->keys);
	claims_free(c->claims);
	free(c);
}

/* What is left in take_change is the former one. */
void agents_apply(struct agents *a, struct agents_change *take_change)
{
	struct agents_change former = { a->keys, a->claims };

	a->keys = take_change->keys;
	a->claims = take_change->claims;
	*take_change = former;
	agents_change_free(take_change);
	if (a->tls)
		end_revoked(a);
}

int agents_endpoint(const struct agents *a, struct endpoint *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(a->fd, (struct sockaddr *)&ss, &len))
		return -errno;
	return endpoint_from_sockaddr(out, (struct sockaddr *)&ss);
}

void agents_stats(const struct agents *a, struct agents_stats *out)
{
	*out = a->stats;
}

static void close_all(struct agents *a)
{
	for (unsigned i = 0; i < a->peers_top; i++) {
		struct peer *p = a->peers[i];

		if (!p)
			continue;
		agents_peer_free(p);
	}
}

void agents_free(struct agents *a)
{
	if (!a)
		return;
	close_all(a);
	agents_door_close(a);
	ev_timer_stop(a->loop, &a->sweep);
	ev_prepare_stop(a->loop, &a->round);
	tls_free(a->tls);
	keys_free(a->keys);
	claims_free(a->claims);
	pending_free(a->strangers);
	pending_free(a->neighbours);
	free(a->peers);
	free(a->free_slots);
	free(a->poll_set);
	free(a);
}
