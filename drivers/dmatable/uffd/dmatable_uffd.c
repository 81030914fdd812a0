/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * DMA table driver "uffd": pages in a VMM's page table, by the VMM's own userfaultfd (see
 * userfaultfd(2), ioctl_userfaultfd(2)).
 *
 * The agent has registered its mapping of the pool for minor faults: the kernel maps none of its
 * pages by itself, and whoever touches one waits, and so do nested page tables of a VM.
 * UFFDIO_CONTINUE, here, puts what the file has there into the page table and wakes those who wait.
 * It always wakes: with nobody waiting that is a look at two empty lists (measured: no difference
 * in 450 ns), which is lost in the cost of the call, while a guest that is not woken would wait for
 * good.
 *
 * A call maps the pages of a run in their order and stops at the first that it cannot map. EAGAIN
 * says that a part of it was done, or that the VMM is changing its address space: both go on, the
 * second for a limited number of times. EEXIST says that the first page was there already: the next
 * one is tried. So each turn either gets on by a page or is counted. Anything else ends the run:
 * ESRCH (the VMM is dead), ENOENT (the mapping is gone or no more registered), EFAULT (the file has
 * no such page), ENOMEM.
 *
 * If the VMM dies while a call is running, that call frees the VMM's memory: once in a VMM's life
 * an lcore may be held up by that.
 *
 * Thread rule: an object does not change after it was opened.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <rte_common.h>

#include <airlock_dmatable_driver.h>

/* Linux 6.4 */
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((__u64)1 << 1)
#endif
/* Linux 6.6 */
#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

#define UFFD_LINK	"anon_inode:[userfaultfd]"
#define MAX_IDLE_TRIES	64
#define NB_MSGS		16
#define UFFD_PAGE	UINT64_C(4096)
#define UFFD_PAGE_SHIFT 12

struct uffd_space {
	int fd;
	uint64_t base;
	uint64_t bytes;
	uint32_t frame_bytes;
};

static bool
is_userfaultfd(int fd)
{
	char path[32], link[sizeof(UFFD_LINK) + 1];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link));
	return len == sizeof(UFFD_LINK) - 1 && memcmp(link, UFFD_LINK, len) == 0;
}

/*
 * Taking a write protection away that is not there changes nothing, and fails with ESRCH before
 * anything else when nobody has the address space any more.
 */
static bool
uffd_is_alive(void *arg)
{
	const struct uffd_space *space = arg;
	struct uffdio_writeprotect probe = {
		.range = {.start = space->base, .len = UFFD_PAGE},
		.mode = UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
	};

	return ioctl(space->fd, UFFDIO_WRITEPROTECT, &probe) == 0 || errno != ESRCH;
}

/*
 * KVM lets a thread of the kernel wait for a page in the place of a vCPU (asynchronous page
 * faults). It waits on when the VMM was killed, and holds the address space.
 */
static void
uffd_abandon(void *arg)
{
	const struct uffd_space *space = arg;
	struct uffdio_range range = {.start = space->base, .len = space->bytes};

	/* The kernel itself wakes only who waits for a missing page. */
	ioctl(space->fd, UFFDIO_UNREGISTER, &range);
	ioctl(space->fd, UFFDIO_WAKE, &range);
}

static int
uffd_open(int fd, uint64_t base, uint64_t bytes, uint32_t frame_bytes, void **arg)
{
	struct uffd_space *space;
	int flags;

	if (!is_userfaultfd(fd))
		return -EINVAL;
	/* It cannot be polled otherwise. */
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	space = malloc(sizeof(*space));
	if (space == NULL)
		return -ENOMEM;
	*space = (struct uffd_space){
		.fd = fd, .base = base, .bytes = bytes, .frame_bytes = frame_bytes};
	if (!uffd_is_alive(space)) {
		free(space);
		return -ESRCH;
	}
	*arg = space;
	return 0;
}

static void
uffd_close(void *arg)
{
	struct uffd_space *space = arg;

	close(space->fd);
	free(space);
}

/* 0, or a negative errno; what was mapped before stays mapped. */
static int
continue_range(const struct uffd_space *space, uint64_t start, uint64_t len, uint64_t mode)
{
	unsigned int idle_tries = 0;

	while (len != 0) {
		struct uffdio_continue c = {.range = {.start = start, .len = len}, .mode = mode};
		uint64_t done;

		if (likely(ioctl(space->fd, UFFDIO_CONTINUE, &c) == 0))
			return 0;
		if (errno == EAGAIN && c.mapped > 0)
			done = RTE_MIN((uint64_t)c.mapped, len);
		else if (errno == EEXIST)
			done = UFFD_PAGE;
		else if ((errno == EAGAIN || errno == EINTR) && ++idle_tries < MAX_IDLE_TRIES)
			done = 0;
		else
			return -errno;
		start += done;
		len -= done;
	}
	return 0;
}

