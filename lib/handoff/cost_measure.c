/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Measures what cost.c reckons with, on this host and in this pool, before there is any traffic.
 *
 * For mapping and unmapping this process plays a VM: it maps the start of the pool once more, in
 * pages of 4 KiB as a VMM does, registers that with a userfaultfd of its own, and maps and unmaps
 * runs in it. That is what the kernel takes at least; a VMM with running vCPUs pays more for
 * unmapping, which cost_correct.c finds out.
 *
 * For copying, a buffer of the size of a guest's rings plays the guest. Warm is the same few frames
 * over and over. Cold is a walk over frames and buffers, 32 KiB apart, that comes back to the same
 * place after more bytes than the nearest caches hold.
 *
 * Each figure is the median of some rounds, so that an interrupt does not count.
 *
 * Thread rule: main thread, before lcores start: nobody else has a frame.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include <airlock_scrub.h>

#include "airlock_cost.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1 /* Linux 5.11 */
#endif

RTE_LOG_REGISTER(cost_logtype, airlock.cost, INFO);
#define COST_LOG(level, ...) rte_log(RTE_LOG_##level, cost_logtype, "cost: " __VA_ARGS__)

#define NB_ROUNDS    9
#define WINDOW_PAGES 512
#define RUNS_A_ROUND 64
#define SCRUB_PAGES  64 /* in a round */
#define COPIES	     32 /* in a round */
#define SLOT_BYTES   (32 * 1024)
#define GUEST_BYTES  (8 * 1024 * 1024)
#define MAX_TRIES    1000

struct bench {
	uint8_t *pool; /* as the pool has it mapped */
	uint64_t pool_bytes;
	uint8_t *window; /* its first WINDOW_PAGES again */
	uint8_t *guest; /* GUEST_BYTES */
	int uffd;
	double tsc_ns;
	uint32_t slot; /* where the walk of cold copies has come to */
	uint32_t scrubbed; /* pages, ever */
};

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double ns[static NB_ROUNDS])
{
	qsort(ns, NB_ROUNDS, sizeof(ns[0]), compare);
	return ns[NB_ROUNDS / 2];
}

/* A mapping of a file can be mapped once more with no descriptor of the file: mremap(2), size 0. */
static int
open_window(struct bench *b)
{
	size_t bytes = (size_t)WINDOW_PAGES * AIRLOCK_PAGE_SIZE;
	void *window = mremap(b->pool, 0, bytes, MREMAP_MAYMOVE);

	if (window == MAP_FAILED) {
		COST_LOG(ERR, "cannot map the pool again: %s\n", strerror(errno));
		return -errno;
	}
	b->window = window;
	/* EINVAL: a kernel without huge pages, which will not use any. */
	if (madvise(window, bytes, MADV_NOHUGEPAGE) < 0 && errno != EINVAL)
		return -errno;
	return madvise(window, bytes, MADV_DONTFORK) < 0 ? -errno : 0;
}

/* A fault in this process itself is all that would have to be handled, and there is none. */
static int
open_uffd(struct bench *b)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM};
	struct uffdio_register range = {
		.range = {(uintptr_t)b->window, (uint64_t)WINDOW_PAGES * AIRLOCK_PAGE_SIZE},
		.mode = UFFDIO_REGISTER_MODE_MINOR,
	};

	b->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (b->uffd < 0 && errno == EPERM) {
		COST_LOG(ERR,
			"no userfaultfd is permitted to this process, expected no seccomp "
			"filter against it, and CAP_SYS_PTRACE or "
			"vm.unprivileged_userfaultfd=1; nothing can be remapped\n");
		return -EPERM;
	}
	if (b->uffd < 0 || ioctl(b->uffd, UFFDIO_API, &api) < 0) {
		COST_LOG(ERR,
			"userfaultfd: no minor faults on shared memory (%s), expected Linux "
			"5.14 or newer; nothing can be remapped\n",
			strerror(errno));
		return -ENOTSUP;
	}
	if (ioctl(b->uffd, UFFDIO_REGISTER, &range) < 0 ||
		(range.ioctls & UINT64_C(1) << _UFFDIO_CONTINUE) == 0) {
		COST_LOG(ERR,
			"userfaultfd: no minor faults in the pool's file, expected it on a "
			"tmpfs; nothing can be remapped\n");
		return -ENOTSUP;
	}
	return 0;
}

