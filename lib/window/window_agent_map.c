/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The window as a mapping: registered with a userfaultfd, and made dark. Used by window_agent.c.
 *
 * A page of a shared mapping that is registered for minor faults is not mapped by touching it: who
 * touches it waits until somebody maps it with UFFDIO_CONTINUE, though the page is in the page
 * cache all the time. So a page is dark when it is not in this process' page table, and
 * madvise(MADV_DONTNEED) is what takes it out. This holds only while some userfaultfd of the
 * registration is open: the agent's own stays open as long as the window is mapped.
 *
 * The window is registered for missing faults, too: an airlockd that starts punches all pages out
 * of the file, and where a page is missing the kernel would make one and map it for whoever
 * touches it.
 *
 * Thread rule: window_map() before the agent's thread starts; hiding in that thread, or after it.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "window_agent_priv.h"

/* What Linux 6.1's headers do not have yet. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12) /* Linux 5.19 */
#endif
#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14) /* Linux 6.6 */
#endif

#define NO_PERMISSION \
	"the kernel lets this process have no userfaultfd for faults of the kernel (which KVM " \
	"needs): set sysctl vm.unprivileged_userfaultfd=1, or give it access to " \
	"/dev/userfaultfd, or CAP_SYS_PTRACE"

/* Neither way asks for UFFD_USER_MODE_ONLY: faults of KVM are faults of the kernel. */
static int
uffd_create(void)
{
	int device, fd, err;

	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	err = -errno;
	if (err != -EPERM && err != -ENOSYS)
		return err;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return err;
	fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	close(device);
	return fd >= 0 ? fd : err;
}

/* @return which of the features, the best set that this kernel has; 0: not even minor faults */
static uint64_t
uffd_enable(int fd)
{
	static const uint64_t sets[] = {
		UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_POISON,
		UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
		UFFD_FEATURE_MINOR_SHMEM,
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct uffdio_api api = {.api = UFFD_API, .features = sets[i]};

		if (ioctl(fd, UFFDIO_API, &api) == 0)
			return sets[i];
	}
	return 0;
}

static int
uffd_register(int fd, const void *base, size_t bytes, uint64_t features)
{
	struct uffdio_register range = {
		.range = {.start = (uintptr_t)base, .len = bytes},
		.mode = UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_MISSING,
	};

	if ((features & UFFD_FEATURE_WP_HUGETLBFS_SHMEM) != 0)
		range.mode |= UFFDIO_REGISTER_MODE_WP;
	if (ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		return errno == EINVAL ? -ENOTSUP : -errno;
	return (range.ioctls & (1ULL << _UFFDIO_CONTINUE)) != 0 ? 0 : -ENOTSUP;
}

/* All of the mapping, without a word about failures. */
static int
hide_range(uint8_t *base, size_t bytes)
{
	if (madvise(base, bytes, MADV_DONTNEED) == 0)
		return 0;
	/* A process that locks its memory (mlockall) has locked the window, too. */
	if (errno != EINVAL || munlock(base, bytes) < 0)
		return -errno;
	return madvise(base, bytes, MADV_DONTNEED) == 0 ? 0 : -errno;
}

int
window_map(struct window_map *map, void *base, size_t bytes, airlock_window_log_fn log)
{
	uint64_t features;
	int fd, err;

	fd = uffd_create();
	if (fd < 0) {
		if (fd == -EPERM)
			window_say(log, "%s", NO_PERMISSION);
		else if (fd == -ENOSYS)
			window_say(log,
				"the kernel has no userfaultfd: it must be 5.14 or newer, with "
				"CONFIG_USERFAULTFD");
		else
			window_say(log, "no userfaultfd: %s", strerror(-fd));
		return fd;
	}
	features = uffd_enable(fd);
	if (features == 0) {
		window_say(
			log, "no minor faults for shared memory: the kernel must be 5.14 or newer");
		err = -ENOTSUP;
		goto close_fd;
	}
	/* NOHUGEPAGE: a kernel without it has no huge pages, either. */
	if (madvise(base, bytes, MADV_NOHUGEPAGE) < 0 && errno != EINVAL) {
		err = -errno;
		goto say;
	}
	if (madvise(base, bytes, MADV_DONTFORK) < 0) {
		err = -errno;
		goto say;
	}
	err = uffd_register(fd, base, bytes, features);
	if (err == -ENOTSUP) {
		window_say(log,
			"no minor faults for the pool: its file must be on a tmpfs or a memfd, "
			"not on a disk or on hugetlbfs");
		goto close_fd;
	}
	if (err < 0)
		goto say;
	err = hide_range(base, bytes);
	if (err < 0)
		goto say;
	*map = (struct window_map){.base = base, .bytes = bytes, .uffd = fd};
	return 0;

say:
	window_say(log, "cannot make a window of the pool's mapping: %s", strerror(-err));
close_fd:
	close(fd);
	return err;
}

static bool
runs_are_inside(
	const struct window_map *map, const struct airlock_window_run runs[], uint32_t nb_runs)
{
	const uint64_t nb_pages = map->bytes >> WINDOW_PAGE_SHIFT;

	for (uint32_t i = 0; i < nb_runs; i++) {
		if (runs[i].nb_pages == 0 || runs[i].first_page >= nb_pages ||
			runs[i].nb_pages > nb_pages - runs[i].first_page)
			return false;
	}
	return true;
}

int
window_map_hide(
	const struct window_map *map, const struct airlock_window_run runs[], uint32_t nb_runs)
{
	int err = 0, ret;

	if (!runs_are_inside(map, runs, nb_runs))
		return -EPROTO;
	for (uint32_t i = 0; i < nb_runs; i++) {
		ret = hide_range(map->base + ((size_t)runs[i].first_page << WINDOW_PAGE_SHIFT),
			(size_t)runs[i].nb_pages << WINDOW_PAGE_SHIFT);
		if (ret < 0)
			err = ret;
	}
	return err;
}

void
window_map_hide_all(const struct window_map *map, airlock_window_log_fn log)
{
	struct uffdio_range all = {.start = (uintptr_t)map->base, .len = map->bytes};
	int err;

	err = hide_range(map->base, map->bytes);
	if (err < 0) {
		/* Better a guest that crashes than one that reads on. */
		window_say(log, "cannot make the window dark (%s): nobody may read it any more",
			strerror(-err));
		mprotect(map->base, map->bytes, PROT_NONE);
	}
	/* Who waits for a page tries again, and the next airlockd hears of it. */
	ioctl(map->uffd, UFFDIO_WAKE, &all);
}

void
window_map_replace(struct window_map *map)
{
	mmap(map->base, map->bytes, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	close(map->uffd);
	*map = (struct window_map){.uffd = -1};
}
