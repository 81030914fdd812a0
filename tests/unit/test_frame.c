/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * From a page to its frame without a division: as with one, for all sizes of frames.
 */

#include <rte_errno.h>

#include "airlock_page.h"
#include "test.h"

#define MOST AIRLOCK_FRAME_MAX_POOL_PAGES
/* Pages that are tried one by one, from the first on and up to the last. */
#define NB_DENSE (UINT32_C(1) << 20)

static int
check_page(const struct airlock_frame_size *size, uint32_t page)
{
	TEST_ASSERT_EQUAL(airlock_frame_of_page(size, page), page / size->pages,
		"page %u in frames of %u", page, size->pages);
	return TEST_SUCCESS;
}

/* Where it is wrong first, if anywhere: at the ends of frames, the larger the page the sooner. */
static int
check_size(uint32_t pages)
{
	const struct airlock_frame_size size = airlock_frame_size(pages);

	TEST_ASSERT_EQUAL(size.pages, pages, "pages");
	TEST_ASSERT_EQUAL(size.bytes, pages * AIRLOCK_PAGE_SIZE, "bytes");
	for (uint32_t page = 0; page < NB_DENSE; page++)
		TEST_ASSERT_SUCCESS(check_page(&size, page), "from 0 on");
	for (uint32_t page = MOST - NB_DENSE; page < MOST; page++)
		TEST_ASSERT_SUCCESS(check_page(&size, page), "up to the last");
	for (uint32_t frame = 1; frame <= (MOST - 1) / pages; frame += 61) {
		TEST_ASSERT_SUCCESS(check_page(&size, frame * pages - 1), "end of a frame");
		TEST_ASSERT_SUCCESS(check_page(&size, frame * pages), "start of a frame");
	}
	for (uint32_t bit = 1; bit < MOST; bit <<= 1) {
		TEST_ASSERT_SUCCESS(check_page(&size, bit - 1), "below a power of two");
		TEST_ASSERT_SUCCESS(check_page(&size, bit), "a power of two");
	}
	return TEST_SUCCESS;
}

static int
test_page_tells_its_frame_as_a_division_does(void)
{
	for (uint32_t pages = 1; pages <= AIRLOCK_FRAME_MAX_PAGES; pages++)
		TEST_ASSERT_SUCCESS(check_size(pages), "frames of %u", pages);
	return TEST_SUCCESS;
}

static int
test_frames_lie_side_by_side(void)
{
	struct airlock_frame_size size = airlock_frame_size(3);

	TEST_ASSERT_EQUAL(airlock_frame_offset(&size, 0), 0, "first");
	TEST_ASSERT_EQUAL(airlock_frame_offset(&size, 1), 12288, "second");
	TEST_ASSERT_EQUAL(
		airlock_frame_offset(&size, 0x2000000), UINT64_C(0x6000000000), "beyond 32 bits");
	TEST_ASSERT_EQUAL(airlock_frame_count(&size, 3), 1, "one");
	TEST_ASSERT_EQUAL(airlock_frame_count(&size, 4), 2, "one, and a page of another");
	TEST_ASSERT_EQUAL(airlock_frame_count(&size, 6), 2, "two");
	size = airlock_frame_size(1);
	TEST_ASSERT_EQUAL(airlock_frame_count(&size, MOST), MOST, "the most");
	return TEST_SUCCESS;
}

/* Nothing is read or written there. */
static int
check_addresses(uint32_t pages)
{
	const uintptr_t base = UINT64_C(0x100000000000);
	struct airlock_page_partition all = {.name = "frame", .nb_frames = 100};
	struct airlock_page_table *table =
		airlock_page_table_create((void *)base, 100 * pages + 1, pages, &all, 1);
	uint64_t bytes;

	TEST_ASSERT_NOT_NULL(table, "memory");
	bytes = table->bytes;
	TEST_ASSERT_EQUAL(table->nb_frames, 101, "frames");
	TEST_ASSERT_EQUAL(airlock_page_state_get(table, 99), AIRLOCK_PAGE_FREE, "whole");
	TEST_ASSERT_EQUAL(airlock_page_state_get(table, 100), AIRLOCK_PAGE_HOST, "cut short");
	for (uint64_t offset = 0; offset < bytes; offset += 128)
		TEST_ASSERT_EQUAL(airlock_page_frame(table, (void *)(base + offset)),
			offset / (pages * AIRLOCK_PAGE_SIZE), "offset %" PRIu64, offset);
	/* Also where page times inverse would be more than 64 bits, and begin anew. */
	TEST_ASSERT_EQUAL(airlock_page_frame(table, (void *)(base + bytes)), UINT32_MAX, "behind");
	TEST_ASSERT_EQUAL(airlock_page_frame(table, (void *)(base - 1)), UINT32_MAX, "before");
	TEST_ASSERT_EQUAL(airlock_page_frame(table, NULL), UINT32_MAX, "nowhere");
	for (unsigned int bit = 30; bit < 64; bit++)
		TEST_ASSERT_EQUAL(airlock_page_frame(table, (void *)(base + (UINT64_C(1) << bit))),
			UINT32_MAX, "far away: 2^%u", bit);
	airlock_page_table_destroy(table);
	return TEST_SUCCESS;
}

static int
test_address_tells_its_frame_and_a_foreign_one_none(void)
{
	for (uint32_t pages = 1; pages <= AIRLOCK_FRAME_MAX_PAGES; pages++)
		TEST_ASSERT_SUCCESS(check_addresses(pages), "frames of %u", pages);
	return TEST_SUCCESS;
}

static int
check_refused(uint32_t nb_pages, uint32_t frame_pages)
{
	struct airlock_page_partition all = {.name = "frame", .nb_frames = 1};

	rte_errno = 0;
	TEST_ASSERT_NULL(airlock_page_table_create(NULL, nb_pages, frame_pages, &all, 1),
		"%u pages in frames of %u", nb_pages, frame_pages);
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "%u pages in frames of %u", nb_pages, frame_pages);
	return TEST_SUCCESS;
}

static int
test_pages_that_cannot_tell_their_frame_are_refused(void)
{
	TEST_ASSERT_SUCCESS(check_refused(MOST + 1, 1), "too many pages");
	TEST_ASSERT_SUCCESS(check_refused(UINT32_MAX, 16), "too many pages");
	TEST_ASSERT_SUCCESS(check_refused(0, 1), "no page");
	TEST_ASSERT_SUCCESS(check_refused(1024, 0), "frames of nothing");
	TEST_ASSERT_SUCCESS(check_refused(1024, AIRLOCK_FRAME_MAX_PAGES + 1), "frames too large");
	return TEST_SUCCESS;
}

static const struct unit_test_suite frame_suite = {
	.suite_name = "frame",
	.unit_test_cases =
		{
			TEST_CASE(test_page_tells_its_frame_as_a_division_does),
			TEST_CASE(test_frames_lie_side_by_side),
			TEST_CASE(test_address_tells_its_frame_and_a_foreign_one_none),
			TEST_CASE(test_pages_that_cannot_tell_their_frame_are_refused),
			TEST_CASES_END(),
		},
};

static int
test_frame(void)
{
	return unit_test_suite_runner(&frame_suite);
}

REGISTER_FAST_TEST(frame_autotest, true, true, test_frame)