static int
open_guest(struct bench *b)
{
	b->guest =
		mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->guest == MAP_FAILED) {
		b->guest = NULL;
		return -ENOMEM;
	}
	/* Guests mostly have huge pages; where there are none, these will do. */
	(void)madvise(b->guest, GUEST_BYTES, MADV_HUGEPAGE);
	memset(b->guest, 0xa5, GUEST_BYTES);
	return 0;
}

static void
bench_close(struct bench *b)
{
	if (b->window != NULL)
		munmap(b->window, (size_t)WINDOW_PAGES * AIRLOCK_PAGE_SIZE);
	if (b->uffd >= 0)
		close(b->uffd);
	if (b->guest != NULL)
		munmap(b->guest, GUEST_BYTES);
}

static int
bench_open(struct bench *b, const struct airlock_pool *pool)
{
	const struct airlock_page_table *table = airlock_pool_table(pool);
	int ret;

	*b = (struct bench){
		.pool = airlock_page_addr(table, 0),
		.pool_bytes = (uint64_t)table->nb_frames << table->frame_shift,
		.uffd = -1,
		.tsc_ns = 1e9 / (double)rte_get_tsc_hz(),
	};
	ret = open_window(b);
	if (ret == 0)
		ret = open_uffd(b);
	if (ret == 0)
		ret = open_guest(b);
	if (ret < 0)
		bench_close(b);
	return ret;
}

/* EAGAIN: the process is being forked. A few bytes more than nothing may have been mapped. */
static int
map_run(const struct bench *b, uint32_t first_page, uint32_t nb_pages)
{
	uint64_t start = (uintptr_t)b->window + (uint64_t)first_page * AIRLOCK_PAGE_SIZE;
	uint64_t bytes = (uint64_t)nb_pages * AIRLOCK_PAGE_SIZE, done = 0;

	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		struct uffdio_continue run = {
			.range = {start + done, bytes - done},
			.mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
		};

		if (ioctl(b->uffd, UFFDIO_CONTINUE, &run) == 0)
			return 0;
		if (errno != EAGAIN)
			return -errno;
		done += run.mapped > 0 ? run.mapped : 0;
	}
	return -EAGAIN;
}

/* Runs of a round lie apart: an odd stride passes each place once. */
static uint32_t
run_start(uint32_t i, uint32_t run_pages)
{
	return i * 7 % (WINDOW_PAGES / run_pages) * run_pages;
}

/* One round of one length. A guest would have touched the pages before they are unmapped. */
static int
time_runs(struct bench *b, uint32_t run_pages, double *map_ns, double *unmap_ns)
{
	uint32_t nb_runs = RTE_MIN(WINDOW_PAGES / run_pages, (uint32_t)RUNS_A_ROUND);
	uint64_t start_tsc = rte_rdtsc_precise(), mapped_tsc;
	int ret = 0;

	for (uint32_t i = 0; i < nb_runs && ret == 0; i++)
		ret = map_run(b, run_start(i, run_pages), run_pages);
	if (ret < 0)
		return ret;
	mapped_tsc = rte_rdtsc_precise();
	*map_ns = (double)(mapped_tsc - start_tsc) * b->tsc_ns / nb_runs;
	for (uint32_t i = 0; i < nb_runs * run_pages; i++) {
		uint32_t page = run_start(i / run_pages, run_pages) + i % run_pages;
		const _Atomic uint8_t *byte =
			(const _Atomic uint8_t *)b->window + (size_t)page * AIRLOCK_PAGE_SIZE;

		(void)atomic_load_explicit(byte, memory_order_relaxed);
	}
	start_tsc = rte_rdtsc_precise();
	for (uint32_t i = 0; i < nb_runs && ret == 0; i++)
		ret = madvise(b->window + (size_t)run_start(i, run_pages) * AIRLOCK_PAGE_SIZE,
			(size_t)run_pages * AIRLOCK_PAGE_SIZE, MADV_DONTNEED);
	*unmap_ns = (double)(rte_rdtsc_precise() - start_tsc) * b->tsc_ns / nb_runs;
	return ret < 0 ? -errno : 0;
}

