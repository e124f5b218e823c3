// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into halod: system calls and allocations fail, each place they are
 * made from once. A place is a call and the three callers above it, so that a
 * few runs meet what the n-th call of so many thousand would in days. Programs
 * run without address randomisation (setarch -R): places are addresses.
 *
 *   FAIL_CONTROL=FILE  a byte: '1' fails, anything else does not; may change
 *   FAIL_SITES=FILE    places that have failed; appended to
 *   FAIL_LOG=FILE      a line a failure: the call and its callers
 *   FAIL_GAP_MS=N      between two failures at least; default 20
 *
 * Libraries that end the program, or crash, when they get no memory are spared
 * that: what they do is no choice of halod's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CALLERS	  3
#define OWN	  2 /* frames of this file above them */
#define SITES_MAX 16384
#define EARLY_MAX 65536

static struct {
	volatile const char *control;
	int sites_fd, log_fd;
	uint64_t gap_ns, last_ns;
	uint64_t sites[SITES_MAX]; /* hash table, 0 empty */
	pthread_mutex_t lock;
} shim = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread bool inside;

/* What dlsym() allocates before it has found the allocator. */
static _Alignas(16) char early[EARLY_MAX];
static size_t early_used;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Whether it was not there before. */
static bool add_site(uint64_t site)
{
	for (unsigned i = 0; i < SITES_MAX; i++) {
		uint64_t *at = &shim.sites[(site + i) % SITES_MAX];

		if (*at == site)
			return false;
		if (!*at) {
			*at = site;
			return true;
		}
	}
	return false;
}

static uint64_t hash_site(const char *name, void *const *frames, int n)
{
	uint64_t h = 14695981039346656037u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211u;
	for (int i = 0; i < n; i++)
		h = (h ^ (uintptr_t)frames[i]) * 1099511628211u;
	return h ? h : 1;
}

static void tell(const char *name, void *const *frames, int n)
{
	char line[512];
	int len = snprintf(line, sizeof(line), "%s", name);
	Dl_info info;

	for (int i = 0; i < n && len < 400; i++) {
		if (!dladdr(frames[i], &info))
			continue;
		len += snprintf(
			line + len, sizeof(line) - len, " %.40s+0x%zx",
			strrchr(info.dli_fname, '/')
				? strrchr(info.dli_fname, '/') + 1
				: info.dli_fname,
			(size_t)((char *)frames[i] - (char *)info.dli_fbase));
	}
	line[len++] = '\n';
	syscall(SYS_write, shim.log_fd, line, len);
}

/* libconfig 1.5 uses what malloc() returns as it is; libev and libnftables end
 * the program with a line of their own. */
static bool is_spared(const char *name, void *const *frames, int n)
{
	static const char *const unready[] = { "libconfig.", "libev.",
					       "libnftables.", "libxtables." };
	Dl_info info;

	if (!strstr(name, "alloc"))
		return false;
	for (int i = 0; i < n; i++) {
		if (!dladdr(frames[i], &info))
			continue;
		for (unsigned k = 0; k < 4; k++)
			if (strstr(info.dli_fname, unready[k]))
				return true;
	}
	return false;
}

static bool new_site(const char *name)
{
	void *frames[OWN + CALLERS];
	int n = backtrace(frames, OWN + CALLERS);
	uint64_t site;

	if (n <= OWN || is_spared(name, frames + OWN, n - OWN))
		return false;
	site = hash_site(name, frames + OWN, n - OWN);
	if (!add_site(site))
		return false;
	syscall(SYS_write, shim.sites_fd, &site, sizeof(site));
	tell(name, frames + OWN, n - OWN);
	return true;
}

