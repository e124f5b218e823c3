// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/agents.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "io/claims.h"
#include "io/clock.h"
#include "io/keys.h"
#include "io/log_limit.h"
#include "io/pending.h"
#include "io/stream.h"
#include "wire/assembler.h"

/* Reconnecting agents come and go: room beyond the nodes themselves. */
#define LIVE_MAX	 (NODES_MAX + 256)
#define PENDING_MAX	 4096
#define PENDING_FROM_MAX 256 /* from one address outside node-networks */
#define PENDING_NS	 (5 * NS_PER_S)
#define PENDING_BYTES	 8192 /* a handshake and HELLO have about 700 */
#define ENDING_NS	 NS_PER_S
#define SWEEP_S		 0.25
/* Per round of the loop, so that beats never wait for strangers: a handshake
 * costs 0.1 ms. */
#define ACCEPTS_PER_ROUND    64
#define HANDSHAKES_PER_ROUND 32
#define VICTIMS_LOOKED_AT    16
#define FDS_FOR_OTHERS	     128
#define LOG_LINES_PER_S	     10
#define SMALL_FRAME	     1024

enum stage {
	PENDING, /* has not said HELLO, or not proved who it is */
	LIVE,	 /* handed up */
	ENDING,	 /* what was sent goes out, input is discarded */
	DEAD,	 /* until the end of the round */
};

struct peer {
	struct agents *owner;
	uint64_t link;
	enum stage stage;
	bool counted; /* its handshake */
	bool tell;    /* closed() is due */
	bool in_reap;
	char why[96];
	struct endpoint from;
	struct stream stream;
	struct assembler assembler;
	ev_io io;
	struct pending_entry pending;
	uint64_t ending_until_ns;
	struct peer *prev, *next; /* of those ending */
	struct peer *reap_next;
};

struct agents {
	struct ev_loop *loop;
	struct agents_handler handler;
	struct claims *claims;
	struct tls *tls; /* NULL: auth = none */
	struct keys *keys;
	char keys_dir[256];
	int fd;
	ev_io listener;
	ev_timer sweep;
	ev_prepare round;
	unsigned handshakes_left; /* in this round */
	struct peer **peers;	  /* by the low bits of their link */
	unsigned peers_max, live_max, pending_max;
	unsigned peers_top; /* no slot from here on was ever used */
	unsigned *free_slots, n_free;
	uint64_t next_serial;
	struct pending *pending;
	struct peer *ending, *reap;
	struct pollfd *poll_set; /* room for peers_max */
	struct log_limit log_limit;
	struct agents_stats stats;
};

#define SLOT_BITS 16 /* of a link; the rest is a serial number */

static struct peer *find_peer(const struct agents *a, uint64_t link)
{
	uint64_t slot = link & ((1u << SLOT_BITS) - 1);
	struct peer *p = slot < a->peers_max ? a->peers[slot] : NULL;

	return p && p->link == link ? p : NULL;
}

