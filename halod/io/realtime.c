// SPDX-License-Identifier: GPL-2.0-or-later
#include "io/realtime.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

int realtime_enter(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		return -errno;
	return 0;
}

int realtime_lock_memory(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ? -errno : 0;
}
