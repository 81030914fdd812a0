/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * libairlock-agent.so: loaded into a VMM, it takes charge of the VMM's mapping of the pool before
 * the guest can see it. lib/window has the agent itself; here is what finds the mapping.
 *
 * Preloaded (LD_PRELOAD), it stands in front of mmap() and munmap(). A mapping of the pool's file
 * is made dark before mmap() returns; all others pass. AIRLOCK_WINDOW names the window socket, and
 * nothing happens without it. airlockd tells which file is the pool; where airlockd may come later,
 * AIRLOCK_POOL does.
 *
 * As a plugin of QEMU (-plugin file=...,window=SOCKET) it comes too late to stand in front of
 * anything, but before the machine is made: it takes charge of the mapping that is there, and QEMU
 * does not start if there is none.
 *
 * What is not certain fails: an unguarded window would show the guest every page of the pool. So a
 * program that cannot learn which file is the pool ends at once, and the pool can be mapped in one
 * way only: once, whole, shared.
 *
 * A program that only starts a VMM (a shell) has this loaded too: it asks airlockd for the pool,
 * and that is all. Once a window is there, AIRLOCK_WINDOW leaves the environment, so that the VMM's
 * children are not concerned.
 *
 * Thread rule: mmap() and munmap() are called by any thread. *pool* and *socket_path* are written
 * before *enabled*: before the program's main(), or by QEMU's main thread before the machine is
 * made. *lock* guards the rest.
 */

/* With it <sys/mman.h> gives mmap() the name mmap64; here both are made. */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent_find.h"
#include "airlock_window_agent.h"

#define EXPORT __attribute__((visibility("default")))

/* How long airlockd may take to tell which file is the pool. */
#define POOL_WAIT_MS 5000

_Static_assert(sizeof(off_t) == 8, "mmap() and mmap64() are one function here");

static atomic_bool enabled; /* release; others acquire: *pool* is there */
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static struct airlock_window_welcome pool;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct airlock_window_agent *agent;
/* Where the window is, for munmap(). Written under the lock; read by all, relaxed: who unmaps the
 * window has its address from the mmap() that wrote these. 0: none. */
static atomic_uintptr_t window_start;
static atomic_uintptr_t window_end;

/* One write, so that lines of several programs do not mix. */
static void
print_line(const char *line)
{
	struct iovec parts[] = {
		{.iov_base = (char *)"libairlock-agent: ", .iov_len = 18},
		{.iov_base = (char *)line, .iov_len = strlen(line)},
		{.iov_base = (char *)"\n", .iov_len = 1},
	};
	ssize_t ret;

	ret = writev(STDERR_FILENO, parts, 3);
	(void)ret;
}

static void __attribute__((format(printf, 1, 2))) print(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	print_line(line);
}

/* The system calls themselves: not what the program, or libc, has under these names. */
static void *
map(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}

static int
unmap(void *addr, size_t length)
{
	return (int)syscall(SYS_munmap, addr, length);
}

static bool
overlaps_window(const void *addr, size_t length)
{
	const uintptr_t start = (uintptr_t)addr;

	return start < atomic_load_explicit(&window_end, memory_order_relaxed) &&
		start + length > atomic_load_explicit(&window_start, memory_order_relaxed);
}

/* The window is about to be unmapped, or mapped over. */
static void
let_go(const void *addr, size_t length)
{
	pthread_mutex_lock(&lock);
	/* Seen without the lock, start and end may have been of two times. */
	if (overlaps_window(addr, length)) {
		/* Before: closing maps something in its place, by the mmap() below. */
		atomic_store_explicit(&window_start, 0, memory_order_relaxed);
		atomic_store_explicit(&window_end, 0, memory_order_relaxed);
		airlock_window_agent_close_unmapped(agent);
		agent = NULL;
	}
	pthread_mutex_unlock(&lock);
}

/* @return 0 or -errno; said */
static int
guard(void *base, size_t bytes)
{
	int err;

	if (agent != NULL) {
		print("this program maps the pool a second time: refused");
		return -EBUSY;
	}
	agent = airlock_window_agent_open_known(socket_path, &pool, print_line);
	if (agent == NULL)
		return -errno;
	err = airlock_window_agent_serve(agent, base, bytes, false);
	if (err < 0) {
		airlock_window_agent_close(agent);
		agent = NULL;
		return err;
	}
	atomic_store_explicit(&window_end, (uintptr_t)base + bytes, memory_order_relaxed);
	atomic_store_explicit(&window_start, (uintptr_t)base, memory_order_relaxed);
	unsetenv("AIRLOCK_WINDOW");
	unsetenv("AIRLOCK_POOL");
	return 0;
}

static bool
is_enabled(void)
{
	return atomic_load_explicit(&enabled, memory_order_acquire);
}

static bool
is_pool(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == pool.pool_dev && st.st_ino == pool.pool_ino;
}

