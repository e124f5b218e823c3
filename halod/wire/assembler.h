/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts a byte stream into frames. It keeps the bytes of one incomplete frame
 * and nothing else: between frames it owns no memory. It decodes nothing.
 */
#ifndef HALO_WIRE_ASSEMBLER_H
#define HALO_WIRE_ASSEMBLER_H

#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

struct assembler { /* zeroed: empty */
	uint8_t *data;
	size_t len;
	size_t max; /* longest frame taken */
};

/* One whole frame, borrowed; nonzero stops the feeding. */
typedef int (*assembler_fn)(void *arg, const uint8_t *frame, size_t len);

/* 0; what fn returned; -EPROTO with *err: not frames; -ENOMEM. */
int assembler_feed(struct assembler *a, const uint8_t *data, size_t len,
		   assembler_fn fn, void *arg, struct frame_error *err);
void assembler_fini(struct assembler *a);

#endif