static void log_refusal(struct agents *a, const struct endpoint *from,
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

static void reap_later(struct peer *p)
{
	if (p->in_reap)
		return;
	p->in_reap = true;
	LL_PREPEND2(p->owner->reap, p, reap_next);
}

/* Out of whatever its stage had put it in. */
static void leave_stage(struct peer *p, const char *why, bool tell)
{
	struct agents *a = p->owner;

	if (p->stage == PENDING)
		pending_remove(a->pending, &p->pending);
	if (p->stage == ENDING)
		DL_DELETE(a->ending, p);
	if (p->stage != LIVE)
		return;
	a->stats.authenticated--;
	if (!tell)
		return;
	p->tell = true;
	snprintf(p->why, sizeof(p->why), "%s", why);
	reap_later(p);
}

/* Memory and descriptor stay until the round ends: callers may be on p. */
static void kill_peer(struct peer *p, const char *why)
{
	if (p->stage == DEAD)
		return;
	leave_stage(p, why, true);
	ev_io_stop(p->owner->loop, &p->io);
	p->stage = DEAD;
	reap_later(p);
}

static void free_peer(struct peer *p)
{
	struct agents *a = p->owner;
	unsigned slot = p->link & ((1u << SLOT_BITS) - 1);

	a->peers[slot] = NULL;
	a->free_slots[a->n_free++] = slot;
	a->stats.connections--;
	assembler_fini(&p->assembler);
	stream_fini(&p->stream);
	free(p);
}

static void watch(struct peer *p)
{
	int want = EV_READ | (stream_wants_write(&p->stream) ? EV_WRITE : 0);

	if (ev_is_active(&p->io) &&
	    (p->io.events & (EV_READ | EV_WRITE)) == want)
		return;
	ev_io_stop(p->owner->loop, &p->io);
	ev_io_set(&p->io, p->stream.fd, want);
	ev_io_start(p->owner->loop, &p->io);
}

static void need_sweep(struct agents *a)
{
	if (!ev_is_active(&a->sweep))
		ev_timer_again(a->loop, &a->sweep);
}

static void end_peer(struct peer *p, const char *why, bool tell)
{
	struct agents *a = p->owner;

	leave_stage(p, why, tell);
	p->stage = ENDING;
	p->ending_until_ns = clock_monotonic_ns() + ENDING_NS;
	DL_APPEND(a->ending, p);
	stream_end(&p->stream);
	watch(p);
	need_sweep(a);
}

static void kill_for(struct peer *p, int ret)
{
	const char *why = ret == -EPIPE	    ? "closed by the agent"
			  : ret == -ENOBUFS ? "it does not read"
					    : strerror(-ret);

	if (ret == -ENOBUFS)
		log_refusal(p->owner, &p->from, why);
	kill_peer(p, why);
}

static int send_large(struct peer *p, const struct message *m)
{
	size_t size = frame_size(m);
	uint8_t *frame = malloc(size);
	int ret;

	if (!frame)
		return -ENOMEM;
	ret = frame_encode(frame, size, m);
	ret = stream_send(&p->stream, frame, (size_t)ret);
	free(frame);
	return ret;
}

static void send_message(struct peer *p, const struct message *m)
{
	uint8_t frame[SMALL_FRAME];
	int len = frame_encode(frame, sizeof(frame), m);
	int ret = len < 0 ? send_large(p, m)
			  : stream_send(&p->stream, frame, (size_t)len);

	if (ret)
		kill_for(p, ret);
	else
		watch(p);
}

/* The peer is told why, where it can be. */
static void refuse(struct peer *p, enum error_code code, const char *why)
{
	struct message m = { .type = MESSAGE_ERROR, .error.code = code };

	log_refusal(p->owner, &p->from, why);
	if (!p->stream.established) {
		kill_peer(p, why);
		return;
	}
	snprintf(m.error.text, sizeof(m.error.text), "%s", why);
	send_message(p, &m);
	if (p->stage != DEAD)
		end_peer(p, why, true);
}

static void protocol_error(struct peer *p, enum error_code code,
			   const char *why)
{
	p->owner->stats.protocol_errors++;
	refuse(p, code, why);
}

static const char *identity_of(const struct peer *p)
{
	return p->stream.session ? tls_session_identity(p->stream.session)
				 : NULL;
}

static void become_live(struct peer *p)
{
	struct agents *a = p->owner;

	pending_remove(a->pending, &p->pending);
	p->stage = LIVE;
	a->stats.authenticated++;
	ev_io_stop(a->loop, &p->io);
	ev_set_priority(&p->io, EV_MAXPRI);
	watch(p);
}

static void take_hello(struct peer *p, struct message *m)
{
	struct agents *a = p->owner;
	struct frame_error err;

	if (p->stage == LIVE) {
		protocol_error(p, ERROR_PROTOCOL, "a second HELLO");
		return;
	}
	if (claims_check(a->claims, &m->hello, identity_of(p), &p->from.addr,
			 &err)) {
		refuse(p, err.code, err.text);
		return;
	}
	if (a->stats.authenticated >= a->live_max) {
		refuse(p, ERROR_FULL, "no room for another agent");
		return;
	}
	become_live(p);
	a->handler.message(a->handler.arg, p->link, m);
}

static void take_message(struct peer *p, struct message *m)
{
	struct agents *a = p->owner;
	char why[64];

	if (m->type == MESSAGE_HELLO) {
		take_hello(p, m);
		return;
	}
	if (p->stage == PENDING || !message_is_agents(m->type)) {
		snprintf(why, sizeof(why), "%s %s", message_type_name(m->type),
			 p->stage == PENDING ? "before HELLO"
					     : "is the gateway's to send");
		protocol_error(p, ERROR_PROTOCOL, why);
		return;
	}
	a->stats.beats += m->type == MESSAGE_BEAT;
	a->handler.message(a->handler.arg, p->link, m);
}

/* Nonzero as soon as the rest of the input is of no interest. */
static int on_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct peer *p = arg;
	struct frame_error err;
	struct message m;

	if (frame_decode(&m, frame, len, NULL, &err))
		protocol_error(p, err.code, err.text);
	else
		take_message(p, &m);
	return p->stage == PENDING || p->stage == LIVE ? 0 : 1;
}

