// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames: what is encoded decodes to the same, and nothing else gets through.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* after the above, which it needs */
#include <cmocka.h>

#include "base/buf.h"
#include "wire/frame.h"

#define ROUNDS 20000

static uint16_t sent_ids[ROUTES_MAX], got_ids[ROUTES_MAX];
static uint8_t frame[FRAME_LEN_MAX];

static uint64_t rng_next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

static unsigned below(uint64_t *rng, unsigned n)
{
	return (unsigned)(rng_next(rng) % n);
}

static void random_text(uint64_t *rng, char *out, unsigned size)
{
	unsigned len = below(rng, size);

	for (unsigned i = 0; i < len; i++)
		out[i] = (char)(0x20 + below(rng, 0x7f - 0x20));
	out[len] = 0;
}

static void random_name(uint64_t *rng, char *out)
{
	static const char chars[] = "abcXYZ019_.-";
	unsigned len = 1 + below(rng, NODE_NAME_MAX - 1);

	out[0] = 'n';
	for (unsigned i = 1; i < len; i++)
		out[i] = chars[below(rng, sizeof(chars) - 1)];
	out[len] = 0;
}

static void random_addr(uint64_t *rng, struct addr *out, uint8_t af)
{
	if (below(rng, 2))
		return;
	out->af = af;
	for (size_t i = 0; i < addr_len(out); i++)
		out->bytes[i] = (uint8_t)rng_next(rng);
}

/* Runs of routes with gaps; sometimes none, sometimes every other route. */
static struct route_set random_routes(uint64_t *rng)
{
	unsigned step = 1 + below(rng, 5), limit = below(rng, 3) ? 64 : 65535;
	struct route_set set = { .ids = sent_ids };

	for (unsigned id = 1; below(rng, 50) && id <= limit;
	     id += 1 + below(rng, step))
		sent_ids[set.count++] = (uint16_t)id;
	return set;
}

static void random_hello(uint64_t *rng, struct message_hello *h)
{
	random_name(rng, h->name);
	h->instance = rng_next(rng);
	random_addr(rng, &h->addr[FAMILY_V4], AF_INET);
	random_addr(rng, &h->addr[FAMILY_V6], AF_INET6);
	h->wish = below(rng, 3);
	h->health = below(rng, 3);
	h->version = rng_next(rng);
}

static void random_message(uint64_t *rng, struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->type = 1 + below(rng, MESSAGE_GOODBYE);
	switch (m->type) {
	case MESSAGE_HELLO:
		random_hello(rng, &m->hello);
		break;
	case MESSAGE_WELCOME:
		m->welcome.state = below(rng, NODE_STATES);
		m->welcome.slot = (uint16_t)rng_next(rng);
		m->welcome.interval_us =
			FRAME_INTERVAL_MIN_US + below(rng, 1000000);
		m->welcome.miss = (uint16_t)(1 + below(rng, 65535));
		m->welcome.version = rng_next(rng);
		break;
	case MESSAGE_ERROR:
		m->error.code = 1 + below(rng, 8);
		random_text(rng, m->error.text, sizeof(m->error.text));
		break;
	case MESSAGE_BEAT:
		m->beat.seq = rng_next(rng);
		m->beat.health = below(rng, 3);
		m->beat.connections = (uint32_t)rng_next(rng);
		m->beat.version = rng_next(rng);
		break;
	case MESSAGE_BEAT_ACK:
		m->beat_ack.seq = rng_next(rng);
		m->beat_ack.version = rng_next(rng);
		m->beat_ack.digest = (uint32_t)rng_next(rng);
		m->beat_ack.state = below(rng, NODE_STATES);
		m->beat_ack.slot = (uint16_t)rng_next(rng);
		break;
	case MESSAGE_MOVING:
		m->moving.id = (uint32_t)rng_next(rng);
		m->moving.reason = below(rng, MOVE_REASONS);
		m->moving.deadline_ms = (uint32_t)rng_next(rng);
		m->moving.routes = random_routes(rng);
		m->moving.doors.count = below(rng, SERVICES_MAX + 1);
		for (unsigned i = 0; i < m->moving.doors.count; i++)
			m->moving.doors.first[i] =
				(uint16_t)(1 + below(rng, 65535));
		m->moving.stays = below(rng, 2);
		break;
	case MESSAGE_MOVED_OK:
		m->moved_ok.id = (uint32_t)rng_next(rng);
		break;
	case MESSAGE_ASSIGNED:
		m->assigned.version = rng_next(rng);
		m->assigned.routes = random_routes(rng);
		break;
	case MESSAGE_ASSIGNED_OK:
		m->assigned_ok.version = rng_next(rng);
		m->assigned_ok.digest = (uint32_t)rng_next(rng);
		break;
	case MESSAGE_GOODBYE:
		random_text(rng, m->goodbye.reason, sizeof(m->goodbye.reason));
		break;
	}
}

