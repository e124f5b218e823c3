// SPDX-License-Identifier: GPL-2.0-or-later
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/units.h"
#include "http_check.h"

#define TEXT_MAX	   512
#define STREAK_MAX	   1000
#define INTERVAL_MIN_NS	   NS_PER_MS
#define INTERVAL_MAX_NS	   (3600 * NS_PER_S)
#define TIMEOUT_DEFAULT_NS NS_PER_S

static int parse_number(const char *text, unsigned min, unsigned max,
			unsigned *out)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end || n < min || n > max)
		return -EINVAL;
	*out = (unsigned)n;
	return 0;
}

/* "10ms", "1s": a number without its unit is refused. */
static int parse_duration(const char *text, uint64_t *out)
{
	char *unit;
	uint64_t scale, n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtoull(text, &unit, 10);
	scale = !strcmp(unit, "ms")  ? NS_PER_MS
		: !strcmp(unit, "s") ? NS_PER_S
				     : 0;
	if (!scale || n > INTERVAL_MAX_NS / scale ||
	    n * scale < INTERVAL_MIN_NS)
		return -EINVAL;
	*out = n * scale;
	return 0;
}

/* "8001" (on 127.0.0.1), "192.0.2.1:80", "[2001:db8::1]:80" */
static int parse_where(const char *text, struct endpoint *out)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };
	unsigned port;

	if (strchr(text, ':'))
		return endpoint_parse(out, text);
	if (parse_number(text, 1, 65535, &port))
		return -EINVAL;
	*out = (struct endpoint){ addr_v4(loopback), (uint16_t)port };
	return 0;
}

static int take_text(struct check *c, const char *text)
{
	c->fall = 3;
	if (!*text || strlen(text) >= sizeof(c->text))
		return -EINVAL;
	strcpy(c->text, text);
	return 0;
}

static int parse_target(struct check *c, const char *text, const char **allowed)
{
	*allowed = "listen:PORT, tcp:[ADDRESS:]PORT, http://HOST:PORT/PATH or "
		   "exec:COMMAND";
	if (!strncmp(text, "listen:", 7)) {
		c->kind = CHECK_LISTEN;
		c->fall = 1;
		return strchr(text + 7, ':') ? -EINVAL
					     : parse_where(text + 7, &c->at);
	}
	if (!strncmp(text, "tcp:", 4)) {
		c->kind = CHECK_TCP;
		c->fall = 3;
		return parse_where(text + 4, &c->at);
	}
	if (!strncmp(text, "exec:", 5)) {
		c->kind = CHECK_EXEC;
		return take_text(c, text + 5);
	}
	if (!http_check_url(text)) {
		c->kind = CHECK_HTTP;
		return take_text(c, text);
	}
	return -EINVAL;
}

/* Where the options begin, cut off; commands and URLs may have commas
 * of their own. */
static char *cut_options(char *text)
{
	static const char *const names[] = { ",interval=", ",timeout=",
					     ",rise=", ",fall=", ",status=" };
	char *first = NULL;

	if (strncmp(text, "exec:", 5) && strncmp(text, "http:", 5)) {
		first = strchr(text, ',');
	} else {
		for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
			char *at = strstr(text, names[i]);

			if (at && (!first || at < first))
				first = at;
		}
	}
	if (first)
		*first++ = 0;
	return first;
}

static int parse_option(struct check *c, char *text, const char **allowed)
{
	char *value = strchr(text, '=');

	*allowed = c->kind == CHECK_HTTP
			   ? "the options interval=, timeout=, rise=, fall= "
			     "and status="
			   : "the options interval=, timeout=, rise= and fall=";
	if (!value)
		return -EINVAL;
	*value++ = 0;
	if (!strcmp(text, "interval") || !strcmp(text, "timeout")) {
		*allowed = "1ms to 3600s, with its unit";
		return parse_duration(value, *text == 'i' ? &c->interval_ns
							  : &c->timeout_ns);
	}
	if (!strcmp(text, "rise") || !strcmp(text, "fall")) {
		*allowed = "1 to 1000";
		return parse_number(value, 1, STREAK_MAX,
				    *text == 'r' ? &c->rise : &c->fall);
	}
	if (!strcmp(text, "status") && c->kind == CHECK_HTTP) {
		*allowed = "a status of 200 to 599";
		return parse_number(value, 200, 599, &c->status);
	}
	return -EINVAL;
}

int check_parse(struct check *out, const char *text, char *err,
		unsigned err_size)
{
	struct check c = { .rise = 2, .timeout_ns = TIMEOUT_DEFAULT_NS };
	const char *allowed = "at most 511 characters";
	char copy[TEXT_MAX], *item, *rest = NULL;
	int ret = strlen(text) < sizeof(copy) ? 0 : -EINVAL;

	if (!ret) {
		strcpy(copy, text);
		rest = cut_options(copy);
		ret = parse_target(&c, copy, &allowed);
	}
	while (!ret && (item = strsep(&rest, ",")))
		ret = parse_option(&c, item, &allowed);
	if (ret) {
		snprintf(err, err_size, "--check %s: allowed are %s", text,
			 allowed);
		return ret;
	}
	*out = c;
	return 0;
}

void check_result(struct check *c, bool ok)
{
	enum node_health now = ok ? HEALTH_UP : HEALTH_DOWN;

	if (c->health == now) {
		c->streak = 0;
		return;
	}
	if (c->health != HEALTH_UNKNOWN &&
	    ++c->streak < (ok ? c->rise : c->fall))
		return;
	c->health = now;
	c->streak = 0;
}
