// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define FIELD_HEADER_LEN 6 /* id 16, length 32 */
#define RANGE_LEN	 4 /* first 16, last 16 */
#define PORT_LEN	 2

/* The numbers of fields on the wire; one meaning each in every message. */
enum field_id {
	FIELD_NAME = 1,
	FIELD_INSTANCE,
	FIELD_ADDR_V4,
	FIELD_ADDR_V6,
	FIELD_WISH,
	FIELD_HEALTH,
	FIELD_VERSION,
	FIELD_STATE,
	FIELD_SLOT,
	FIELD_INTERVAL,
	FIELD_MISS,
	FIELD_CODE,
	FIELD_TEXT,
	FIELD_SEQ,
	FIELD_CONNECTIONS,
	FIELD_DIGEST,
	FIELD_ID,
	FIELD_REASON,
	FIELD_DEADLINE,
	FIELD_ROUTES,
	FIELD_DOORS,
	FIELD_STAYS,
};

enum field_kind {
	KIND_UINT,   /* width bytes, min..max */
	KIND_TEXT,   /* printable ASCII, at most size - 1 bytes; optional */
	KIND_NAME,   /* a valid node name */
	KIND_ADDR,   /* width bytes; optional */
	KIND_ROUTES, /* ranges (first, last), ascending, apart */
	KIND_PORTS,  /* 2 bytes each, none 0, at most SERVICES_MAX; optional */
	KIND_FLAG,   /* 1 byte, 1; missing: false */
};

/* How one field of a message lies on the wire and in the struct. */
struct field {
	enum field_id id;
	enum field_kind kind;
	uint16_t offset, size; /* of the member of struct message */
	uint8_t width;	       /* bytes on the wire, where it is fixed */
	uint64_t min, max;
};

/* clang-format off */
#define MEMBER(m) offsetof(struct message, m), sizeof(((struct message *)0)->m)
#define UINT(id, m, width, min, max) \
	{ id, KIND_UINT, MEMBER(m), width, min, max }
#define U16(id, m)    UINT(id, m, 2, 0, UINT16_MAX)
#define U32(id, m)    UINT(id, m, 4, 0, UINT32_MAX)
#define U64(id, m)    UINT(id, m, 8, 0, UINT64_MAX)
#define TEXT(id, m)   { id, KIND_TEXT, MEMBER(m), 0, 0, 0 }
#define NAME(id, m)   { id, KIND_NAME, MEMBER(m), 0, 0, 0 }
#define ADDR(id, m, width) { id, KIND_ADDR, MEMBER(m), width, 0, 0 }
#define ROUTES(id, m) { id, KIND_ROUTES, MEMBER(m), 0, 0, 0 }
#define PORTS(id, m)  { id, KIND_PORTS, MEMBER(m), 0, 0, 0 }
#define FLAG(id, m)   { id, KIND_FLAG, MEMBER(m), 1, 0, 0 }
/* clang-format on */

static const struct field hello_fields[] = {
	NAME(FIELD_NAME, hello.name),
	U64(FIELD_INSTANCE, hello.instance),
	ADDR(FIELD_ADDR_V4, hello.addr[FAMILY_V4], 4),
	ADDR(FIELD_ADDR_V6, hello.addr[FAMILY_V6], 16),
	UINT(FIELD_WISH, hello.wish, 1, WISH_NONE, WISH_RESERVE),
	UINT(FIELD_HEALTH, hello.health, 1, HEALTH_UNKNOWN, HEALTH_DOWN),
	U64(FIELD_VERSION, hello.version),
};

static const struct field welcome_fields[] = {
	UINT(FIELD_STATE, welcome.state, 1, 0, NODE_STATES - 1),
	U16(FIELD_SLOT, welcome.slot),
	UINT(FIELD_INTERVAL, welcome.interval_us, 4, FRAME_INTERVAL_MIN_US,
	     UINT32_MAX),
	UINT(FIELD_MISS, welcome.miss, 2, 1, UINT16_MAX),
	U64(FIELD_VERSION, welcome.version),
};

