/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_RXRING_RANDOM_H
#define TEST_RXRING_RANDOM_H

/**
 * @file
 * What the tests of the RX ring engine under random use share.
 *
 * Thread rule: main thread.
 */

#include "rxring_guest.h"

#define CASE(fn) TEST_CASE_ST(NULL, guest_close, fn)

static const struct guest_conf variants[] = {
	{.start = 65000},
	{.mergeable = true, .event_idx = true, .start = 65000, .size = 256},
	{.packed = true, .start = 1 << 15 | 30},
	{.packed = true, .mergeable = true, .event_idx = true, .size = 200},
	{.mergeable = true, .size = 1},
	{.packed = true, .mergeable = true, .size = 1},
	{.mergeable = true, .event_idx = true, .start = 65000, .size = 256, .frame_pages = 3},
	{.packed = true, .mergeable = true, .event_idx = true, .size = 200, .frame_pages = 3},
};

/** Set by the test before it begins, so that a run can be had again. */
static uint64_t random_seed;

static inline uint32_t
pick(uint32_t below)
{
	random_seed = random_seed * UINT64_C(6364136223846793005) + 1;
	return (random_seed >> 33) % below;
}

#endif /* TEST_RXRING_RANDOM_H */
