/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durations and points in time as an operator writes them. Reads no clock.
 */
#ifndef HALOCTL_WHEN_H
#define HALOCTL_WHEN_H

#include <stdint.h>

/* "500ms", "10s", "10m", "2h", "3d": 0, or -EINVAL (also without a unit). */
int when_parse_duration(const char *text, uint64_t *out_ms);
/* A duration before now, RFC 3339 ("2026-11-21T03:04:05Z", also a date alone,
 * UTC), or seconds since the epoch: 0 or -EINVAL. */
int when_parse_since(const char *text, uint64_t now_ms, uint64_t *out_ms);

#endif