static __attribute__((noinline)) bool fails(const char *name)
{
	bool yes = false;

	if (!shim.control || *shim.control != '1' || inside)
		return false;
	inside = true;
	pthread_mutex_lock(&shim.lock);
	if (now_ns() - shim.last_ns >= shim.gap_ns && new_site(name)) {
		shim.last_ns = now_ns();
		yes = true;
	}
	pthread_mutex_unlock(&shim.lock);
	inside = false;
	return yes;
}

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void begin(void)
{
	const char *control = getenv("FAIL_CONTROL");
	const char *sites = getenv("FAIL_SITES"), *log = getenv("FAIL_LOG");
	const char *gap = getenv("FAIL_GAP_MS");
	void *frames[1];
	uint64_t site;
	int fd;

	if (!control || !sites || !log)
		return;
	inside = true;
	backtrace(frames, 1); /* loads what it needs */
	shim.gap_ns = (gap ? strtoull(gap, NULL, 10) : 20) * 1000000u;
	shim.sites_fd = (int)syscall(SYS_openat, AT_FDCWD, sites,
				     O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	shim.log_fd =
		(int)syscall(SYS_openat, AT_FDCWD, log,
			     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	while (syscall(SYS_read, shim.sites_fd, &site, sizeof(site)) ==
	       sizeof(site))
		add_site(site);
	fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		void *at = (void *)syscall(SYS_mmap, NULL, 1, PROT_READ,
					   MAP_SHARED, fd, 0);

		shim.control = at == MAP_FAILED ? NULL : at;
	}
	inside = false;
}

/* ---- allocations ---- */

static void *take_early(size_t size)
{
	size_t at = early_used;

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= EARLY_MAX ? early + at : NULL;
}

static bool is_early(const void *p)
{
	return (const char *)p >= early && (const char *)p < early + EARLY_MAX;
}

void *malloc(size_t size)
{
	static void *(*next)(size_t);
	static __thread bool finding;

	if (!next) {
		if (finding)
			return take_early(size);
		finding = true;
		next = real("malloc");
		finding = false;
	}
	if (fails("malloc")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(size);
}

void *calloc(size_t n, size_t size)
{
	static void *(*next)(size_t, size_t);
	static __thread bool finding;

	if (!next) {
		if (finding) /* is zero */
			return take_early(n * size);
		finding = true;
		next = real("calloc");
		finding = false;
	}
	if (fails("calloc")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(n, size);
}

void *realloc(void *p, size_t size)
{
	static void *(*next)(void *, size_t);

	if (is_early(p)) {
		void *moved = malloc(size);

		return moved ? memcpy(moved, p, size) : NULL;
	}
	if (!next)
		next = real("realloc");
	if (fails("realloc")) {
		errno = ENOMEM;
		return NULL;
	}
	return next(p, size);
}

void free(void *p)
{
	static void (*next)(void *);

	if (!p || is_early(p))
		return;
	if (!next)
		next = real("free");
	next(p);
}

/* ---- system calls ---- */

#define WRAP(type, name, error, failure, params, args) \
	type name params                               \
	{                                              \
		static type(*next) params;             \
                                                       \
		if (!next)                             \
			next = real(#name);            \
		if (fails(#name)) {                    \
			errno = error;                 \
			return failure;                \
		}                                      \
		return next args;                      \
	}

#define WRAP_OPEN(name)                                     \
	int name(const char *path, int flags, ...)          \
	{                                                   \
		static int (*next)(const char *, int, ...); \
		va_list ap;                                 \
		unsigned mode;                              \
                                                            \
		va_start(ap, flags);                        \
		mode = va_arg(ap, unsigned);                \
		va_end(ap);                                 \
		if (!next)                                  \
			next = real(#name);                 \
		if (fails(#name)) {                         \
			errno = EMFILE;                     \
			return -1;                          \
		}                                           \
		return next(path, flags, mode);             \
	}

WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP(int, socket, EMFILE, -1, (int d, int t, int p), (d, t, p))
WRAP(int, bind, EADDRINUSE, -1, (int fd, __CONST_SOCKADDR_ARG a, socklen_t len),
     (fd, a, len))
WRAP(int, listen, EADDRINUSE, -1, (int fd, int n), (fd, n))
WRAP(int, accept4, EMFILE, -1,
     (int fd, __SOCKADDR_ARG a, socklen_t *len, int flags), (fd, a, len, flags))
WRAP(int, connect, ENOBUFS, -1, (int fd, __CONST_SOCKADDR_ARG a, socklen_t len),
     (fd, a, len))
WRAP(int, setsockopt, ENOBUFS, -1,
     (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n))
WRAP(ssize_t, read, EIO, -1, (int fd, void *p, size_t n), (fd, p, n))
WRAP(ssize_t, pread64, EIO, -1, (int fd, void *p, size_t n, off64_t at),
     (fd, p, n, at))
WRAP(ssize_t, pwrite64, ENOSPC, -1,
     (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP(int, ftruncate64, ENOSPC, -1, (int fd, off64_t n), (fd, n))
WRAP(int, fsync, EIO, -1, (int fd), (fd))
WRAP(int, fdatasync, EIO, -1, (int fd), (fd))
WRAP(ssize_t, send, ENOBUFS, -1, (int fd, const void *p, size_t n, int f),
     (fd, p, n, f))
WRAP(ssize_t, sendto, ENOBUFS, -1,
     (int fd, const void *p, size_t n, int f, __CONST_SOCKADDR_ARG a,
      socklen_t len),
     (fd, p, n, f, a, len))
WRAP(ssize_t, sendmsg, ENOBUFS, -1, (int fd, const struct msghdr *m, int f),
     (fd, m, f))
WRAP(ssize_t, recv, ENOBUFS, -1, (int fd, void *p, size_t n, int f),
     (fd, p, n, f))
WRAP(ssize_t, recvfrom, ENOBUFS, -1,
     (int fd, void *p, size_t n, int f, __SOCKADDR_ARG a, socklen_t *len),
     (fd, p, n, f, a, len))
WRAP(ssize_t, recvmsg, ENOBUFS, -1, (int fd, struct msghdr *m, int f),
     (fd, m, f))
WRAP(int, timerfd_create, EMFILE, -1, (int clock, int flags), (clock, flags))
WRAP(int, eventfd, EMFILE, -1, (unsigned n, int flags), (n, flags))
WRAP(void *, mmap64, ENOMEM, MAP_FAILED,
     (void *at, size_t n, int prot, int flags, int fd, off64_t off),
     (at, n, prot, flags, fd, off))
WRAP(int, pthread_create, EAGAIN, EAGAIN,
     (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg),
     (t, a, fn, arg))
