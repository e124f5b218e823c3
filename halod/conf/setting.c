// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf/setting.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/duration.h"

const char *setting_name(const config_setting_t *s)
{
	while (s && !s->name)
		s = s->parent;
	return s ? s->name : "configuration";
}

const char *setting_type_name(const config_setting_t *s)
{
	switch (s->type) {
	case CONFIG_TYPE_GROUP:
		return "a group { … }";
	case CONFIG_TYPE_LIST:
		return "a list ( … )";
	case CONFIG_TYPE_ARRAY:
		return "an array [ … ]";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_FLOAT:
		return "a fraction";
	default:
		return "a number";
	}
}

void setting_error(const struct setting_source *src, const config_setting_t *at,
		   const char *fmt, ...)
{
	char text[DIAG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(src->diags, at->file ? at->file : src->name, at->line,
		   "%.60s: %s", setting_name(at), text);
}

static bool is_integer(const config_setting_t *s)
{
	return s->type == CONFIG_TYPE_INT || s->type == CONFIG_TYPE_INT64;
}

static long long integer_value(const config_setting_t *s)
{
	return s->type == CONFIG_TYPE_INT ? config_setting_get_int(s)
					  : config_setting_get_int64(s);
}

bool setting_integer(const struct setting_source *src,
		     const config_setting_t *s, uint64_t min, uint64_t max,
		     uint64_t *out)
{
	long long value;

	if (!is_integer(s)) {
		setting_error(src, s,
			      "must be a whole number, %" PRIu64 "..%" PRIu64
			      ", not %s",
			      min, max, setting_type_name(s));
		return false;
	}
	value = integer_value(s);
	if (value < 0 || (uint64_t)value < min || (uint64_t)value > max) {
		setting_error(src, s,
			      "%lld is out of range, allowed is %" PRIu64
			      "..%" PRIu64,
			      value, min, max);
		return false;
	}
	*out = (uint64_t)value;
	return true;
}

static bool report_duration(const struct setting_source *src,
			    const config_setting_t *s, uint64_t min_ns,
			    uint64_t max_ns)
{
	char min[DURATION_STRLEN], max[DURATION_STRLEN];

	setting_error(src, s, "\"%.40s\" is out of range, allowed is %s..%s",
		      config_setting_get_string(s),
		      duration_format(min_ns, min),
		      duration_format(max_ns, max));
	return false;
}

bool setting_duration(const struct setting_source *src,
		      const config_setting_t *s, uint64_t min_ns,
		      uint64_t max_ns, uint64_t *out_ns)
{
	uint64_t ns;
	int err;

	if (is_integer(s)) {
		setting_error(src, s,
			      "%lld has no unit, write it as \"%lld ms\" "
			      "(units: " DURATION_UNITS ")",
			      integer_value(s), integer_value(s));
		return false;
	}
	if (s->type != CONFIG_TYPE_STRING) {
		setting_error(src, s,
			      "must be a duration such as \"500 ms\", not %s",
			      setting_type_name(s));
		return false;
	}
	err = duration_parse(&ns, config_setting_get_string(s));
	if (err == -EINVAL) {
		setting_error(src, s,
			      "\"%.40s\" is not a duration, write a whole "
			      "number and a unit: " DURATION_UNITS,
			      config_setting_get_string(s));
		return false;
	}
	if (err || ns < min_ns || ns > max_ns)
		return report_duration(src, s, min_ns, max_ns);
	*out_ns = ns;
	return true;
}

bool setting_share(const struct setting_source *src, const config_setting_t *s,
		   double *out)
{
	double value;

	if (s->type != CONFIG_TYPE_FLOAT && !is_integer(s)) {
		setting_error(src, s,
			      "must be a share such as 0.5, above 0 and at "
			      "most 1, not %s",
			      setting_type_name(s));
		return false;
	}
	value = is_integer(s) ? (double)integer_value(s)
			      : config_setting_get_float(s);
	if (!(value > 0 && value <= 1)) {
		setting_error(
			src, s,
			"%g is out of range, allowed is above 0 and at most 1",
			value);
		return false;
	}
	*out = value;
	return true;
}

static bool is_run_of_bits(uint32_t mask, unsigned bits)
{
	uint32_t lowest = mask & -mask;

	return (unsigned)__builtin_popcount(mask) >= bits &&
	       ((mask + lowest) & mask) == 0;
}

bool setting_mask(const struct setting_source *src, const config_setting_t *s,
		  unsigned bits, uint32_t *out)
{
	uint32_t mask;

	if (s->type != CONFIG_TYPE_INT) {
		setting_error(src, s,
			      "must be a mask such as 0xffff0000, not %s",
			      setting_type_name(s));
		return false;
	}
	mask = (uint32_t)config_setting_get_int(s);
	if (!is_run_of_bits(mask, bits)) {
		setting_error(
			src, s,
			"0x%x is no mask of %u or more bits side by side, "
			"as 0xffff0000 is",
			mask, bits);
		return false;
	}
	*out = mask;
	return true;
}

bool setting_text(const struct setting_source *src, const config_setting_t *s,
		  unsigned size, const char **out)
{
	const char *text;

	if (s->type != CONFIG_TYPE_STRING) {
		setting_error(src, s, "must be a string, not %s",
			      setting_type_name(s));
		return false;
	}
	text = config_setting_get_string(s);
	if (!*text || strlen(text) >= size) {
		setting_error(src, s, "%zu characters, allowed are 1..%u",
			      strlen(text), size - 1);
		return false;
	}
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			setting_error(
				src, s,
				"has a control character, none is allowed");
			return false;
		}
	}
	*out = text;
	return true;
}