static int
measure_runs(struct bench *b, struct airlock_cost *cost)
{
	double map_ns[NB_ROUNDS], unmap_ns[NB_ROUNDS];

	for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++) {
		for (unsigned int round = 0; round < NB_ROUNDS; round++) {
			int ret = time_runs(b, 1u << i, &map_ns[round], &unmap_ns[round]);

			if (ret < 0) {
				COST_LOG(ERR, "cannot map runs of %u pages: %s\n", 1u << i,
					strerror(-ret));
				return ret;
			}
		}
		cost->map_ns[i] = median(map_ns);
		cost->unmap_ns[i] = median(unmap_ns);
	}
	return 0;
}

/* One round of one size; *step* 0 stays in one slot, 1 walks on. */
static double
time_copies(struct bench *b, uint32_t bytes, uint32_t step)
{
	uint32_t nb_from = b->pool_bytes / SLOT_BYTES, nb_to = GUEST_BYTES / SLOT_BYTES;
	uint64_t start_tsc = rte_rdtsc_precise();

	for (unsigned int i = 0; i < COPIES; i++) {
		b->slot += step;
		rte_memcpy(b->guest + (size_t)(b->slot % nb_to) * SLOT_BYTES + RTE_PKTMBUF_HEADROOM,
			b->pool + (size_t)(b->slot % nb_from) * SLOT_BYTES + RTE_PKTMBUF_HEADROOM,
			bytes);
	}
	return (double)(rte_rdtsc_precise() - start_tsc) * b->tsc_ns / COPIES;
}

static void
measure_copies(struct bench *b, struct airlock_cost *cost)
{
	double warm_ns[AIRLOCK_COST_SIZES][NB_ROUNDS], cold_ns[AIRLOCK_COST_SIZES][NB_ROUNDS];

	/* Sizes take turns, so that what one copies is out of the caches when it comes again. */
	for (unsigned int round = 0; round < NB_ROUNDS; round++) {
		for (unsigned int i = 0; i < AIRLOCK_COST_SIZES; i++) {
			cold_ns[i][round] = time_copies(b, airlock_cost_sizes[i], 1);
			time_copies(b, airlock_cost_sizes[i], 0);
			warm_ns[i][round] = time_copies(b, airlock_cost_sizes[i], 0);
		}
	}
	for (unsigned int i = 0; i < AIRLOCK_COST_SIZES; i++) {
		cost->copy_warm_ns[i] = median(warm_ns[i]);
		cost->copy_cold_ns[i] = median(cold_ns[i]);
	}
}

static double
time_scrub(struct bench *b)
{
	uint64_t start_tsc = rte_rdtsc_precise();

	for (unsigned int i = 0; i < SCRUB_PAGES; i++) {
		uint32_t page = b->scrubbed++ % WINDOW_PAGES;

		airlock_scrub(b->pool + (size_t)page * AIRLOCK_PAGE_SIZE, AIRLOCK_PAGE_SIZE, 0, 0);
	}
	return (double)(rte_rdtsc_precise() - start_tsc) * b->tsc_ns / SCRUB_PAGES /
		AIRLOCK_PAGE_SIZE;
}

static void
measure_scrub(struct bench *b, struct airlock_cost *cost)
{
	double ns[NB_ROUNDS];

	for (unsigned int round = 0; round < NB_ROUNDS; round++)
		ns[round] = time_scrub(b);
	cost->scrub_byte_ns = median(ns);
}

int
airlock_cost_measure(const struct airlock_pool *pool, struct airlock_cost *cost)
{
	struct bench b;
	int ret;

	memset(cost, 0, sizeof(*cost));
	ret = bench_open(&b, pool);
	if (ret < 0)
		return ret;
	ret = measure_runs(&b, cost);
	if (ret == 0) {
		measure_copies(&b, cost);
		measure_scrub(&b, cost);
		airlock_cost_smooth(cost);
	} else {
		memset(cost, 0, sizeof(*cost));
	}
	bench_close(&b);
	return ret;
}