static int on_data(void *arg, const uint8_t *data, size_t len)
{
	struct peer *p = arg;
	struct frame_error err;
	int ret;

	if (p->stage == ENDING)
		return 0;
	ret = assembler_feed(&p->assembler, data, len, on_frame, p, &err);
	if (ret == -EPROTO)
		protocol_error(p, err.code, err.text);
	else if (ret == -ENOMEM)
		kill_peer(p, "out of memory");
	return ret ? 1 : 0;
}

static void handshake_failed(struct peer *p)
{
	const struct tls_session *session = p->stream.session;
	const char *name = tls_session_identity(session);
	char why[192];

	p->owner->stats.handshake_failures++;
	if (*name && !tls_session_is_known(session))
		snprintf(why, sizeof(why), "no key for the name %s", name);
	else if (*name)
		snprintf(why, sizeof(why), "wrong key for the name %s", name);
	else
		snprintf(why, sizeof(why), "TLS: %s", stream_error(&p->stream));
	refuse(p, ERROR_PROTOCOL, why);
}

static void count_handshake(struct peer *p)
{
	if (p->counted || !p->stream.established)
		return;
	p->counted = true;
	p->owner->stats.handshakes += p->stream.tls != NULL;
}

static void input_ended(struct peer *p, int ret)
{
	if (ret == -EPROTO && !p->stream.established)
		handshake_failed(p);
	else if (ret == -EPROTO)
		protocol_error(p, ERROR_PROTOCOL, "TLS broken");
	else
		kill_peer(p, ret == -EPIPE ? "closed by the agent"
					   : strerror(-ret));
}

static void receive(struct peer *p)
{
	int ret = stream_receive(&p->stream, on_data, p);

	count_handshake(p);
	if (p->stage == DEAD)
		return;
	if (ret < 0 && p->stage == ENDING)
		kill_peer(p, "");
	else if (ret < 0)
		input_ended(p, ret);
	else if (p->stage == PENDING && p->stream.received > PENDING_BYTES)
		refuse(p, ERROR_PROTOCOL, "too much before HELLO");
	if (p->stage != DEAD)
		watch(p);
}

static void on_peer(struct ev_loop *loop, ev_io *io, int revents)
{
	struct peer *p = io->data;
	int ret;

	if (revents & EV_WRITE) {
		ret = stream_flush(&p->stream);
		if (ret) {
			kill_for(p, ret);
			return;
		}
		watch(p);
	}
	if (!(revents & EV_READ))
		return;
	if (p->stage == PENDING) {
		if (!p->owner->handshakes_left)
			return; /* still readable in the next round */
		p->owner->handshakes_left--;
	}
	receive(p);
}

static struct peer *peer_of(struct pending_entry *e)
{
	return (struct peer *)((char *)e - offsetof(struct peer, pending));
}

/* Nothing has come from it, read or unread. */
static bool is_silent(const struct peer *p)
{
	int waiting = 0;

	return !p->stream.received &&
	       !ioctl(p->stream.fd, FIONREAD, &waiting) && !waiting;
}

/* Drops the oldest silent stranger (of one address): false when none is. */
static bool make_room(struct agents *a, const struct addr *from)
{
	struct pending_entry *e = pending_oldest(a->pending, from);

	for (int i = 0; e && i < VICTIMS_LOOKED_AT; i++) {
		struct peer *p = peer_of(e);

		if (is_silent(p)) {
			log_refusal(a, &p->from, "silent, room was needed");
			kill_peer(p, "");
			return true;
		}
		e = pending_younger(e, from);
	}
	return false;
}

