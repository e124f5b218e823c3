// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

/* Largest first: duration_format() takes the first that divides. */
static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "h", 3600 * NS_PER_S }, { "min", 60 * NS_PER_S }, { "s", NS_PER_S },
	{ "ms", NS_PER_MS },	  { "us", NS_PER_US },
};

static const struct unit *find_unit(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

int duration_parse(uint64_t *out_ns, const char *text)
{
	const char *at = text;
	const struct unit *unit;
	uint64_t count = 0;
	bool overflow = false;

	for (; *at >= '0' && *at <= '9'; at++)
		overflow |= __builtin_mul_overflow(count, 10, &count) ||
			    __builtin_add_overflow(count, *at - '0', &count);
	if (at == text)
		return -EINVAL;
	at += strspn(at, " ");
	unit = find_unit(at);
	if (!unit)
		return -EINVAL;
	if (overflow || __builtin_mul_overflow(count, unit->ns, &count))
		return -ERANGE;
	*out_ns = count;
	return 0;
}

const char *duration_format(uint64_t ns, char *out)
{
	unsigned i = 0;

	if (ns == 0) {
		strcpy(out, "0 s");
		return out;
	}
	while (i < ARRAY_SIZE(units) - 1 && ns % units[i].ns)
		i++;
	snprintf(out, DURATION_STRLEN, "%" PRIu64 " %s", ns / units[i].ns,
		 units[i].name);
	return out;
}
