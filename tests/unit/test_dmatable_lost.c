/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Windows that break: the agent dies between any two messages, nobody answers. What the window held
 * comes back when it is dark, and not before. A VMM that dies is in test_dmatable_vmm.c.
 */

#include <unistd.h>

#include <rte_cycles.h>

#include "dmatable_env.h"
#include "test.h"

#define NB_FRAMES 200
#define LOOK_MS	  300 /* longer than the unmap thread takes from look to look */

static struct dmatable_env env;
static struct window_stub stub;
static uint32_t frames[NB_FRAMES];

static int
setup(void)
{
	int ret;

	stub = (struct window_stub){.sock = -1, .uffd = -1};
	ret = dmatable_env_init(&env, AIRLOCK_STRAY_STALL);
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_SUCCESS(window_stub_map(&stub, env.pool_path, dmatable_env_bytes()), "window");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	window_stub_fini(&stub);
	dmatable_env_fini(&env);
}

static int
drop_connection(void)
{
	uint32_t downs = env.downs;

	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(env.downs == downs + 1), "the window went");
	return TEST_SUCCESS;
}

static int
test_frames_of_a_lost_window_come_back_when_they_are_dark(void)
{
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_fill(&env, 1, frames, NB_FRAMES), "fill");
	TEST_ASSERT_SUCCESS(drop_connection(), "agent dies before it answers");
	TEST_ASSERT(!airlock_dmatable_is_up(env.table), "down");
	rte_delay_us_sleep(LOOK_MS * 1000);
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).quarantined, NB_FRAMES, "all in sight still");
	TEST_ASSERT_EQUAL(airlock_dmatable_held(env.table), NB_FRAMES, "held");
	TEST_ASSERT_EQUAL(airlock_page_state_get(env.pages, frames[NB_FRAMES - 1]),
		AIRLOCK_PAGE_UNMAPPING, "nobody else gets it");
	window_stub_hide(&stub);
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).quarantined == 0), "dark, and back");
	TEST_ASSERT_EQUAL(airlock_dmatable_held(env.table), 0, "held");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	return TEST_SUCCESS;
}

static int
test_agent_may_die_between_any_two_messages(void)
{
	/* After WELCOME. */
	TEST_ASSERT_SUCCESS(window_stub_connect(&stub, env.path), "connect");
	close(stub.sock);
	stub.sock = -1;
	/* After HELLO. */
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
	TEST_ASSERT(dmatable_env_wait_up(&env, 1), "up");
	TEST_ASSERT_SUCCESS(drop_connection(), "drop");
	window_stub_hide(&stub);
	/* After an UNMAP that it did not answer, and after one that it did. */
	for (uint32_t nb_answers = 0; nb_answers < 2; nb_answers++) {
		TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
		TEST_ASSERT_SUCCESS(
			dmatable_env_fill(&env, 2 + nb_answers, frames, NB_FRAMES), "fill");
		for (uint32_t i = 0; i < nb_answers; i++)
			TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "answer");
		TEST_ASSERT_SUCCESS(drop_connection(), "drop");
		window_stub_hide(&stub);
		TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	}
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).refused, 0, "nothing wrong was said");
	return TEST_SUCCESS;
}

static int
test_stop_does_not_wait_for_a_silent_agent_for_good(void)
{
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_fill(&env, 1, frames, NB_FRAMES), "fill");
	airlock_dmatable_stop(env.table, 20);
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).quarantined, NB_FRAMES, "quarantine");
	window_stub_hide(&stub);
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "the thread goes on looking");
	return TEST_SUCCESS;
}

static int
test_frames_of_a_destroyed_table_are_looked_after(void)
{
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_fill(&env, 1, frames, NB_FRAMES), "fill");
	airlock_dmatable_destroy(env.table);
	env.table = NULL;
	TEST_ASSERT(!dmatable_env_is_whole(&env), "in sight still");
	window_stub_hide(&stub);
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "dark, and back");
	TEST_ASSERT_EQUAL(airlock_dmatable_forget(env.pool), 0, "nothing is left");
	return TEST_SUCCESS;
}

static int
test_what_is_never_dark_is_reported_in_the_end(void)
{
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_fill(&env, 1, frames, NB_FRAMES), "fill");
	airlock_dmatable_destroy(env.table);
	env.table = NULL;
	TEST_ASSERT_EQUAL(airlock_dmatable_forget(env.pool), NB_FRAMES, "left");
	TEST_ASSERT_EQUAL(airlock_dmatable_forget(env.pool), 0, "once");
	return TEST_SUCCESS;
}

static void
ignore_event(struct airlock_dmatable *table, const struct airlock_window_place *place, void *arg)
{
}

static int
test_silent_agent_holds_up_nobody(void)
{
	struct airlock_dmatable_conf conf = {.name = "vm1", .path = "/dev/shm/airlock-dmatable-s"};
	struct window_stub silent = {.sock = -1, .uffd = -1};
	struct airlock_dmatable *other;

	conf.pool = env.pool;
	conf.event = ignore_event;
	unlink(conf.path);
	other = airlock_dmatable_create(&conf);
	TEST_ASSERT_NOT_NULL(other, "second table");
	TEST_ASSERT_SUCCESS(airlock_dmatable_start(other), "start");
	TEST_ASSERT_SUCCESS(window_stub_connect(&silent, conf.path), "says nothing");
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_fill(&env, 1, frames, NB_FRAMES), "fill");
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "UNMAP");
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == NB_FRAMES / 2), "back");
	airlock_dmatable_destroy(other);
	window_stub_fini(&silent);
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "dmatable_lost",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown,
				test_frames_of_a_lost_window_come_back_when_they_are_dark),
			TEST_CASE_ST(setup, teardown, test_agent_may_die_between_any_two_messages),
			TEST_CASE_ST(setup, teardown,
				test_stop_does_not_wait_for_a_silent_agent_for_good),
			TEST_CASE_ST(
				setup, teardown, test_frames_of_a_destroyed_table_are_looked_after),
			TEST_CASE_ST(
				setup, teardown, test_what_is_never_dark_is_reported_in_the_end),
			TEST_CASE_ST(setup, teardown, test_silent_agent_holds_up_nobody),
			TEST_CASES_END(),
		},
};

static int
test_dmatable_lost(void)
{
	return dmatable_env_run(&suite);
}

REGISTER_FAST_TEST(dmatable_lost_autotest, true, true, test_dmatable_lost);