/* Anything else would show pages that nobody guards; a private mapping is a copy of them. */
static bool
is_window(size_t length, int prot, int flags, off_t offset)
{
	const int type = flags & MAP_TYPE;

	if ((type == MAP_SHARED || type == MAP_SHARED_VALIDATE) && (prot & PROT_READ) != 0 &&
		offset == 0 && length == pool.layout.pool_bytes)
		return true;
	print("the pool can only be mapped shared, readable and whole (%llu bytes): with QEMU, "
	      "share=on,size=%llu",
		(unsigned long long)pool.layout.pool_bytes,
		(unsigned long long)pool.layout.pool_bytes);
	return false;
}

static void *
map_window(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *base;
	int err;

	if (!is_window(length, prot, flags, offset)) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	pthread_mutex_lock(&lock);
	base = map(addr, length, prot, flags, fd, offset);
	err = base != MAP_FAILED ? guard(base, length) : -errno;
	pthread_mutex_unlock(&lock);
	if (err == 0)
		return base;
	/* A fixed place is the caller's own: it must not become free for other threads. */
	if (base != MAP_FAILED && (flags & MAP_FIXED) != 0)
		map(base, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	else if (base != MAP_FAILED)
		unmap(base, length);
	errno = -err;
	return MAP_FAILED;
}

EXPORT void *
mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	if (!is_enabled())
		return map(addr, length, prot, flags, fd, offset);
	if ((flags & MAP_FIXED) != 0 && overlaps_window(addr, length))
		let_go(addr, length);
	if (fd < 0 || (flags & MAP_ANONYMOUS) != 0 || !is_pool(fd))
		return map(addr, length, prot, flags, fd, offset);
	return map_window(addr, length, prot, flags, fd, offset);
}

EXPORT void *
mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return mmap64(addr, length, prot, flags, fd, offset);
}

EXPORT int
munmap(void *addr, size_t length)
{
	if (is_enabled() && overlaps_window(addr, length))
		let_go(addr, length);
	return unmap(addr, length);
}

static int
learn_from_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		print("AIRLOCK_POOL=%s: %s", path, strerror(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0) {
		print("AIRLOCK_POOL=%s: this is no pool", path);
		return -EINVAL;
	}
	pool.pool_dev = st.st_dev;
	pool.pool_ino = st.st_ino;
	pool.layout.pool_bytes = st.st_size;
	return 0;
}

static int
learn_from_airlockd(const char *path)
{
	struct airlock_window_agent *asker;

	asker = airlock_window_agent_open(path, POOL_WAIT_MS, print_line);
	if (asker == NULL) {
		print("airlockd does not tell at %s which file is the pool (%s), and "
		      "AIRLOCK_POOL does not either",
			path, strerror(errno));
		return -errno;
	}
	pool = *airlock_window_agent_pool(asker);
	airlock_window_agent_close(asker);
	return 0;
}

/* @return 0 or -errno; said */
static int
enable(const char *path, const char *pool_path)
{
	int err;

	if (strlen(path) >= sizeof(socket_path)) {
		print("%s: too long for a socket", path);
		return -ENAMETOOLONG;
	}
	strcpy(socket_path, path);
	err = pool_path != NULL ? learn_from_file(pool_path) : learn_from_airlockd(path);
	atomic_store_explicit(&enabled, err == 0, memory_order_release);
	return err;
}

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static void __attribute__((constructor)) start(void)
{
	const char *path = environment("AIRLOCK_WINDOW");

	if (path != NULL && enable(path, environment("AIRLOCK_POOL")) < 0)
		_exit(1);
}

/* QEMU's plugin interface, as far as it is used here: no header of QEMU's, no function either. */
EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

static int
install(const char *path, const char *pool_path)
{
	struct found_mapping found;
	int err;

	if (!is_enabled() && path == NULL) {
		print("-plugin file=...,window=SOCKET: the window socket is missing");
		return -EINVAL;
	}
	if (!is_enabled()) {
		err = enable(path, pool_path);
		if (err < 0)
			return err;
	}
	err = find_mapping(&pool, &found);
	if (err == 0)
		err = guard(found.base, found.bytes);
	else
		print("QEMU has no mapping of the pool that could be guarded (%s): it wants "
		      "-object memory-backend-file with the pool, share=on,size=%llu; or preload "
		      "this file instead",
			strerror(-err), (unsigned long long)pool.layout.pool_bytes);
	return err;
}

/* @return 0; else QEMU ends */
int
qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	const char *path = NULL, *pool_path = NULL;
	int err;

	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "window=", 7) == 0) {
			path = argv[i] + 7;
		} else if (strncmp(argv[i], "pool=", 5) == 0) {
			pool_path = argv[i] + 5;
		} else {
			print("-plugin: %s: there are window=SOCKET and pool=FILE", argv[i]);
			return -EINVAL;
		}
	}
	pthread_mutex_lock(&lock);
	/* Preloaded as well: then all is done, or mmap() will do it. */
	err = agent != NULL ? 0 : install(path, pool_path);
	pthread_mutex_unlock(&lock);
	return err;
}
