/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM's DMA table with the real agent: who touches a page that is not mapped waits, and goes on
 * when it is mapped; a page of the VM's that the kernel has taken out comes back by itself.
 */

#include "dark_reader.h"
#include "test_dmatable.h"

static struct dark_reader reader;

static void
teardown(void)
{
	agent_teardown(reader.started);
	reader.started = false;
}

static int
reader_start(uint32_t frame)
{
	const char *last = window + dmatable_env_offset(&env, frame + 1) - 1;

	TEST_ASSERT_SUCCESS(dark_reader_start(&reader, last), "thread");
	return TEST_SUCCESS;
}

static int
reader_end(void)
{
	TEST_ASSERT(dmatable_wait(dark_reader_value(&reader) >= 0), "the reader goes on");
	dark_reader_join(&reader);
	return dark_reader_value(&reader);
}

static int
test_dark_frame_blocks_its_reader_until_it_is_mapped(void)
{
	uint32_t frame, other;

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, &frame, 1), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, &frame, 1), 1, "map");
	TEST_ASSERT_SUCCESS(unmap_and_wait(&frame, 1), "unmap");
	/* Free now, and another's perhaps. */
	fill(frame, 's');
	TEST_ASSERT_SUCCESS(reader_start(frame), "reader");
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).strays == 1), "stray is counted");
	TEST_ASSERT_EQUAL(dark_reader_value(&reader), -1, "it waits");

	do {
		TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, &other, 1), "lease until it comes");
	} while (other != frame);
	fill(frame, 'p');
	TEST_ASSERT_EQUAL(dark_reader_value(&reader), -1, "it still waits");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, &frame, 1), 1, "map");
	TEST_ASSERT_EQUAL(reader_end(), 'p', "it reads its packet");
	airlock_dmatable_unmap_all(env.table);
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

/* As when the kernel has taken a page out to move it. */
static int
test_leased_page_that_the_kernel_took_out_comes_back(void)
{
	uint32_t frame;

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, &frame, 1), "lease");
	fill(frame, 'k');
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, &frame, 1), 1, "map");
	madvise(window + dmatable_env_offset(&env, frame), env.pages->frame.bytes, MADV_DONTNEED);
	TEST_ASSERT_SUCCESS(reader_start(frame), "reader");
	TEST_ASSERT_EQUAL(reader_end(), 'k', "without any lcore");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).strays, 0, "no stray");
	TEST_ASSERT_SUCCESS(unmap_and_wait(&frame, 1), "unmap");
	return TEST_SUCCESS;
}

/* A page that cannot be mapped at first, here because the file has none in its place. */
static int
test_page_that_cannot_be_mapped_now_is_tried_again(void)
{
	uint32_t frame;
	int fd, ret;

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, &frame, 1), "lease");
	fd = open(env.pool_path, O_RDWR | O_CLOEXEC);
	TEST_ASSERT(fd >= 0, "%s", env.pool_path);
	ret = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)dmatable_env_offset(&env, frame), env.pages->frame.bytes);
	close(fd);
	TEST_ASSERT_SUCCESS(ret, "hole");
	TEST_ASSERT_SUCCESS(reader_start(frame), "reader");
	rte_delay_us_sleep(20000);
	TEST_ASSERT_EQUAL(dark_reader_value(&reader), -1, "it waits");
	fill(frame, 'p');
	TEST_ASSERT_EQUAL(reader_end(), 'p', "without any lcore");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).strays, 0, "no stray");
	TEST_ASSERT_SUCCESS(unmap_and_wait(&frame, 1), "unmap");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "dmatable_dark",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown,
				test_dark_frame_blocks_its_reader_until_it_is_mapped),
			TEST_CASE_ST(setup, teardown,
				test_leased_page_that_the_kernel_took_out_comes_back),
			TEST_CASE_ST(setup, teardown,
				test_page_that_cannot_be_mapped_now_is_tried_again),
			TEST_CASES_END(),
		},
};

static int
test_dmatable_dark(void)
{
	return dmatable_env_run(&suite);
}

REGISTER_FAST_TEST(dmatable_dark_autotest, true, true, test_dmatable_dark);
