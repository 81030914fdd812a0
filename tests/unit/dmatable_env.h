/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef DMATABLE_ENV_H
#define DMATABLE_ENV_H

/**
 * @file
 * A pool and a DMA table over it, for the tests of lib/dmatable; the test is lcore and control.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "airlock_dmatable.h"
#include "window_stub.h"

/** Frames of the pool; the last one is the header's. */
#define ENV_FRAMES 2048

/**
 * Pages of a frame, in pools that are made from now on: 1 if no test says otherwise. With more, the
 * header's frame is cut short by a page.
 */
extern uint32_t dmatable_env_frame_pages;

struct dmatable_env {
	char pool_path[64];
	char path[64]; /**< of the window socket */
	char device_path[64];
	struct airlock_pool *pool;
	struct airlock_page_table *pages;
	struct airlock_dmatable *table;
	/** Written by the event callback. */
	_Atomic uint32_t ups;
	_Atomic uint32_t downs;
	struct airlock_window_place place; /**< of the last window */
	_Atomic uint32_t resume_frame; /**< may be resumed; UINT32_MAX: none. By the test. */
};

struct unit_test_suite;

/** Run a suite with frames of one page, and with frames of three. @return TEST_SUCCESS, ... */
int dmatable_env_run(const struct unit_test_suite *suite);

/** Make pool and table, and start it. TEST_SUCCESS, TEST_SKIPPED or TEST_FAILED. */
int dmatable_env_init(struct dmatable_env *env, enum airlock_stray stray);
/** The same for a VM with a device, by its PCI address. */
int dmatable_env_init_device(
	struct dmatable_env *env, const char *device, enum airlock_iommu iommu);
/** The same where cards do not have what VMs have; a driver for that is there. */
int dmatable_env_init_strict(struct dmatable_env *env);
void dmatable_env_fini(struct dmatable_env *env);

/** Wait for a condition; false after the deadline. */
#define dmatable_wait(condition) \
	({ \
		unsigned int ms_ = 0; \
\
		while (!(condition) && ms_++ < STUB_DEADLINE_MS) \
			rte_delay_us_sleep(1000); \
		(condition); \
	})

/** Wait until the n-th window has come. */
bool dmatable_env_wait_up(struct dmatable_env *env, uint32_t n);

/**
 * Have a window come, which the stub serves, and take n frames by lease to it.
 *
 * @param stub  overwritten; window_stub_fini() may always follow
 * @return TEST_SUCCESS or TEST_FAILED
 */
int dmatable_env_open_window(
	struct dmatable_env *env, struct window_stub *stub, uint32_t *frames, uint32_t n);

/** Take n frames out of the pool, by lease to the window. 0 or -errno; frames in rising order. */
int dmatable_env_lease(struct dmatable_env *env, uint32_t *frames, uint32_t n);

/** Bytes of the pool that is there, or would be made. */
size_t dmatable_env_bytes(void);

/** Where a frame is in the pool, and so in a window. */
static inline uint64_t
dmatable_env_offset(const struct dmatable_env *env, uint32_t frame)
{
	return airlock_frame_offset(&env->pages->frame, frame);
}

/** The place of a frame in the pool. */
void *dmatable_env_addr(struct dmatable_env *env, uint32_t frame);

/** Map frames one by one. How many were. */
uint32_t dmatable_env_map(struct dmatable_env *env, const uint32_t *frames, uint32_t n);

/**
 * Wait until the *ups*-th window has come, take n frames by lease to it, map them, and give the
 * first half of them to unmap.
 *
 * @return TEST_SUCCESS or TEST_FAILED
 */
int dmatable_env_fill(struct dmatable_env *env, uint32_t ups, uint32_t *frames, uint32_t n);

/** The counters, read now. */
struct airlock_dmatable_stats dmatable_env_stats(struct dmatable_env *env);

/**
 * Get the device from its socket, as who drives it does.
 *
 * @param name  receives what it is called
 * @return its descriptor, which is the caller's; -1: it is not to be had
 */
int dmatable_env_take_device(const struct dmatable_env *env, char *name, size_t size);

/** The pool is whole: all frames FREE, no violation. */
bool dmatable_env_is_whole(struct dmatable_env *env);

#endif /* DMATABLE_ENV_H */
