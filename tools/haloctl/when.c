// SPDX-License-Identifier: GPL-2.0-or-later
#include "when.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Digits, with *end behind them. */
static int parse_digits(const char *text, uint64_t *out, char **end)
{
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, end, 10);
	return errno ? -EINVAL : 0;
}

int when_parse_duration(const char *text, uint64_t *out_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 },	{ "s", 1000 },	  { "m", 60000 },
		      { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	uint64_t n;
	char *unit;

	if (parse_digits(text, &n, &unit))
		return -EINVAL;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit))
			continue;
		if (n > UINT64_MAX / units[i].ms)
			return -EINVAL;
		*out_ms = n * units[i].ms;
		return 0;
	}
	return -EINVAL;
}

/* ":SS", ".123": optional; then the zone: "Z", "+01:00" or nothing (UTC). */
static int parse_zone(const char *rest, long *offset_s)
{
	unsigned hours, minutes;
	int used = 0;

	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	*offset_s = 0;
	if (!*rest || !strcmp(rest, "Z") || !strcmp(rest, "z"))
		return 0;
	if (sscanf(rest + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 ||
	    rest[1 + used] || (*rest != '+' && *rest != '-'))
		return -EINVAL;
	*offset_s = (long)(hours * 3600 + minutes * 60);
	if (*rest == '-')
		*offset_s = -*offset_s;
	return 0;
}

static int parse_rfc3339(const char *text, uint64_t *out_ms)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S",
					     "%Y-%m-%d %H:%M:%S",
					     "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
					     "%Y-%m-%d" };

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { 0 };
		const char *rest = strptime(text, forms[i], &tm);
		long offset_s;
		time_t t;

		if (!rest || parse_zone(rest, &offset_s))
			continue;
		t = timegm(&tm) - offset_s;
		if (t < 0)
			return -EINVAL;
		*out_ms = (uint64_t)t * 1000;
		return 0;
	}
	return -EINVAL;
}

int when_parse_since(const char *text, uint64_t now_ms, uint64_t *out_ms)
{
	uint64_t n;
	char *end;

	if (!when_parse_duration(text, &n)) {
		*out_ms = n < now_ms ? now_ms - n : 0;
		return 0;
	}
	if (!parse_digits(text, &n, &end) && !*end && n <= UINT64_MAX / 1000) {
		*out_ms = n * 1000;
		return 0;
	}
	return parse_rfc3339(text, out_ms);
}