/* A later gateway may know more codes: none is refused. */
static const struct field error_fields[] = {
	U16(FIELD_CODE, error.code),
	TEXT(FIELD_TEXT, error.text),
};

static const struct field beat_fields[] = {
	U64(FIELD_SEQ, beat.seq),
	UINT(FIELD_HEALTH, beat.health, 1, HEALTH_UNKNOWN, HEALTH_DOWN),
	U32(FIELD_CONNECTIONS, beat.connections),
	U64(FIELD_VERSION, beat.version),
};

static const struct field beat_ack_fields[] = {
	U64(FIELD_SEQ, beat_ack.seq),
	U64(FIELD_VERSION, beat_ack.version),
	U32(FIELD_DIGEST, beat_ack.digest),
	UINT(FIELD_STATE, beat_ack.state, 1, 0, NODE_STATES - 1),
	U16(FIELD_SLOT, beat_ack.slot),
};

static const struct field moving_fields[] = {
	U32(FIELD_ID, moving.id),
	UINT(FIELD_REASON, moving.reason, 1, 0, MOVE_REASONS - 1),
	U32(FIELD_DEADLINE, moving.deadline_ms),
	ROUTES(FIELD_ROUTES, moving.routes),
	PORTS(FIELD_DOORS, moving.doors),
	FLAG(FIELD_STAYS, moving.stays),
};

static const struct field moved_ok_fields[] = {
	U32(FIELD_ID, moved_ok.id),
};

static const struct field assigned_fields[] = {
	U64(FIELD_VERSION, assigned.version),
	ROUTES(FIELD_ROUTES, assigned.routes),
};

static const struct field assigned_ok_fields[] = {
	U64(FIELD_VERSION, assigned_ok.version),
	U32(FIELD_DIGEST, assigned_ok.digest),
};

static const struct field goodbye_fields[] = {
	TEXT(FIELD_TEXT, goodbye.reason),
};

struct layout {
	const struct field *fields;
	unsigned count;
};

/* clang-format off */
#define LAYOUT(fields) { fields, ARRAY_SIZE(fields) }
/* clang-format on */

static const struct layout layouts[] = {
	[MESSAGE_HELLO] = LAYOUT(hello_fields),
	[MESSAGE_WELCOME] = LAYOUT(welcome_fields),
	[MESSAGE_ERROR] = LAYOUT(error_fields),
	[MESSAGE_BEAT] = LAYOUT(beat_fields),
	[MESSAGE_BEAT_ACK] = LAYOUT(beat_ack_fields),
	[MESSAGE_MOVING] = LAYOUT(moving_fields),
	[MESSAGE_MOVED_OK] = LAYOUT(moved_ok_fields),
	[MESSAGE_ASSIGNED] = LAYOUT(assigned_fields),
	[MESSAGE_ASSIGNED_OK] = LAYOUT(assigned_ok_fields),
	[MESSAGE_GOODBYE] = LAYOUT(goodbye_fields),
};

/* NULL: no such message */
static const struct layout *layout_of(unsigned type)
{
	if (type >= ARRAY_SIZE(layouts) || !layouts[type].fields)
		return NULL;
	return &layouts[type];
}

__attribute__((format(printf, 3, 4))) static int
refuse(struct frame_error *err, enum error_code code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -EPROTO;
}

static bool is_optional(const struct field *f)
{
	return f->kind == KIND_TEXT || f->kind == KIND_ADDR ||
	       f->kind == KIND_PORTS || f->kind == KIND_FLAG;
}

/* Integers of the structs have the sizes of their types, not the wire's. */
static void store_uint(uint8_t *at, size_t size, uint64_t value)
{
	uint16_t v16 = (uint16_t)value;
	uint32_t v32 = (uint32_t)value;

	if (size == sizeof(v16))
		memcpy(at, &v16, sizeof(v16));
	else if (size == sizeof(v32))
		memcpy(at, &v32, sizeof(v32));
	else
		memcpy(at, &value, sizeof(value));
}

