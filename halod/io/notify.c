// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"

/* A whole positive number and nothing else; 0: it is none. */
static uint64_t number_of(const char *text)
{
	uint64_t value;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno || *end ? 0 : value;
}

static uint64_t watchdog_of(const char *usec, const char *pid)
{
	uint64_t us = number_of(usec);

	if (pid && number_of(pid) != (uint64_t)getpid())
		return 0;
	return us > UINT64_MAX / NS_PER_US ? 0 : us * NS_PER_US;
}

/* A path, or "@name" for one that is in no file system. */
static bool read_address(struct notify *n, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len < 2 || len >= sizeof(n->to.sun_path) ||
	    (*text != '/' && *text != '@'))
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, text, len + 1);
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (*text == '@')
		n->to.sun_path[0] = 0;
	else
		n->to_len++;
	return true;
}

void notify_init(struct notify *n)
{
	*n = (struct notify){ .fd = -1 };
	if (read_address(n, getenv("NOTIFY_SOCKET"))) {
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		n->watchdog_ns = watchdog_of(getenv("WATCHDOG_USEC"),
					     getenv("WATCHDOG_PID"));
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_fini(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	*n = (struct notify){ .fd = -1 };
}

static void say(const struct notify *n, const char *text)
{
	if (n->fd >= 0)
		sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		       (const struct sockaddr *)&n->to, n->to_len);
}

void notify_ready(const struct notify *n)
{
	say(n, "READY=1\n");
}

void notify_reloading(const struct notify *n, uint64_t now_ns)
{
	char text[64];

	snprintf(text, sizeof(text),
		 "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
		 (uint64_t)(now_ns / NS_PER_US));
	say(n, text);
}

void notify_stopping(const struct notify *n)
{
	say(n, "STOPPING=1\n");
}

void notify_alive(const struct notify *n)
{
	say(n, "WATCHDOG=1\n");
}

void notify_status(const struct notify *n, const char *fmt, ...)
{
	char text[sizeof("STATUS=") + NOTIFY_STATUS_MAX] = "STATUS=";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + strlen(text), NOTIFY_STATUS_MAX, fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	say(n, text);
}
