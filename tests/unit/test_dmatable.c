/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM's DMA table with the real agent, in this process: what is mapped can be read;
 * frames come back; the counters say what was done. Pages that are touched while they are dark are
 * in test_dmatable_dark.c, what goes wrong in test_dmatable_bad.c, windows that break in
 * test_dmatable_lost.c.
 */

#include <unistd.h>

#include "test_dmatable.h"

static void
teardown(void)
{
	agent_teardown(false);
}

/* From the window, of a frame that is mapped: what stands in it from the first byte to the last. */
static int
peek(uint32_t frame)
{
	const unsigned char *bytes = (void *)(window + dmatable_env_offset(&env, frame));

	for (uint32_t i = 1; i < env.pages->frame.bytes; i++) {
		if (bytes[i] != bytes[0])
			return -1;
	}
	return bytes[0];
}

static int
test_mapped_frame_shows_its_packet(void)
{
	struct airlock_dmatable_stats stats;
	uint32_t frames[4];

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, RTE_DIM(frames)), "lease");
	for (unsigned int i = 0; i < RTE_DIM(frames); i++)
		fill(frames[i], 'a' + i);
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, RTE_DIM(frames)), 4, "map");
	for (unsigned int i = 0; i < RTE_DIM(frames); i++)
		TEST_ASSERT_EQUAL(peek(frames[i]), 'a' + i, "frame %u", frames[i]);
	stats = dmatable_env_stats(&env);
	TEST_ASSERT(stats.up && stats.pid == getpid(), "pid %d", stats.pid);
	TEST_ASSERT_EQUAL(stats.tag, env.place.tag, "tag");
	TEST_ASSERT_EQUAL(stats.mapped, 4, "mapped");
	TEST_ASSERT_EQUAL(stats.held, 4, "held");
	TEST_ASSERT(stats.map_tsc > 0, "cycles");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "verify");
	TEST_ASSERT_SUCCESS(unmap_and_wait(frames, RTE_DIM(frames)), "unmap");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).unmapped, 4, "unmapped");
	return TEST_SUCCESS;
}

static int
test_neighbours_are_merged_in_whatever_order_they_come(void)
{
	enum {
		N = 256
	};
	struct airlock_dmatable_stats stats;
	uint32_t frames[N], shuffled[N];

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, N), "lease");
	TEST_ASSERT_EQUAL(frames[N - 1] - frames[0], N - 1, "the pool gives neighbours");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, N), N, "map");
	for (uint32_t i = 0; i < N; i++)
		shuffled[i] = frames[i * 77 % N];
	TEST_ASSERT_SUCCESS(unmap_and_wait(shuffled, N), "unmap");
	stats = dmatable_env_stats(&env);
	TEST_ASSERT_EQUAL(stats.unmapped, N, "frames");
	TEST_ASSERT_EQUAL(stats.unmap_runs, 1, "runs");
	TEST_ASSERT_EQUAL(stats.unmap_requests, 1, "requests");
	TEST_ASSERT(stats.unmap_tsc > 0, "cycles");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	return TEST_SUCCESS;
}

static int
test_more_runs_than_a_request_holds_take_several(void)
{
	enum {
		N = ENV_FRAMES - 64
	};
	static uint32_t frames[N], odd[N / 2], even[N / 2];
	struct airlock_dmatable_stats stats;

	for (int turn = 0; turn < 8; turn++) {
		TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, N), "lease");
		TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, N), N, "map");
		for (uint32_t i = 0; i < N / 2; i++) {
			even[i] = frames[2 * i];
			odd[i] = frames[2 * i + 1];
		}
		airlock_dmatable_unmap(env.table, odd, N / 2);
		airlock_dmatable_unmap(env.table, even, N / 2 - turn);
		TEST_ASSERT_SUCCESS(unmap_and_wait(&even[N / 2 - turn], turn), "unmap");
		TEST_ASSERT(dmatable_env_is_whole(&env), "pool, turn %d", turn);
		TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "turn %d", turn);
	}
	stats = dmatable_env_stats(&env);
	TEST_ASSERT_EQUAL(stats.unmapped, 8 * N, "frames");
	TEST_ASSERT(stats.unmap_requests >= 8, "requests");
	return TEST_SUCCESS;
}

static int
test_frame_that_is_mapped_already_does_not_stop_a_run(void)
{
	struct airlock_run run;
	uint32_t frames[16];

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 16), "lease");
	TEST_ASSERT_EQUAL(frames[15] - frames[0], 15, "the pool gives neighbours");
	/* First, middle, last. */
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, &frames[0], 1), 1, "map");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, &frames[7], 2), 2, "map");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, &frames[15], 1), 1, "map");
	run = (struct airlock_run){.first_frame = frames[0], .nb_frames = 16};
	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, &run, 1), 1, "map all");
	for (int i = 0; i < 16; i++)
		fill(frames[i], i);
	for (int i = 0; i < 16; i++)
		TEST_ASSERT_EQUAL(peek(frames[i]), i, "frame %d", i);
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).map_errors, 0, "no error");
	airlock_dmatable_unmap_all(env.table);
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static int
test_unmap_all_takes_leased_and_released_frames_back(void)
{
	uint32_t frames[100];

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 100), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, 100), 100, "map");
	for (int i = 0; i < 100; i += 2)
		airlock_page_release(env.pages, frames[i], env.place.tag);
	airlock_dmatable_unmap_all(env.table);
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "held");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	TEST_ASSERT_EQUAL(airlock_page_word_get(env.pages, frames[0]),
		airlock_page_word(AIRLOCK_PAGE_FREE, env.place.tag), "whose bytes they are");
	TEST_ASSERT(airlock_dmatable_is_up(env.table), "the window stays");
	return TEST_SUCCESS;
}

