/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames: bytes ↔ struct message. A frame is a fixed header (magic, version,
 * type, length) and fields (id, length, value), all big-endian; unknown fields
 * are skipped. No sockets here; documented for others in haloproto(7).
 */
#ifndef HALO_WIRE_FRAME_H
#define HALO_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"

#define FRAME_MAGIC	 0x4841 /* "HA" */
#define FRAME_VERSION	 1
#define FRAME_HEADER_LEN 8 /* magic 16, version 8, type 8, length 32 */
#define FRAME_BEAT_MAX \
	128 /* no frame but ASSIGNED and MOVING is longer than 1024 */
/* 65535 routes with no two adjacent: 32768 ranges of 4 bytes, and the rest */
#define FRAME_LEN_MAX (FRAME_HEADER_LEN + 4 * 32768 + 256)
/* what an agent may send: it never sends routes */
#define FRAME_LEN_MAX_AGENT 1024
/* a WELCOME that asks for beats faster than this is refused */
#define FRAME_INTERVAL_MIN_US 1000

struct frame_error {
	enum error_code code;
	char text[160]; /* what is wrong, fit for ERROR and the log */
};

/* The whole length of the frame that starts at data, header included; 0 when
 * more bytes are needed to know; -EPROTO with *err: not ours, or longer than
 * max. */
int frame_length(const uint8_t *data, size_t len, size_t max,
		 struct frame_error *err);

/* Decodes one whole frame. Route ids land in routes[ROUTES_MAX] (may be NULL
 * when the caller takes no frame with routes), to which the message points;
 * they are scratch when it fails. 0 or -EPROTO with *err; *out changes on
 * success only. */
int frame_decode(struct message *out, const uint8_t *data, size_t len,
		 uint16_t *routes, struct frame_error *err);

/* Bytes written, or -ENOSPC. Any message but one with routes fits in 1024.
 * Texts go out as printable ASCII, anything else as '?'. */
int frame_encode(uint8_t *out, size_t size, const struct message *m);
/* The size frame_encode() will need. */
size_t frame_size(const struct message *m);

#endif
