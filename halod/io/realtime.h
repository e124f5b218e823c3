/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `profile = fast`: the threads that judge silence must not wait for others.
 */
#ifndef HALO_IO_REALTIME_H
#define HALO_IO_REALTIME_H

/* SCHED_FIFO for the calling thread; threads it creates do not inherit it.
 * -EPERM without CAP_SYS_NICE. */
int realtime_enter(int priority);
/* Keeps the process in memory; -EPERM without CAP_IPC_LOCK. */
int realtime_lock_memory(void);

#endif
