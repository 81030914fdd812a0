/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_WINDOW_H
#define TEST_WINDOW_H

/**
 * @file
 * A window for tests: a plain file with a layout of two partitions, nothing of it dark.
 *
 * Thread rule: main thread.
 */

#include "window_priv.h"

#define TEST_WINDOW_FRAMES	64 /**< of partition 0 */
#define TEST_WINDOW_MORE_FRAMES 32 /**< of partition 1 */
#define TEST_WINDOW_NB_FRAMES	128 /**< in all; the last one is airlockd's */

/** Make it, with frames of so many pages. @return the window; NULL: no memory */
struct airlock_window *test_window_open(unsigned int frame_pages);

/** Unmap and free; NULL is ignored. */
void test_window_close(struct airlock_window *window);

/** Frame that an address lies in; UINT32_MAX: in none. */
uint32_t test_window_frame(const struct airlock_window *window, const void *addr);

#endif /* TEST_WINDOW_H */