static bool has_room(struct agents *a, const struct addr *from)
{
	if (!claims_is_node(a->claims, from) &&
	    pending_count_from(a->pending, from) >= PENDING_FROM_MAX &&
	    !make_room(a, from))
		return false;
	if (pending_count(a->pending) >= a->pending_max && !make_room(a, NULL))
		return false;
	return a->n_free > 0;
}

static int add_peer(struct agents *a, int fd, const struct endpoint *from)
{
	struct peer *p = calloc(1, sizeof(*p));
	unsigned slot;

	if (!p)
		return -ENOMEM;
	if (pending_add(a->pending, &p->pending, &from->addr,
			clock_monotonic_ns())) {
		free(p);
		return -ENOMEM;
	}
	slot = a->free_slots[--a->n_free];
	if (slot >= a->peers_top)
		a->peers_top = slot + 1;
	p->owner = a;
	p->link = a->next_serial++ << SLOT_BITS | slot;
	p->from = *from;
	p->assembler.max = FRAME_LEN_MAX_AGENT;
	a->peers[slot] = p;
	a->stats.connections++;
	stream_init(&p->stream, fd, a->tls);
	ev_init(&p->io, on_peer);
	p->io.data = p;
	watch(p);
	need_sweep(a);
	return 0;
}

static void admit(struct agents *a, int fd, const struct endpoint *from)
{
	int on = 1;

	a->stats.accepted++;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!has_room(a, &from->addr)) {
		log_refusal(a, from, "too many unauthenticated connections");
		close(fd);
	} else if (add_peer(a, fd, from)) {
		log_refusal(a, from, "out of memory");
		close(fd);
	}
}

/* Out of descriptors: a silent stranger gives way, else the listener rests
 * until the next sweep. */
static void accept_failed(struct agents *a, int err)
{
	struct endpoint nobody = { 0 };

	if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
		return;
	log_refusal(a, &nobody, strerror(err));
	if (make_room(a, NULL))
		return;
	ev_io_stop(a->loop, &a->listener);
	need_sweep(a);
}

static void on_listener(struct ev_loop *loop, ev_io *io, int revents)
{
	struct agents *a = io->data;
	struct sockaddr_storage ss;
	struct endpoint from;

	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		socklen_t len = sizeof(ss);
		int fd = accept4(a->fd, (struct sockaddr *)&ss, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			accept_failed(a, errno);
			return;
		}
		if (endpoint_from_sockaddr(&from, (struct sockaddr *)&ss))
			close(fd);
		else
			admit(a, fd, &from);
	}
}

static void expire_pending(struct agents *a, uint64_t now)
{
	struct pending_entry *e;

	while ((e = pending_oldest(a->pending, NULL)) &&
	       now - e->since_ns >= PENDING_NS)
		refuse(peer_of(e), ERROR_PROTOCOL, "no HELLO within 5 s");
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct agents *a = timer->data;
	uint64_t now = clock_monotonic_ns();

	expire_pending(a, now);
	while (a->ending && now >= a->ending->ending_until_ns)
		kill_peer(a->ending, "");
	if (!ev_is_active(&a->listener))
		ev_io_start(loop, &a->listener);
	if (!pending_count(a->pending) && !a->ending)
		ev_timer_stop(loop, timer);
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
			a->handler.closed(a->handler.arg, p->link, p->why);
		}
		if (p->stage == DEAD && !p->in_reap)
			free_peer(p);
	}
}

static const uint8_t *find_key(void *arg, const char *identity)
{
	const struct agents *a = arg;

	return keys_find(a->keys, identity, NULL);
}

static int listen_on(const struct endpoint *at)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int on = 1, fd, ret;

	endpoint_to_sockaddr(at, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, (struct sockaddr *)&ss, len) && !listen(fd, SOMAXCONN))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
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
	a->pending = pending_new();
	a->peers = calloc(a->peers_max, sizeof(struct peer *));
	a->free_slots = calloc(a->peers_max, sizeof(unsigned));
	a->poll_set = calloc(a->peers_max, sizeof(struct pollfd));
	if (!a->pending || !a->peers || !a->free_slots || !a->poll_set)
		return -ENOMEM;
	for (unsigned i = a->peers_max; i-- > 0;)
		a->free_slots[a->n_free++] = i;
	return 0;
}

