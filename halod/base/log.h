/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line an event: "event key=value …", to stderr with a syslog priority
 * prefix when systemd reads it (JOURNAL_STREAM), else with time and level.
 * The pure folders do not include this: they return effects.
 */
#ifndef HALO_BASE_LOG_H
#define HALO_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Thread-safe: one write(2) a line. event: a few fixed words; fmt: key=value
 * pairs, or "" when there is nothing to add. */
__attribute__((format(printf, 3, 4))) void
log_event(enum log_level level, const char *event, const char *fmt, ...);

#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)                                   \
	do {                                                    \
		if (log_enabled(LOG_LEVEL_DEBUG))               \
			log_event(LOG_LEVEL_DEBUG, event, __VA_ARGS__); \
	} while (0)

#endif
