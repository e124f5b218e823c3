// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes at the agent port: frames are cut out, decoded, and what decodes
 * must encode to a frame that decodes to the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/assembler.h"
#include "wire/frame.h"

static uint16_t routes[ROUTES_MAX], again_routes[ROUTES_MAX];
static uint8_t encoded[FRAME_LEN_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int truth)
{
	if (!truth)
		__builtin_trap();
}

/* The ids lie in two arrays; then everything else is compared as it is. */
static void compare_routes(struct route_set *a, struct route_set *b)
{
	require(a->count == b->count);
	require(!memcmp(a->ids, b->ids, sizeof(*a->ids) * a->count));
	b->ids = a->ids;
}

static int on_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct frame_error err;
	struct message m, again;
	int n;

	if (frame_decode(&m, frame, len, routes, &err))
		return 0;
	n = frame_encode(encoded, sizeof(encoded), &m);
	if (n < 0) /* adjacent ranges come out merged, never longer */
		__builtin_trap();
	require((size_t)n == frame_size(&m));
	require(!frame_decode(&again, encoded, (size_t)n, again_routes, &err));
	if (m.type == MESSAGE_MOVING)
		compare_routes(&m.moving.routes, &again.moving.routes);
	if (m.type == MESSAGE_ASSIGNED)
		compare_routes(&m.assigned.routes, &again.assigned.routes);
	require(!memcmp(&m, &again, sizeof(m)));
	return 0;
}

/* The first byte says where the stream is cut in two. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct assembler a = { .max = FRAME_LEN_MAX };
	struct frame_error err;
	size_t first;

	if (!len)
		return 0;
	first = data[0] < len ? data[0] : len - 1;
	data++;
	len--;
	if (!assembler_feed(&a, data, first, on_frame, NULL, &err))
		assembler_feed(&a, data + first, len - first, on_frame, NULL,
			       &err);
	assembler_fini(&a);
	return 0;
}