static struct route_set *routes_of(struct message *m)
{
	return m->type == MESSAGE_MOVING     ? &m->moving.routes
	       : m->type == MESSAGE_ASSIGNED ? &m->assigned.routes
					     : NULL;
}

static void assert_same(struct message *sent, struct message *got)
{
	struct route_set *a = routes_of(sent), *b = routes_of(got);

	assert_int_equal(sent->type, got->type);
	if (a) {
		assert_int_equal(a->count, b->count);
		assert_memory_equal(a->ids, b->ids, 2 * (size_t)a->count);
		b->ids = a->ids;
	}
	assert_memory_equal(sent, got, sizeof(*sent));
}

static uint64_t printed_seed(void)
{
	const char *given = getenv("SEED");
	uint64_t seed =
		given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) | 1;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static void every_message_survives_the_wire(void **state)
{
	uint64_t rng = printed_seed();
	struct frame_error err;
	struct message m, got;
	int len;

	for (int i = 0; i < ROUNDS; i++) {
		random_message(&rng, &m);
		len = frame_encode(frame, sizeof(frame), &m);
		assert_int_equal(len, frame_size(&m));
		assert_int_equal(frame_length(frame, FRAME_HEADER_LEN,
					      FRAME_LEN_MAX, &err),
				 len);
		memset(&got, 0, sizeof(got));
		assert_int_equal(
			frame_decode(&got, frame, (size_t)len, got_ids, &err),
			0);
		assert_same(&m, &got);
		if (!routes_of(&m))
			assert_true(len <= FRAME_LEN_MAX_AGENT);
	}
}

/* In memory of exactly its size, for the sanitizers to watch its end. */
static int decode_copy(struct message *out, const uint8_t *data, size_t len,
		       struct frame_error *err)
{
	uint8_t *copy = malloc(len ? len : 1);
	int ret;

	memcpy(copy, data, len);
	ret = frame_decode(out, copy, len, got_ids, err);
	free(copy);
	return ret;
}

static void assert_refused(const uint8_t *data, size_t len)
{
	struct frame_error err = { 0 };
	struct message got, before;

	memset(&got, 0x5a, sizeof(got));
	before = got;
	assert_int_equal(decode_copy(&got, data, len, &err), -EPROTO);
	assert_memory_equal(&got, &before, sizeof(got));
	assert_true(err.code && err.text[0]);
}

static void a_frame_cut_anywhere_is_refused(void **state)
{
	uint64_t rng = printed_seed();
	struct message m;
	int len;

	for (int i = 0; i < 300; i++) {
		random_message(&rng, &m);
		len = frame_encode(frame, sizeof(frame), &m);
		for (int cut = 0; cut < len && cut < 400; cut++)
			assert_refused(frame, (size_t)cut);
	}
}

static void put32(uint8_t *at, uint32_t v)
{
	struct buf b = buf_over(at, 4);

	buf_put_be32(&b, v);
}

static uint32_t get32(const uint8_t *at)
{
	struct buf b = buf_reader(at, 4);

	return buf_get_be32(&b);
}

/* A field's length, changed, never yields a message that was not sent:
 * refused, or (shorter texts) printable still. */