static uint64_t load_uint(const uint8_t *at, size_t size)
{
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	if (size == sizeof(v16)) {
		memcpy(&v16, at, sizeof(v16));
		return v16;
	}
	if (size == sizeof(v32)) {
		memcpy(&v32, at, sizeof(v32));
		return v32;
	}
	memcpy(&v64, at, sizeof(v64));
	return v64;
}

static bool is_printable(uint8_t c)
{
	return c >= 0x20 && c < 0x7f;
}

/* The type in the header, which is known to be whole and ours. */
static unsigned frame_type(const uint8_t *data)
{
	return data[3];
}

int frame_length(const uint8_t *data, size_t len, size_t max,
		 struct frame_error *err)
{
	struct buf b = buf_reader(data, len);
	uint16_t magic = buf_get_be16(&b);
	unsigned version;
	uint64_t whole;

	if (buf_ok(&b) && magic != FRAME_MAGIC)
		return refuse(err, ERROR_PROTOCOL, "not the halo protocol");
	version = buf_get_u8(&b);
	if (buf_ok(&b) && version != FRAME_VERSION)
		return refuse(err, ERROR_VERSION,
			      "protocol version %u is not spoken here, "
			      "version %u is",
			      version, FRAME_VERSION);
	buf_get_u8(&b);
	whole = (uint64_t)buf_get_be32(&b) + FRAME_HEADER_LEN;
	if (!buf_ok(&b))
		return 0;
	if (whole > max)
		return refuse(err, ERROR_PROTOCOL,
			      "a frame of %llu bytes, %zu are allowed",
			      (unsigned long long)whole, max);
	return (int)whole;
}

/* What one decode works on. */
struct decoding {
	struct message m;
	const char *type; /* its name, for errors */
	uint16_t *routes; /* NULL: none are taken */
	struct frame_error *err;
};

static int bad_length(struct decoding *d, const struct field *f, size_t len)
{
	return refuse(d->err, ERROR_PROTOCOL, "%s: field %u of %zu bytes",
		      d->type, f->id, len);
}

static int get_uint(struct decoding *d, const struct field *f, uint8_t *at,
		    struct buf *value)
{
	uint64_t v = buf_get_be(value, f->width);

	if (v < f->min || v > f->max)
		return refuse(d->err, ERROR_PROTOCOL,
			      "%s: field %u is %llu, not %llu..%llu", d->type,
			      f->id, (unsigned long long)v,
			      (unsigned long long)f->min,
			      (unsigned long long)f->max);
	store_uint(at, f->size, v);
	return 0;
}

static int get_text(struct decoding *d, const struct field *f, uint8_t *at,
		    struct buf *value)
{
	size_t len = buf_left(value);

	if (len >= f->size)
		return bad_length(d, f, len);
	for (size_t i = 0; i < len; i++)
		if (!is_printable(value->data[i]))
			return refuse(d->err, ERROR_PROTOCOL,
				      "%s: field %u is not printable", d->type,
				      f->id);
	memcpy(at, value->data, len);
	return 0;
}

static int get_name(struct decoding *d, const struct field *f, uint8_t *at,
		    struct buf *value)
{
	int ret = get_text(d, f, at, value);

	if (!ret && !node_name_is_valid((const char *)at))
		return refuse(d->err, ERROR_NAME, "not a valid node name");
	return ret;
}

static int get_addr(const struct field *f, uint8_t *at, struct buf *value)
{
	const uint8_t *bytes = buf_take(value, f->width);
	struct addr a = f->width == 4 ? addr_v4(bytes) : addr_v6(bytes);

	memcpy(at, &a, sizeof(a));
	return 0;
}

static int get_routes(struct decoding *d, const struct field *f, uint8_t *at,
		      struct buf *value)
{
	struct route_set set = { .ids = d->routes };
	unsigned last = 0;

	if (!d->routes)
		return refuse(d->err, ERROR_PROTOCOL,
			      "%s: the gateway takes no routes", d->type);
	if (buf_left(value) % RANGE_LEN)
		return bad_length(d, f, buf_left(value));
	while (buf_left(value)) {
		unsigned first = buf_get_be16(value), prev = last;

		last = buf_get_be16(value);
		if (first <= prev || last < first)
			return refuse(d->err, ERROR_PROTOCOL,
				      "%s: routes %u-%u after %u", d->type,
				      first, last, prev);
		for (unsigned id = first; id <= last; id++)
			d->routes[set.count++] = (uint16_t)id;
	}
	memcpy(at, &set, sizeof(set));
	return 0;
}

