/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One direction of a TCP connection in virtual time: bytes arrive in order,
 * each piece not before it was sent and not before the one ahead of it. It
 * draws no delays.
 */
#ifndef HALO_TESTS_PIPE_H
#define HALO_TESTS_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pipe_piece;

struct pipe { /* zeroed: empty and open */
	struct pipe_piece *first, *last;
	uint64_t last_at;
};

/* Copies data; len 0: the end of the stream. Arrives at at_ns or right behind
 * what is under way. */
void pipe_put(struct pipe *p, const void *data, size_t len, uint64_t at_ns);
/* When the next piece arrives; TIME_NEVER: nothing is under way. */
uint64_t pipe_due(const struct pipe *p);
/* The next piece; the caller frees it. *len 0: the end of the stream. */
uint8_t *pipe_take(struct pipe *p, size_t *len);
void pipe_fini(struct pipe *p);

#endif
