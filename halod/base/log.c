// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static const int level_priority[] = { 3, 4, 6, 7 }; /* sd-daemon(3) */

/* The log sink: the one mutable global the house style allows. */
static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

static int write_prefix(char *out, size_t size, enum log_level level)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	if (getenv("JOURNAL_STREAM"))
		return snprintf(out, size, "<%d>", level_priority[level]);
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	n = strftime(out, size, "%H:%M:%S", &tm);
	return (int)n + snprintf(out + n, size - n, ".%03ld %-5s ",
				 ts.tv_nsec / 1000000, level_names[level]);
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[1024];
	size_t len, room = sizeof(line) - 1;
	va_list ap;

	if (!log_enabled(level))
		return;
	len = (size_t)write_prefix(line, room, level);
	len += (size_t)snprintf(line + len, room - len, "%s%s", event,
				*fmt ? " " : "");
	if (len < room) {
		va_start(ap, fmt);
		len += (size_t)vsnprintf(line + len, room - len, fmt, ap);
		va_end(ap);
	}
	if (len > room - 1)
		len = room - 1;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nowhere left to say so */
}