static int get_ports(struct decoding *d, const struct field *f, uint8_t *at,
		     struct buf *value)
{
	struct door_ports ports = { .count = 0 };

	if (buf_left(value) % PORT_LEN ||
	    buf_left(value) / PORT_LEN > ARRAY_SIZE(ports.first))
		return bad_length(d, f, buf_left(value));
	while (buf_left(value)) {
		uint16_t port = buf_get_be16(value);

		if (!port)
			return refuse(d->err, ERROR_PROTOCOL,
				      "%s: field %u names port 0", d->type,
				      f->id);
		ports.first[ports.count++] = port;
	}
	memcpy(at, &ports, sizeof(ports));
	return 0;
}

static int get_flag(struct decoding *d, const struct field *f, uint8_t *at,
		    struct buf *value)
{
	bool set = buf_get_u8(value) == 1;

	if (!set)
		return refuse(d->err, ERROR_PROTOCOL, "%s: field %u is not 1",
			      d->type, f->id);
	memcpy(at, &set, sizeof(set));
	return 0;
}

static int get_field(struct decoding *d, const struct field *f,
		     struct buf *value)
{
	uint8_t *at = (uint8_t *)&d->m + f->offset;

	if (f->width && buf_left(value) != f->width)
		return bad_length(d, f, buf_left(value));
	switch (f->kind) {
	case KIND_UINT:
		return get_uint(d, f, at, value);
	case KIND_TEXT:
		return get_text(d, f, at, value);
	case KIND_NAME:
		return get_name(d, f, at, value);
	case KIND_ADDR:
		return get_addr(f, at, value);
	case KIND_ROUTES:
		return get_routes(d, f, at, value);
	case KIND_PORTS:
		return get_ports(d, f, at, value);
	case KIND_FLAG:
		return get_flag(d, f, at, value);
	}
	return -EPROTO;
}

/* The index of the field in the layout; its count when it is unknown. */
static unsigned find_field(const struct layout *l, unsigned id)
{
	unsigned i = 0;

	while (i < l->count && l->fields[i].id != id)
		i++;
	return i;
}

static int check_complete(struct decoding *d, const struct layout *l,
			  uint32_t seen)
{
	for (unsigned i = 0; i < l->count; i++)
		if (!(seen & 1u << i) && !is_optional(&l->fields[i]))
			return refuse(d->err, ERROR_PROTOCOL,
				      "%s: field %u is missing", d->type,
				      l->fields[i].id);
	return 0;
}

static int get_fields(struct decoding *d, const struct layout *l, struct buf *b)
{
	uint32_t seen = 0;

	while (buf_left(b)) {
		unsigned id = buf_get_be16(b);
		struct buf value = buf_sub(b, buf_get_be32(b));
		unsigned i = find_field(l, id);

		if (!buf_ok(b))
			return refuse(d->err, ERROR_PROTOCOL,
				      "%s: cut off in field %u", d->type, id);
		if (i == l->count)
			continue; /* of a later protocol */
		if (seen & 1u << i)
			return refuse(d->err, ERROR_PROTOCOL,
				      "%s: field %u twice", d->type, id);
		seen |= 1u << i;
		if (get_field(d, &l->fields[i], &value))
			return -EPROTO;
	}
	return check_complete(d, l, seen);
}

int frame_decode(struct message *out, const uint8_t *data, size_t len,
		 uint16_t *routes, struct frame_error *err)
{
	struct decoding d = { .routes = routes, .err = err };
	int whole = frame_length(data, len, len, err);
	const struct layout *l;
	struct buf b;

	if (whole < 0)
		return whole;
	if (!whole || (size_t)whole != len)
		return refuse(err, ERROR_PROTOCOL, "not one whole frame");
	l = layout_of(frame_type(data));
	if (!l)
		return refuse(err, ERROR_PROTOCOL, "message type %u is unknown",
			      frame_type(data));
	d.m.type = frame_type(data);
	d.type = message_type_name(d.m.type);
	b = buf_reader(data + FRAME_HEADER_LEN, len - FRAME_HEADER_LEN);
	if (get_fields(&d, l, &b))
		return -EPROTO;
	*out = d.m;
	return 0;
}

