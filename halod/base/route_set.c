// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/route_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool route_set_next_range(const struct route_set *s, uint32_t *at,
			  struct route_range *out)
{
	uint32_t i = *at;

	if (i >= s->count)
		return false;
	out->first = s->ids[i];
	while (i + 1 < s->count && s->ids[i + 1] == s->ids[i] + 1)
		i++;
	out->last = s->ids[i];
	*at = i + 1;
	return true;
}

static int cmp_id(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

bool route_set_has(const struct route_set *s, uint16_t route)
{
	return s->count &&
	       bsearch(&route, s->ids, s->count, sizeof(route), cmp_id);
}

const char *route_set_format(const struct route_set *s, char *out,
			     unsigned size)
{
	static const char cut[] = "…";
	struct route_range r;
	uint32_t at = 0;
	unsigned len = 0;
	char item[16];

	if (!size)
		return out;
	out[0] = 0;
	while (route_set_next_range(s, &at, &r)) {
		int n = snprintf(item, sizeof(item),
				 r.first == r.last ? "%s%u" : "%s%u-%u",
				 len ? "," : "", r.first, r.last);
		unsigned more = at < s->count ? sizeof(cut) : 1;

		/* room for the item and, should the next not fit, the sign */
		if (len + (unsigned)n + more > size) {
			if (len + sizeof(cut) <= size)
				strcpy(out + len, cut);
			break;
		}
		memcpy(out + len, item, (size_t)n + 1);
		len += (unsigned)n;
	}
	return out;
}
