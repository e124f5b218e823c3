/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the service manager how this process fares (sd_notify(3)): ready,
 * reloading, stopping, alive. Not a log, and no dependency on systemd: without
 * NOTIFY_SOCKET in the environment everything here does nothing.
 *
 * Never blocks and never fails for the caller: a manager that does not read
 * misses a line. Of the environment it takes what is meant for this process, so
 * that children (checks, commands) do not speak for it.
 */
#ifndef HALO_IO_NOTIFY_H
#define HALO_IO_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_STATUS_MAX 240 /* bytes of a status line */

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un to;
	socklen_t to_len;
	uint64_t watchdog_ns; /* be alive so often; 0: nobody watches */
};

/* Reads and unsets NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; to be called
 * before there are threads. What they say wrongly is as if it were not there.
 */
void notify_init(struct notify *n);
void notify_fini(struct notify *n);

/* All that was configured is in force; also ends notify_reloading(). */
void notify_ready(const struct notify *n);
/* now_ns: CLOCK_MONOTONIC, before anything was read anew. */
void notify_reloading(const struct notify *n, uint64_t now_ns);
void notify_stopping(const struct notify *n);
/* To be called at least every watchdog_ns while the process does its work. */
void notify_alive(const struct notify *n);
/* One line for `systemctl status`; control characters become spaces. */
__attribute__((format(printf, 2, 3))) void notify_status(const struct notify *n,
							 const char *fmt, ...);

#endif
