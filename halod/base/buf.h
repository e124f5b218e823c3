/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounds-checked cursor over bytes somebody else owns: the only way input
 * is read and frames are written. Not a growable string.
 *
 * Errors stick: after the first access out of bounds every read gives 0 (or
 * NULL), every write is dropped and buf_ok() is false; check once at the end.
 */
#ifndef HALO_BASE_BUF_H
#define HALO_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	uint8_t *data; /* borrowed */
	size_t len;    /* bytes that may be read or written */
	size_t pos;    /* next byte */
	bool failed;
};

static inline struct buf buf_over(void *data, size_t len)
{
	return (struct buf){ .data = data, .len = len };
}

/* For reading only: the const is given back by never writing. */
static inline struct buf buf_reader(const void *data, size_t len)
{
	return (struct buf){ .data = (uint8_t *)(uintptr_t)data, .len = len };
}

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

static inline size_t buf_left(const struct buf *b)
{
	return b->failed ? 0 : b->len - b->pos;
}

/* The next n bytes, consumed; NULL when there are fewer. */
static inline uint8_t *buf_take(struct buf *b, size_t n)
{
	uint8_t *at = b->data + b->pos;

	if (b->failed || n > b->len - b->pos) {
		b->failed = true;
		return NULL;
	}
	b->pos += n;
	return at;
}

/* A reader over the next n bytes, consumed here; failed when too short. */
static inline struct buf buf_sub(struct buf *b, size_t n)
{
	uint8_t *at = buf_take(b, n);

	return (struct buf){ .data = at, .len = at ? n : 0, .failed = !at };
}

static inline uint64_t buf_get_be(struct buf *b, size_t n)
{
	const uint8_t *at = buf_take(b, n);
	uint64_t v = 0;

	for (size_t i = 0; at && i < n; i++)
		v = v << 8 | at[i];
	return v;
}

static inline uint8_t buf_get_u8(struct buf *b)
{
	return (uint8_t)buf_get_be(b, 1);
}
static inline uint16_t buf_get_be16(struct buf *b)
{
	return (uint16_t)buf_get_be(b, 2);
}
static inline uint32_t buf_get_be32(struct buf *b)
{
	return (uint32_t)buf_get_be(b, 4);
}
static inline uint64_t buf_get_be64(struct buf *b)
{
	return buf_get_be(b, 8);
}

static inline void buf_put_be(struct buf *b, uint64_t v, size_t n)
{
	uint8_t *at = buf_take(b, n);

	for (size_t i = n; at && i-- > 0; v >>= 8)
		at[i] = (uint8_t)v;
}
static inline void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put_be(b, v, 1);
}
static inline void buf_put_be16(struct buf *b, uint16_t v)
{
	buf_put_be(b, v, 2);
}
static inline void buf_put_be32(struct buf *b, uint32_t v)
{
	buf_put_be(b, v, 4);
}
static inline void buf_put_be64(struct buf *b, uint64_t v)
{
	buf_put_be(b, v, 8);
}
static inline void buf_put(struct buf *b, const void *data, size_t n)
{
	uint8_t *at = buf_take(b, n);

	if (at && n)
		memcpy(at, data, n);
}

#endif
