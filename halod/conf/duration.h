/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durations as people write them: a whole number and a unit. Not for points
 * in time.
 */
#ifndef HALO_CONF_DURATION_H
#define HALO_CONF_DURATION_H

#include <stdint.h>

#define DURATION_STRLEN 32
#define DURATION_UNITS	"us, ms, s, min or h"

/* "500 ms", "10s", "5 min". 0; -EINVAL; -ERANGE when it does not fit. *out_ns
 * changes on success only. */
int duration_parse(uint64_t *out_ns, const char *text);

/* In the largest unit that leaves a whole number; parts below a microsecond
 * are dropped. Writes at most DURATION_STRLEN bytes; returns out. */
const char *duration_format(uint64_t ns, char *out);

#endif