static int load_keys(struct agents *a, struct diag_list *diags)
{
	struct keys *keys;
	int ret = keys_load(&keys, a->keys_dir, diags);

	if (ret)
		return ret;
	keys_free(a->keys);
	a->keys = keys;
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
	snprintf(a->keys_dir, sizeof(a->keys_dir), "%s", conf->agents.keys);
	ret = load_keys(a, diags);
	if (ret)
		snprintf(err, err_size, "%s: %s", diags->items[0].file,
			 diags->items[0].text);
	else
		log_diags(diags);
	free(diags);
	return ret ? ret : tls_new_server(&a->tls, find_key, a);
}

static void start_watchers(struct agents *a)
{
	ev_io_init(&a->listener, on_listener, a->fd, EV_READ);
	ev_set_priority(&a->listener, EV_MINPRI);
	ev_init(&a->sweep, on_sweep);
	a->sweep.repeat = SWEEP_S;
	ev_prepare_init(&a->round, on_round);
	a->listener.data = a->sweep.data = a->round.data = a;
	ev_io_start(a->loop, &a->listener);
	ev_prepare_start(a->loop, &a->round);
}

static int open_listener(struct agents *a, const struct endpoint *at, char *err,
			 unsigned err_size)
{
	char text[ENDPOINT_STRLEN];

	a->fd = listen_on(at);
	if (a->fd >= 0)
		return 0;
	snprintf(err, err_size, "agents: cannot listen on %s: %s",
		 endpoint_format(at, text), strerror(-a->fd));
	return a->fd;
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
	a->next_serial = 1;
	a->handshakes_left = HANDSHAKES_PER_ROUND;
	a->log_limit.per_second = LOG_LINES_PER_S;
	ret = allocate(a);
	if (!ret)
		ret = claims_new(&a->claims, conf);
	if (!ret)
		ret = set_up_auth(a, conf, err, err_size);
	if (!ret)
		ret = open_listener(a, &conf->agents.listen, err, err_size);
	if (ret) {
		agents_free(a);
		return ret;
	}
	start_watchers(a);
	*out = a;
	return 0;
}

void agents_send(struct agents *a, uint64_t link, const struct message *m)
{
	struct peer *p = find_peer(a, link);

	if (p && p->stage == LIVE)
		send_message(p, m);
}

void agents_close_link(struct agents *a, uint64_t link)
{
	struct peer *p = find_peer(a, link);

	if (p && p->stage == LIVE)
		end_peer(p, "", false);
}

/* Those handed up, as poll(2) wants them. */
static nfds_t list_live(struct agents *a)
{
	nfds_t n = 0;

	for (unsigned i = 0; i < a->peers_top; i++) {
		const struct peer *p = a->peers[i];

		if (p && p->stage == LIVE && !p->stream.batch)
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
		if (a->poll_set[i].revents && a->peers[i]->stage == LIVE)
			receive(a->peers[i]);
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

int agents_reload_keys(struct agents *a, struct diag_list *diags)
{
	int ret = a->tls ? load_keys(a, diags) : 0;

	if (ret || !a->tls)
		return ret;
	for (unsigned i = 0; i < a->peers_top; i++) {
		struct peer *p = a->peers[i];

		if (p && p->stage < ENDING && key_is_gone(a, p))
			refuse(p, ERROR_NAME, "its key was removed");
	}
	return 0;
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
		leave_stage(p, "", false);
		ev_io_stop(a->loop, &p->io);
		free_peer(p);
	}
}

void agents_free(struct agents *a)
{
	if (!a)
		return;
	close_all(a);
	if (a->fd >= 0) {
		ev_io_stop(a->loop, &a->listener);
		ev_timer_stop(a->loop, &a->sweep);
		ev_prepare_stop(a->loop, &a->round);
		close(a->fd);
	}
	tls_free(a->tls);
	keys_free(a->keys);
	claims_free(a->claims);
	pending_free(a->pending);
	free(a->peers);
	free(a->free_slots);
	free(a->poll_set);
	free(a);
}