static int
test_stop_has_the_agent_unmap_all(void)
{
	uint32_t frames[300];

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 300), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, 300), 300, "map");
	airlock_dmatable_stop(env.table, STUB_DEADLINE_MS);
	TEST_ASSERT_EQUAL(env.downs, 1, "the window went");
	TEST_ASSERT(!airlock_dmatable_is_up(env.table), "down");
	TEST_ASSERT_EQUAL(airlock_dmatable_held(env.table), 0, "held");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).unmapped, 300, "by the agent");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	TEST_ASSERT(access(env.path, F_OK) < 0, "the socket is gone");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, 1), 0, "nothing can be mapped");
	return TEST_SUCCESS;
}

static int
test_window_comes_again_with_another_tag(void)
{
	uint32_t tag = env.place.tag, frames[10];
	uint64_t owner = env.place.owner;

	airlock_dmatable_stop(env.table, STUB_DEADLINE_MS);
	TEST_ASSERT_SUCCESS(airlock_dmatable_start(env.table), "start again");
	TEST_ASSERT(dmatable_env_wait_up(&env, 2), "the agent comes back by itself");
	TEST_ASSERT_NOT_EQUAL(env.place.tag, tag, "another window");
	TEST_ASSERT_EQUAL(env.place.owner, owner, "of the same process");
	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 10), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, 10), 10, "map");
	TEST_ASSERT_SUCCESS(unmap_and_wait(frames, 10), "unmap");
	return TEST_SUCCESS;
}

static int
test_verify_names_the_page_that_differs(void)
{
	const uint32_t pages = env.pages->frame.pages;
	struct airlock_dmatable_fault fault;
	uint32_t frames[3], word;

	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 3), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, 2), 2, "map but one");
	TEST_ASSERT_EQUAL(
		airlock_dmatable_verify(env.table, &fault), pages, "leased, but not there");
	TEST_ASSERT_EQUAL(fault.page, frames[2] * pages, "page");
	TEST_ASSERT(fault.state == AIRLOCK_PAGE_LEASED && !fault.present, "why");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, &frames[2], 1), 1, "map");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, &fault), 0, "right again");

	word = airlock_page_word_get(env.pages, frames[1]);
	airlock_page_word_set(env.pages, frames[1], AIRLOCK_PAGE_FREE);
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, &fault), pages, "free, but there");
	TEST_ASSERT_EQUAL(fault.page, frames[1] * pages, "page");
	TEST_ASSERT(fault.state == AIRLOCK_PAGE_FREE && fault.present, "why");
	airlock_page_word_set(
		env.pages, frames[1], airlock_page_word(AIRLOCK_PAGE_UNMAPPING, env.place.tag + 1));
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, &fault), pages, "another VM's");
	airlock_page_word_set(env.pages, frames[1], word);
	/* The last page of a frame that the kernel took out, alone. */
	madvise(window + dmatable_env_offset(&env, frames[0] + 1) - AIRLOCK_PAGE_SIZE,
		AIRLOCK_PAGE_SIZE, MADV_DONTNEED);
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, &fault), 1, "one page");
	TEST_ASSERT_EQUAL(fault.page, (frames[0] + 1) * pages - 1, "page");
	TEST_ASSERT_SUCCESS(unmap_and_wait(frames, 3), "unmap");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, &fault), 0, "all dark");
	return TEST_SUCCESS;
}

static int
test_header_can_be_read_from_the_start(void)
{
	const struct airlock_window_header *header =
		(const void *)(window + dmatable_env_bytes() - AIRLOCK_PAGE_SIZE);

	TEST_ASSERT(header->magic == AIRLOCK_WINDOW_HEADER_MAGIC, "header");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "it belongs there");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "dmatable",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_mapped_frame_shows_its_packet),
			TEST_CASE_ST(setup, teardown,
				test_neighbours_are_merged_in_whatever_order_they_come),
			TEST_CASE_ST(
				setup, teardown, test_more_runs_than_a_request_holds_take_several),
			TEST_CASE_ST(setup, teardown,
				test_frame_that_is_mapped_already_does_not_stop_a_run),
			TEST_CASE_ST(setup, teardown,
				test_unmap_all_takes_leased_and_released_frames_back),
			TEST_CASE_ST(setup, teardown, test_stop_has_the_agent_unmap_all),
			TEST_CASE_ST(setup, teardown, test_window_comes_again_with_another_tag),
			TEST_CASE_ST(setup, teardown, test_verify_names_the_page_that_differs),
			TEST_CASE_ST(setup, teardown, test_header_can_be_read_from_the_start),
			TEST_CASES_END(),
		},
};

static int
test_dmatable(void)
{
	return dmatable_env_run(&suite);
}

REGISTER_FAST_TEST(dmatable_autotest, true, true, test_dmatable);