static void a_wrong_field_length_never_crashes(void **state)
{
	static const uint32_t wrong[] = {
		0, 1, 3, 5, 255, 65536, 1 << 30, UINT32_MAX - 5, UINT32_MAX
	};
	uint64_t rng = printed_seed();
	struct frame_error err;
	struct message m, got;

	for (int i = 0; i < 500; i++) {
		random_message(&rng, &m);
		int len = frame_encode(frame, sizeof(frame), &m);

		for (int at = FRAME_HEADER_LEN; at < len;) {
			uint32_t right = get32(frame + at + 2);

			for (unsigned w = 0; w < ARRAY_SIZE(wrong); w++) {
				put32(frame + at + 2, wrong[w]);
				decode_copy(&got, frame, (size_t)len, &err);
			}
			put32(frame + at + 2, right);
			at += 6 + (int)right;
		}
	}
}

static void any_changed_byte_is_survived(void **state)
{
	uint64_t rng = printed_seed();
	struct frame_error err;
	struct message m, got;

	for (int i = 0; i < ROUNDS; i++) {
		random_message(&rng, &m);
		int len = frame_encode(frame, sizeof(frame), &m);

		frame[below(&rng, (unsigned)len)] = (uint8_t)rng_next(&rng);
		decode_copy(&got, frame, (size_t)len, &err);
	}
}

/* Frames by hand: 48 41 01, type, length, fields (id, length, value). */
static const struct {
	const char *title;
	enum error_code code;
	const char *text; /* what the error must name */
	size_t len;
	uint8_t bytes[96];
} refused[] = {
	{ "not our magic", ERROR_PROTOCOL, "halo", 8, "GET / HT" },
	{ "a later version", ERROR_VERSION, "version 2", 8,
	  "HA\x02\x07\0\0\0\0" },
	{ "type 0", ERROR_PROTOCOL, "type 0", 8, "HA\x01\0\0\0\0\0" },
	{ "an unknown type", ERROR_PROTOCOL, "type 200", 8,
	  "HA\x01\xc8\0\0\0\0" },
	{ "bytes after the frame", ERROR_PROTOCOL, "whole", 9,
	  "HA\x01\x0a\0\0\0\0\0" },
	{ "a field missing", ERROR_PROTOCOL, "17 is missing", 8,
	  "HA\x01\x07\0\0\0\0" },
	{ "a field twice", ERROR_PROTOCOL, "17 twice", 28,
	  "HA\x01\x07\0\0\0\x14\0\x11\0\0\0\4\0\0\0\1\0\x11\0\0\0\4\0\0\0\1" },
	{ "an integer too short", ERROR_PROTOCOL, "17 of 3", 17,
	  "HA\x01\x07\0\0\0\x09\0\x11\0\0\0\3\0\0\1" },
	{ "an integer too long", ERROR_PROTOCOL, "17 of 5", 19,
	  "HA\x01\x07\0\0\0\x0b\0\x11\0\0\0\5\0\0\0\0\1" },
	{ "a field longer than the frame", ERROR_PROTOCOL, "cut off", 18,
	  "HA\x01\x07\0\0\0\x0a\0\x11\0\0\0\5\0\0\0\1" },
	{ "a text that is not printable", ERROR_PROTOCOL, "printable", 15,
	  "HA\x01\x0a\0\0\0\x07\0\x0d\0\0\0\1\n" },
	{ "route 0", ERROR_PROTOCOL, "routes 0-3", 32,
	  "HA\x01\x08\0\0\0\x18\0\7\0\0\0\x08\0\0\0\0\0\0\0\1"
	  "\0\x14\0\0\0\4\0\0\0\3" },
	{ "a range that runs backwards", ERROR_PROTOCOL, "routes 9-3", 32,
	  "HA\x01\x08\0\0\0\x18\0\7\0\0\0\x08\0\0\0\0\0\0\0\1"
	  "\0\x14\0\0\0\4\0\x09\0\3" },
	{ "ranges that overlap", ERROR_PROTOCOL, "routes 3-5 after 3", 36,
	  "HA\x01\x08\0\0\0\x1c\0\7\0\0\0\x08\0\0\0\0\0\0\0\1"
	  "\0\x14\0\0\0\x08\0\1\0\3\0\3\0\5" },
	{ "a door at port 0", ERROR_PROTOCOL, "21 names port 0", 49,
	  "HA\x01\x06\0\0\0\x29\0\x11\0\0\0\4\0\0\0\1\0\x12\0\0\0\1\0"
	  "\0\x13\0\0\0\4\0\0\0\1\0\x14\0\0\0\0\0\x15\0\0\0\2\0\0" },
	{ "half a door", ERROR_PROTOCOL, "21 of 1", 48,
	  "HA\x01\x06\0\0\0\x28\0\x11\0\0\0\4\0\0\0\1\0\x12\0\0\0\1\0"
	  "\0\x13\0\0\0\4\0\0\0\1\0\x14\0\0\0\0\0\x15\0\0\0\1\x1f" },
	{ "a flag of 2", ERROR_PROTOCOL, "22 is not 1", 48,
	  "HA\x01\x06\0\0\0\x28\0\x11\0\0\0\4\0\0\0\1\0\x12\0\0\0\1\0"
	  "\0\x13\0\0\0\4\0\0\0\1\0\x14\0\0\0\0\0\x16\0\0\0\1\2" },
	{ "a third of a range", ERROR_PROTOCOL, "20 of 3", 31,
	  "HA\x01\x08\0\0\0\x17\0\7\0\0\0\x08\0\0\0\0\0\0\0\1"
	  "\0\x14\0\0\0\3\0\1\0" },
};

