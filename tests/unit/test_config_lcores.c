/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Configuration of lib/control: which lcore runs what.
 */

#include "test_config.h"

static int
check_stage(unsigned int i, unsigned int lcore_id, enum airlock_stage stage, bool all)
{
	TEST_ASSERT(i < config.nb_stages, "%u of %u", i, config.nb_stages);
	TEST_ASSERT_EQUAL(config.stages[i].lcore_id, lcore_id, "assignment %u", i);
	TEST_ASSERT_EQUAL(config.stages[i].stage, stage, "assignment %u", i);
	TEST_ASSERT_EQUAL(config.stages[i].all, all, "assignment %u", i);
	return TEST_SUCCESS;
}

static int
test_lcores_get_shares_objects_and_queues(void)
{
	char origin[64];

	verdict = parse_file("[lcores]\n2 = all\n3 = rx,tx\n"
			     "4 = rx:5.1  handoff:web\n5=handoff:db.1 rx:4 tx:db.1.0\n" VM_WEB VM_DB
			     "queues = 2\n[vm db.1]\nmac = 52:54:00:00:00:03\n"
			     "[uplink 4]\n[uplink 5]\nqueues = 2\n");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.nb_stages, 10, "assignments");
	for (unsigned int i = 0; i < AIRLOCK_STAGE_MAX; i++)
		TEST_ASSERT_SUCCESS(check_stage(i, 2, i, true), "all");
	TEST_ASSERT_SUCCESS(check_stage(3, 3, AIRLOCK_STAGE_RX, true), "rx");
	TEST_ASSERT_SUCCESS(check_stage(4, 3, AIRLOCK_STAGE_TX, true), "tx");

	TEST_ASSERT_SUCCESS(check_stage(5, 4, AIRLOCK_STAGE_RX, false), "rx:5.1");
	TEST_ASSERT_EQUAL(config.stages[5].uplink_id, 1, "index, not port");
	TEST_ASSERT(!config.stages[5].all_queues, "one queue");
	TEST_ASSERT_EQUAL(config.stages[5].queue_id, 1, "queue");
	snprintf(origin, sizeof(origin), "%s:4", conf_path);
	ASSERT_TEXT(config.stages[5].origin.text, origin, "origin");
	TEST_ASSERT_SUCCESS(check_stage(6, 4, AIRLOCK_STAGE_HANDOFF, false), "handoff:web");
	ASSERT_TEXT(config.stages[6].vm, "web", "VM");
	TEST_ASSERT(config.stages[6].all_queues, "all queues");

	/* A VM's whole name goes before a name and a queue. */
	TEST_ASSERT_SUCCESS(check_stage(7, 5, AIRLOCK_STAGE_HANDOFF, false), "handoff:db.1");
	ASSERT_TEXT(config.stages[7].vm, "db.1", "not queue 1 of db");
	TEST_ASSERT(config.stages[7].all_queues, "all queues");
	TEST_ASSERT_SUCCESS(check_stage(9, 5, AIRLOCK_STAGE_TX, false), "tx:db.1.0");
	ASSERT_TEXT(config.stages[9].vm, "db.1", "VM");
	TEST_ASSERT(!config.stages[9].all_queues, "one queue");
	ASSERT_TEXT(airlock_stage_name(AIRLOCK_STAGE_HANDOFF), "handoff", "name");
	return TEST_SUCCESS;
}

static int
test_lcores_of_file_may_name_what_flags_define(void)
{
	static const char text[] = "[lcores]\n1 = rx:0 handoff tx:web\n";

	TEST_ASSERT_SUCCESS(write_conf(text, strlen(text)), "file");
	verdict = PARSE(true, "--uplink", "port=0", "--vm", WEB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.nb_stages, 3, "assignments");
	return TEST_SUCCESS;
}

static const struct unit_test_suite config_lcores_suite = {
	.suite_name = "config_lcores",
	.unit_test_cases =
		{
			CONFIG_CASE(test_lcores_get_shares_objects_and_queues),
			CONFIG_CASE(test_lcores_of_file_may_name_what_flags_define),
			TEST_CASES_END(),
		},
};

static int
test_config_lcores(void)
{
	return unit_test_suite_runner(&config_lcores_suite);
}

REGISTER_FAST_TEST(config_lcores_autotest, true, true, test_config_lcores)