static size_t routes_len(const struct route_set *set)
{
	struct route_range r;
	uint32_t at = 0;
	size_t len = 0;

	while (route_set_next_range(set, &at, &r))
		len += RANGE_LEN;
	return len;
}

/* Bytes of the value on the wire; *present: whether the field is written. */
static size_t value_len(const struct message *m, const struct field *f,
			bool *present)
{
	const uint8_t *at = (const uint8_t *)m + f->offset;
	size_t len = f->width;

	*present = true;
	switch (f->kind) {
	case KIND_TEXT:
	case KIND_NAME:
		len = strnlen((const char *)at, f->size - 1u);
		*present = len > 0;
		break;
	case KIND_ADDR:
		*present = addr_is_set((const struct addr *)at);
		break;
	case KIND_ROUTES:
		len = routes_len((const struct route_set *)at);
		break;
	case KIND_PORTS:
		len = PORT_LEN * ((const struct door_ports *)at)->count;
		*present = len > 0;
		break;
	case KIND_FLAG:
		*present = *at != 0;
		break;
	case KIND_UINT:
		break;
	}
	return len;
}

static void put_text(struct buf *b, const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_put_u8(b, is_printable(text[i]) ? text[i] : '?');
}

static void put_routes(struct buf *b, const struct route_set *set)
{
	struct route_range r;
	uint32_t at = 0;

	while (route_set_next_range(set, &at, &r)) {
		buf_put_be16(b, r.first);
		buf_put_be16(b, r.last);
	}
}

static void put_ports(struct buf *b, const struct door_ports *ports)
{
	for (unsigned i = 0; i < ports->count; i++)
		buf_put_be16(b, ports->first[i]);
}

static void put_field(struct buf *b, const struct message *m,
		      const struct field *f)
{
	const uint8_t *at = (const uint8_t *)m + f->offset;
	bool present;
	size_t len = value_len(m, f, &present);

	if (!present)
		return;
	buf_put_be16(b, f->id);
	buf_put_be32(b, (uint32_t)len);
	switch (f->kind) {
	case KIND_UINT:
		buf_put_be(b, load_uint(at, f->size), len);
		break;
	case KIND_TEXT:
	case KIND_NAME:
		put_text(b, at, len);
		break;
	case KIND_ADDR:
		buf_put(b, ((const struct addr *)at)->bytes, len);
		break;
	case KIND_ROUTES:
		put_routes(b, (const struct route_set *)at);
		break;
	case KIND_PORTS:
		put_ports(b, (const struct door_ports *)at);
		break;
	case KIND_FLAG:
		buf_put_u8(b, 1);
		break;
	}
}

int frame_encode(uint8_t *out, size_t size, const struct message *m)
{
	const struct layout *l = layout_of(m->type);
	struct buf b = buf_over(out, size), head;

	assert(l);
	head = buf_sub(&b, FRAME_HEADER_LEN);
	for (unsigned i = 0; i < l->count; i++)
		put_field(&b, m, &l->fields[i]);
	if (!buf_ok(&b))
		return -ENOSPC;
	buf_put_be16(&head, FRAME_MAGIC);
	buf_put_u8(&head, FRAME_VERSION);
	buf_put_u8(&head, (uint8_t)m->type);
	buf_put_be32(&head, (uint32_t)(b.pos - FRAME_HEADER_LEN));
	return (int)b.pos;
}

size_t frame_size(const struct message *m)
{
	const struct layout *l = layout_of(m->type);
	size_t size = FRAME_HEADER_LEN, len;
	bool present;

	assert(l);
	for (unsigned i = 0; i < l->count; i++) {
		len = value_len(m, &l->fields[i], &present);
		if (present)
			size += FIELD_HEADER_LEN + len;
	}
	return size;
}