static void what_is_wrong_is_named(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
		struct frame_error err = { 0 };
		struct message got;

		print_message("  %s\n", refused[i].title);
		assert_int_equal(decode_copy(&got, refused[i].bytes,
					     refused[i].len, &err),
				 -EPROTO);
		assert_int_equal(err.code, refused[i].code);
		assert_non_null(strstr(err.text, refused[i].text));
		assert_refused(refused[i].bytes, refused[i].len);
	}
}

static void an_unknown_version_names_both(void **state)
{
	struct frame_error err = { 0 };

	assert_int_equal(frame_length((const uint8_t *)"HA\x09", 3, 100, &err),
			 -EPROTO);
	assert_int_equal(err.code, ERROR_VERSION);
	assert_non_null(strstr(err.text, "version 9"));
	assert_non_null(strstr(err.text, "version 1"));
}

static void an_unknown_field_is_skipped(void **state)
{
	static const uint8_t bytes[] = "HA\x01\x07\0\0\0\x12\x7f\xff\0\0\0\2hi"
				       "\0\x11\0\0\0\4\0\0\0\7";
	struct frame_error err;
	struct message got;

	assert_int_equal(decode_copy(&got, bytes, sizeof(bytes) - 1, &err), 0);
	assert_int_equal(got.moved_ok.id, 7);
}

static void one_door_too_many_is_refused(void **state)
{
	struct message m = { .type = MESSAGE_MOVING };
	struct frame_error err;
	struct message got;
	int len;

	m.moving.doors.count = SERVICES_MAX;
	for (unsigned i = 0; i < SERVICES_MAX; i++)
		m.moving.doors.first[i] = 8001;
	len = frame_encode(frame, sizeof(frame), &m);
	assert_int_equal(decode_copy(&got, frame, (size_t)len, &err), 0);
	assert_int_equal(got.moving.doors.count, SERVICES_MAX);
	/* the last field: its length, a port more, and the frame's */
	frame[len - 2 * SERVICES_MAX - 1] = 2 * SERVICES_MAX + 2;
	frame[7] += 2;
	frame[len] = frame[len + 1] = 1;
	assert_refused(frame, (size_t)len + 2);
}

static void a_name_that_is_none_is_error_name(void **state)
{
	struct message m = { .type = MESSAGE_HELLO };
	struct frame_error err;
	struct message got;
	int len;

	strcpy(m.hello.name, "-rf");
	len = frame_encode(frame, sizeof(frame), &m);
	assert_int_equal(decode_copy(&got, frame, (size_t)len, &err), -EPROTO);
	assert_int_equal(err.code, ERROR_NAME);
}

static void routes_are_refused_by_who_takes_none(void **state)
{
	struct message m = { .type = MESSAGE_ASSIGNED };
	struct frame_error err;
	struct message got;
	int len = frame_encode(frame, sizeof(frame), &m);

	assert_int_equal(frame_decode(&got, frame, (size_t)len, NULL, &err),
			 -EPROTO);
}