/* The last frame of the window may be cut short. */
static struct uffdio_range
range_of(const struct uffd_space *space, const struct airlock_run *run)
{
	uint64_t offset = (uint64_t)run->first_frame * space->frame_bytes;

	return (struct uffdio_range){
		.start = space->base + offset,
		.len = RTE_MIN(
			(uint64_t)run->nb_frames * space->frame_bytes, space->bytes - offset),
	};
}

static int
map_run(const struct uffd_space *space, const struct airlock_run *run, uint64_t mode)
{
	struct uffdio_range range = range_of(space, run);

	return continue_range(space, range.start, range.len, mode);
}

static uint16_t
uffd_map(void *arg, const struct airlock_run *runs, uint16_t n, int *error)
{
	const struct uffd_space *space = arg;

	for (uint16_t i = 0; i < n; i++) {
		int ret = map_run(space, &runs[i], 0);

		if (unlikely(ret < 0)) {
			*error = ret;
			return i;
		}
	}
	return n;
}

/*
 * Before Linux 6.4 the pages are writable for a moment, until they are protected; the caller knows
 * what they should hold. Without write protection at all they must not stay.
 */
static int
uffd_map_readonly(void *arg, const struct airlock_run *run)
{
	const struct uffd_space *space = arg;
	struct uffdio_writeprotect protect = {
		.range = range_of(space, run),
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int ret;

	ret = map_run(space, run, UFFDIO_CONTINUE_MODE_WP);
	if (ret != -EINVAL)
		return ret;
	/* On pages that are not there yet: is the window registered for it? */
	if (ioctl(space->fd, UFFDIO_WRITEPROTECT, &protect) < 0)
		return errno == ENOENT || errno == EINVAL ? -ENOTSUP : -errno;
	ret = map_run(space, run, 0);
	if (ret < 0)
		return ret;
	return ioctl(space->fd, UFFDIO_WRITEPROTECT, &protect) < 0 ? -errno : 0;
}

static int
uffd_poll_fd(const void *arg)
{
	const struct uffd_space *space = arg;

	return space->fd;
}

static uint16_t
uffd_strays(void *arg, uint32_t *pages, uint16_t n)
{
	const struct uffd_space *space = arg;
	struct uffd_msg msgs[NB_MSGS];
	uint16_t nb_pages = 0;
	ssize_t len;

	len = read(space->fd, msgs, RTE_MIN(n, NB_MSGS) * sizeof(msgs[0]));
	for (ssize_t i = 0; i < len / (ssize_t)sizeof(msgs[0]); i++) {
		uint64_t offset = msgs[i].arg.pagefault.address - space->base;

		if (msgs[i].event == UFFD_EVENT_PAGEFAULT && offset < space->bytes)
			pages[nb_pages++] = offset >> UFFD_PAGE_SHIFT;
	}
	return nb_pages;
}

static void
uffd_wake(void *arg, uint32_t page)
{
	const struct uffd_space *space = arg;
	struct uffdio_range range = {
		.start = space->base + ((uint64_t)page << UFFD_PAGE_SHIFT), .len = UFFD_PAGE};

	/* Fails for a dead VMM only, where nobody waits. */
	ioctl(space->fd, UFFDIO_WAKE, &range);
}

static int
uffd_poison(void *arg, uint32_t page)
{
	const struct uffd_space *space = arg;
	struct uffdio_poison poison = {
		.range = {.start = space->base + ((uint64_t)page << UFFD_PAGE_SHIFT),
			.len = UFFD_PAGE}};

	if (ioctl(space->fd, UFFDIO_POISON, &poison) == 0 || errno == EEXIST || errno == ESRCH)
		return 0;
	return errno == ENOTTY || errno == EINVAL ? -ENOTSUP : -errno;
}

static const struct airlock_dmatable_ops uffd_ops = {
	.name = "uffd",
	.open = uffd_open,
	.close = uffd_close,
	.map = uffd_map,
	.map_readonly = uffd_map_readonly,
	.is_alive = uffd_is_alive,
	.abandon = uffd_abandon,
	.poll_fd = uffd_poll_fd,
	.strays = uffd_strays,
	.wake = uffd_wake,
	.poison = uffd_poison,
};

RTE_INIT(dmatable_uffd_register)
{
	airlock_dmatable_driver_register(&uffd_ops);
}
