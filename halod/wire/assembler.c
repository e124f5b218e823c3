// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire/assembler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Hands out whole frames; *used tells how many bytes they were. */
static int cut(const struct assembler *a, const uint8_t *data, size_t len,
	       size_t *used, assembler_fn fn, void *arg,
	       struct frame_error *err)
{
	for (*used = 0; *used < len;) {
		int whole =
			frame_length(data + *used, len - *used, a->max, err);
		int ret;

		if (whole < 0)
			return whole;
		if (!whole || (size_t)whole > len - *used)
			return 0;
		ret = fn(arg, data + *used, (size_t)whole);
		*used += (size_t)whole;
		if (ret)
			return ret;
	}
	return 0;
}

static int keep(struct assembler *a, const uint8_t *data, size_t len)
{
	uint8_t *grown;

	if (!len)
		return 0;
	grown = realloc(a->data, a->len + len);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + a->len, data, len);
	a->data = grown;
	a->len += len;
	return 0;
}

int assembler_feed(struct assembler *a, const uint8_t *data, size_t len,
		   assembler_fn fn, void *arg, struct frame_error *err)
{
	size_t used;
	int ret;

	if (!a->len) {
		ret = cut(a, data, len, &used, fn, arg, err);
		return ret ? ret : keep(a, data + used, len - used);
	}
	ret = keep(a, data, len);
	if (ret)
		return ret;
	ret = cut(a, a->data, a->len, &used, fn, arg, err);
	if (ret)
		return ret;
	memmove(a->data, a->data + used, a->len - used);
	a->len -= used;
	if (!a->len)
		assembler_fini(a);
	return 0;
}

void assembler_fini(struct assembler *a)
{
	free(a->data);
	a->data = NULL;
	a->len = 0;
}