static void a_length_over_the_limit_is_refused_from_the_header(void **state)
{
	struct frame_error err = { 0 };
	const uint8_t *big = (const uint8_t *)"HA\x01\x01\0\0\x10\0";

	assert_int_equal(frame_length(big, 8, FRAME_LEN_MAX_AGENT, &err),
			 -EPROTO);
	assert_int_equal(frame_length(big, 8, 4096 + 8, &err), 4096 + 8);
	assert_int_equal(frame_length(big, 7, FRAME_LEN_MAX_AGENT, &err), 0);
	big = (const uint8_t *)"HA\x01\x01\xff\xff\xff\xff";
	assert_int_equal(frame_length(big, 8, FRAME_LEN_MAX, &err), -EPROTO);
}

static void every_other_route_fits_the_longest_frame(void **state)
{
	struct message m = { .type = MESSAGE_ASSIGNED };
	struct frame_error err;
	struct message got;
	uint32_t n = 0;

	for (unsigned id = 1; id <= ROUTES_MAX; id += 2)
		sent_ids[n++] = (uint16_t)id;
	m.assigned.routes = (struct route_set){ sent_ids, n };
	int len = frame_encode(frame, sizeof(frame), &m);

	assert_true(len > 0);
	assert_int_equal(decode_copy(&got, frame, (size_t)len, &err), 0);
	assert_same(&m, &got);
}

static void a_frame_that_does_not_fit_is_not_begun(void **state)
{
	struct message m = { .type = MESSAGE_BEAT };
	size_t need = frame_size(&m);

	assert_true(need <= FRAME_BEAT_MAX);
	assert_int_equal(frame_encode(frame, need - 1, &m), -ENOSPC);
	assert_int_equal(frame_encode(frame, need, &m), need);
}

static void an_error_text_goes_out_printable(void **state)
{
	struct message m = { .type = MESSAGE_ERROR };
	struct frame_error err;
	struct message got;

	strcpy(m.error.text, "a\nb");
	int len = frame_encode(frame, sizeof(frame), &m);

	assert_int_equal(decode_copy(&got, frame, (size_t)len, &err), 0);
	assert_string_equal(got.error.text, "a?b");
}

static void names_are_checked(void **state)
{
	char longest[NODE_NAME_MAX + 1];

	memset(longest, 'a', sizeof(longest));
	longest[NODE_NAME_MAX - 1] = 0;
	assert_true(node_name_is_valid("web-1.example_X"));
	assert_true(node_name_is_valid(longest));
	longest[NODE_NAME_MAX - 1] = 'a';
	longest[NODE_NAME_MAX] = 0;
	assert_false(node_name_is_valid(longest));
	assert_false(node_name_is_valid(""));
	assert_false(node_name_is_valid("."));
	assert_false(node_name_is_valid("../x"));
	assert_false(node_name_is_valid("-x"));
	assert_false(node_name_is_valid("a b"));
	assert_false(node_name_is_valid("caf\xc3\xa9"));
}

/* FNV-1a of 00 01 00 02 by its definition. */
static void the_digest_is_fnv_1a_of_the_ids(void **state)
{
	static const uint16_t ids[] = { 1, 2 };
	struct route_set none = { 0 }, two = { ids, 2 };
	uint32_t h = 2166136261u;

	assert_int_equal(route_digest(&none), h);
	for (int i = 0; i < 4; i++)
		h = (h ^ (uint8_t) "\0\1\0\2"[i]) * 16777619u;
	assert_int_equal(route_digest(&two), h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_survives_the_wire),
		cmocka_unit_test(a_frame_cut_anywhere_is_refused),
		cmocka_unit_test(a_wrong_field_length_never_crashes),
		cmocka_unit_test(any_changed_byte_is_survived),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(an_unknown_version_names_both),
		cmocka_unit_test(an_unknown_field_is_skipped),
		cmocka_unit_test(one_door_too_many_is_refused),
		cmocka_unit_test(a_name_that_is_none_is_error_name),
		cmocka_unit_test(routes_are_refused_by_who_takes_none),
		cmocka_unit_test(
			a_length_over_the_limit_is_refused_from_the_header),
		cmocka_unit_test(every_other_route_fits_the_longest_frame),
		cmocka_unit_test(a_frame_that_does_not_fit_is_not_begun),
		cmocka_unit_test(an_error_text_goes_out_printable),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(the_digest_is_fnv_1a_of_the_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
