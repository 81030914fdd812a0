/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Scrubbing: every byte outside of what stays is zero, and no other was touched.
 */

#include <stdlib.h>

#include "airlock_page.h"
#include "airlock_scrub.h"
#include "test.h"

#define MAX_FRAME (8 * AIRLOCK_PAGE_SIZE)
#define GUARD	  AIRLOCK_PAGE_SIZE

static uint8_t *area;

static int
setup(void)
{
	area = aligned_alloc(AIRLOCK_PAGE_SIZE, GUARD + MAX_FRAME + GUARD);
	TEST_ASSERT_NOT_NULL(area, "memory");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	free(area);
	area = NULL;
}

/* First byte of n that is not *value*; n if there is none. */
static uint32_t
first_other(const uint8_t *bytes, uint32_t n, uint8_t value)
{
	uint32_t i = 0;

	while (i < n && bytes[i] == value)
		i++;
	return i;
}

static int
check(uint32_t frame_bytes, uint32_t head, uint32_t tail)
{
	uint8_t *frame = area + GUARD;
	uint32_t cleared;

	memset(area, 0xa5, GUARD + MAX_FRAME + GUARD);
	cleared = airlock_scrub(frame, frame_bytes, head, tail);
	TEST_ASSERT_EQUAL(cleared, head + frame_bytes - tail, "bytes");
	TEST_ASSERT_EQUAL(first_other(area, GUARD, 0xa5), GUARD, "before the frame");
	TEST_ASSERT_EQUAL(first_other(frame, head, 0), head, "head");
	TEST_ASSERT_EQUAL(first_other(frame + head, tail - head, 0xa5), tail - head, "what stays");
	TEST_ASSERT_EQUAL(
		first_other(frame + tail, frame_bytes - tail, 0), frame_bytes - tail, "tail");
	TEST_ASSERT_EQUAL(first_other(frame + frame_bytes, GUARD, 0xa5), GUARD, "behind the frame");
	return TEST_SUCCESS;
}

static int
test_all_but_the_packet_is_cleared(void)
{
	static const uint32_t heads[] = {0, 1, 63, 64, 65, 116, 128, 130};

	for (uint32_t pages = 1; pages <= MAX_FRAME / AIRLOCK_PAGE_SIZE; pages++) {
		uint32_t bytes = pages * AIRLOCK_PAGE_SIZE;

		for (unsigned int i = 0; i < RTE_DIM(heads); i++) {
			for (uint32_t tail = heads[i]; tail < bytes; tail += 509)
				TEST_ASSERT_SUCCESS(check(bytes, heads[i], tail),
					"%u bytes without %u to %u", bytes, heads[i], tail);
			for (uint32_t tail = bytes - 66; tail <= bytes; tail++)
				TEST_ASSERT_SUCCESS(check(bytes, heads[i], tail),
					"%u bytes without %u to %u", bytes, heads[i], tail);
		}
	}
	return TEST_SUCCESS;
}

static const struct unit_test_suite scrub_suite = {
	.suite_name = "scrub",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_all_but_the_packet_is_cleared),
			TEST_CASES_END(),
		},
};

static int
test_scrub(void)
{
	return unit_test_suite_runner(&scrub_suite);
}

REGISTER_FAST_TEST(scrub_autotest, true, true, test_scrub)
