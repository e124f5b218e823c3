// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "io/agents_private.h"
#include "io/clock.h"

#define PENDING_BYTES 8192 /* a handshake and HELLO have about 700 */
#define ENDING_NS     NS_PER_S
#define SMALL_FRAME   1024

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

	if (p->stage == PEER_PENDING)
		pending_remove(p->crowd, &p->pending);
	if (p->stage == PEER_ENDING)
		DL_DELETE(a->ending, p);
	if (p->stage != PEER_LIVE)
		return;
	a->stats.authenticated--;
	if (!tell)
		return;
	p->tell = true;
	snprintf(p->why, sizeof(p->why), "%s", why);
	reap_later(p);
}

void agents_peer_kill(struct peer *p, const char *why)
{
	if (p->stage == PEER_DEAD)
		return;
	leave_stage(p, why, true);
	ev_io_stop(p->owner->loop, &p->io);
	p->stage = PEER_DEAD;
	reap_later(p);
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

void agents_peer_end(struct peer *p, const char *why, bool tell)
{
	struct agents *a = p->owner;

	leave_stage(p, why, tell);
	p->stage = PEER_ENDING;
	p->ending_until_ns = clock_monotonic_ns() + ENDING_NS;
	DL_APPEND(a->ending, p);
	stream_end(&p->stream);
	watch(p);
	agents_need_sweep(a);
}

static void kill_for(struct peer *p, int ret)
{
	const char *why = ret == -EPIPE	    ? "closed by the agent"
			  : ret == -ENOBUFS ? "it does not read"
					    : strerror(-ret);

	if (ret == -ENOBUFS)
		agents_log_refusal(p->owner, &p->from, why);
	agents_peer_kill(p, why);
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

void agents_peer_send(struct peer *p, const struct message *m)
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

void agents_peer_refuse(struct peer *p, enum error_code code, const char *why)
{
	struct message m = { .type = MESSAGE_ERROR, .error.code = code };

	agents_log_refusal(p->owner, &p->from, why);
	if (!p->stream.established) {
		agents_peer_kill(p, why);
		return;
	}
	snprintf(m.error.text, sizeof(m.error.text), "%s", why);
	agents_peer_send(p, &m);
	if (p->stage != PEER_DEAD)
		agents_peer_end(p, why, true);
}

static void protocol_error(struct peer *p, enum error_code code,
			   const char *why)
{
	p->owner->stats.protocol_errors++;
	agents_peer_refuse(p, code, why);
}

static const char *identity_of(const struct peer *p)
{
	return p->stream.session ? tls_session_identity(p->stream.session)
				 : NULL;
}

static void become_live(struct peer *p)
{
	struct agents *a = p->owner;

	pending_remove(p->crowd, &p->pending);
	p->stage = PEER_LIVE;
	a->stats.authenticated++;
	ev_io_stop(a->loop, &p->io);
	ev_set_priority(&p->io, EV_MAXPRI);
	watch(p);
}

static void take_hello(struct peer *p, struct message *m)
{
	struct agents *a = p->owner;
	struct frame_error err;

	if (p->stage == PEER_LIVE) {
		protocol_error(p, ERROR_PROTOCOL, "a second HELLO");
		return;
	}
	if (claims_check(a->claims, &m->hello, identity_of(p), &p->from.addr,
			 &err)) {
		agents_peer_refuse(p, err.code, err.text);
		return;
	}
	if (a->stats.authenticated >= a->live_max) {
		agents_peer_refuse(p, ERROR_FULL, "no room for another agent");
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
	if (p->stage == PEER_PENDING || !message_is_agents(m->type)) {
		snprintf(why, sizeof(why), "%s %s", message_type_name(m->type),
			 p->stage == PEER_PENDING ? "before HELLO"
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
	return p->stage == PEER_PENDING || p->stage == PEER_LIVE ? 0 : 1;
}

static int on_data(void *arg, const uint8_t *data, size_t len)
{
	struct peer *p = arg;
	struct frame_error err;
	int ret;

	if (p->stage == PEER_ENDING)
		return 0;
	ret = assembler_feed(&p->assembler, data, len, on_frame, p, &err);
	if (ret == -EPROTO)
		protocol_error(p, err.code, err.text);
	else if (ret == -ENOMEM)
		agents_peer_kill(p, "out of memory");
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
	agents_peer_refuse(p, ERROR_PROTOCOL, why);
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
		agents_peer_kill(p, ret == -EPIPE ? "closed by the agent"
						  : strerror(-ret));
}

void agents_peer_receive(struct peer *p)
{
	int ret = stream_receive(&p->stream, on_data, p);

	count_handshake(p);
	if (p->stage == PEER_DEAD)
		return;
	if (ret < 0 && p->stage == PEER_ENDING)
		agents_peer_kill(p, "");
	else if (ret < 0)
		input_ended(p, ret);
	else if (p->stage == PEER_PENDING && p->stream.received > PENDING_BYTES)
		agents_peer_refuse(p, ERROR_PROTOCOL, "too much before HELLO");
	if (p->stage != PEER_DEAD)
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
	if (p->stage == PEER_PENDING) {
		if (!p->owner->handshakes_left)
			return; /* still readable in the next round */
		p->owner->handshakes_left--;
	}
	agents_peer_receive(p);
}

int agents_peer_new(struct agents *a, int fd, const struct endpoint *from)
{
	struct peer *p = calloc(1, sizeof(*p));
	unsigned slot;

	if (!p)
		return -ENOMEM;
	p->crowd = claims_is_node(a->claims, &from->addr) ? a->neighbours
							  : a->strangers;
	if (pending_add(p->crowd, &p->pending, &from->addr,
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
	agents_need_sweep(a);
	return 0;
}

void agents_peer_free(struct peer *p)
{
	struct agents *a = p->owner;
	unsigned slot = SLOT_OF(p->link);

	leave_stage(p, "", false);
	ev_io_stop(a->loop, &p->io);
	a->peers[slot] = NULL;
	a->free_slots[a->n_free++] = slot;
	a->stats.connections--;
	assembler_fini(&p->assembler);
	stream_fini(&p->stream);
	free(p);
}
