/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Lcores that sleep when there is nothing to do: whatever comes wakes them, and nobody waits for
 * one that sleeps. They fall asleep as fast as they can here, so that each packet meets another
 * step of it; nothing but a kick or a signal ends their sleep, so one that is lost is a test that
 * does not end.
 *
 * The wire, a pair of rings, has no interrupts: a lcore that polls it takes naps. So most tests
 * are between VMs.
 */

#include <rte_cycles.h>

#include "loop.h"

#define NB_PACKETS 500

static const struct airlock_idle at_once = {.adaptive = true};
static const struct airlock_idle soon = {
	.adaptive = true, .pause_us = 20, .sleep_us = 50, .wait_us = 200};

static uint64_t
sleeps(void)
{
	struct airlock_pipeline_lcore_stats stats;
	uint64_t total = 0;

	for (uint16_t i = 0; i < loop.conf.nb_lcores; i++) {
		airlock_pipeline_lcore_stats(loop.pipeline, i, &stats);
		total += stats.sleeps;
	}
	return total;
}

/* No iteration for some time: all of them wait. */
static bool
all_are_asleep(void)
{
	struct airlock_pipeline_lcore_stats before[LOOP_MAX_LCORES], after;
	bool asleep = true;

	for (uint16_t i = 0; i < loop.conf.nb_lcores; i++)
		airlock_pipeline_lcore_stats(loop.pipeline, i, &before[i]);
	rte_delay_us_sleep(20000);
	for (uint16_t i = 0; i < loop.conf.nb_lcores; i++) {
		airlock_pipeline_lcore_stats(loop.pipeline, i, &after);
		asleep &= after.iterations == before[i].iterations;
	}
	return asleep;
}

static int
fall_asleep(void)
{
	/* With a window an lcore looks now and then at what was given back. */
	if (loop.vms[0].conf.deliver != AIRLOCK_DELIVER_COPY)
		return TEST_SUCCESS;
	TEST_ASSERT(LOOP_UNTIL(all_are_asleep()), "lcores do not sleep");
	return TEST_SUCCESS;
}

static void
spin(uint64_t ns)
{
	uint64_t end = rte_rdtsc() + ns * rte_get_tsc_hz() / NS_PER_S;

	while (rte_rdtsc() < end)
		;
}

/*
 * From VM 0 to VM 1, one after the other, each a little later after the last has arrived than the
 * one before: so they meet the lcore on each of its steps into sleep, and asleep.
 */
static int
send_one_by_one(uint16_t nb_queues)
{
	struct loop_packet packet = {.dst = loop.vms[1].mac, .src = loop.vms[0].mac};

	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++) {
		packet.flow = packet.seq % nb_queues;
		TEST_ASSERT_SUCCESS(loop_send(0, packet.flow, &packet), "packet %u", packet.seq);
		loop.vms[1].want++;
		TEST_ASSERT(LOOP_UNTIL(loop.vms[1].sink.total == loop.vms[1].want),
			"packet %u does not arrive", packet.seq);
		spin(packet.seq * 100);
	}
	return TEST_SUCCESS;
}

static int
kicks_wake(uint16_t nb_lcores, const struct airlock_idle *idle, struct loop_vm_conf vm)
{
	struct loop_conf conf = {
		.nb_lcores = nb_lcores,
		.no_uplink = true,
		.idle = *idle,
		.nb_vms = 2,
		.vms = {vm, vm},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(fall_asleep(), "before");
	TEST_ASSERT_SUCCESS(send_one_by_one(RTE_MAX(vm.nb_queues, 1)), "packets");
	TEST_ASSERT_SUCCESS(fall_asleep(), "after");
	TEST_ASSERT(sleeps() > 0, "none has slept");
	return loop_check();
}

static int
test_kicks_wake_split_ring(void)
{
	return kicks_wake(1, &at_once, (struct loop_vm_conf){0});
}

static int
test_kicks_wake_packed_ring(void)
{
	return kicks_wake(1, &at_once, (struct loop_vm_conf){.packed = true});
}

static int
test_kicks_wake_through_all_stages(void)
{
	return kicks_wake(1, &soon, (struct loop_vm_conf){0});
}

/* The lcore of the sender wakes by the kick, that of the receiver by its inbox. */
static int
test_inbox_wakes_other_lcore(void)
{
	static const struct airlock_pipeline_share shares[] = {
		{.lcore_idx = 0, .stage = AIRLOCK_STAGE_RX, .all = true},
		{.lcore_idx = 0, .stage = AIRLOCK_STAGE_TX, .all = true},
		{.lcore_idx = 1, .stage = AIRLOCK_STAGE_HANDOFF, .all = true},
	};
	struct loop_conf conf = {
		.nb_lcores = 2,
		.no_uplink = true,
		.idle = at_once,
		.shares = shares,
		.nb_shares = RTE_DIM(shares),
		.nb_vms = 2,
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(fall_asleep(), "before");
	TEST_ASSERT_SUCCESS(send_one_by_one(1), "packets");
	return loop_check();
}

static int
test_flood_wakes_other_lcores(void)
{
	struct loop_conf conf = {.nb_lcores = 3, .no_uplink = true, .idle = at_once, .nb_vms = 4};
	struct loop_packet packet = {.len = 100};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	memset(&packet.dst, 0xff, sizeof(packet.dst));
	packet.src = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < 50; packet.seq++) {
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "packet %u", packet.seq);
		for (unsigned int i = 1; i < 4; i++)
			loop.vms[i].want++;
		TEST_ASSERT_SUCCESS(loop_wait(), "packet %u", packet.seq);
		rte_delay_us_sleep(500);
	}
	return loop_check();
}

static int
test_kicks_wake_every_queue_on_its_lcore(void)
{
	return kicks_wake(3, &at_once, (struct loop_vm_conf){.nb_queues = 3});
}

/* Of a VM whose RX rings airlock serves. */
static int
test_kicks_wake_with_own_rings(void)
{
	return kicks_wake(1, &soon, (struct loop_vm_conf){.deliver = AIRLOCK_DELIVER_AUTO});
}

static int
test_vms_come_and_go_while_lcores_sleep(void)
{
	struct loop_conf conf = {.nb_lcores = 2, .no_uplink = true, .idle = at_once, .nb_vms = 2};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	for (unsigned int i = 0; i < 5; i++) {
		TEST_ASSERT_SUCCESS(fall_asleep(), "round %u", i);
		TEST_ASSERT_SUCCESS(loop_unplug(0), "unplug");
		TEST_ASSERT_SUCCESS(loop_wait_up(0, false), "down");
		TEST_ASSERT_SUCCESS(fall_asleep(), "without it, round %u", i);
		TEST_ASSERT_SUCCESS(loop_plug(0), "plug");
	}
	TEST_ASSERT_SUCCESS(send_one_by_one(1), "packets");
	TEST_ASSERT_SUCCESS(fall_asleep(), "last");
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_del_vm(loop.pipeline, loop.vms[0].vm_id), "a VM is deleted");
	loop.vms[0].vm_id = -1;
	loop.vms[0].sent = 0;
	return loop_check();
}

static int
test_wire_without_interrupts_is_looked_at(void)
{
	struct loop_conf conf = {.nb_lcores = 2, .idle = at_once, .nb_vms = 2};
	struct loop_packet packet = {.src = {{0x02, 0, 0, 0, 0, 0x99}}};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	for (packet.seq = 0; packet.seq < 100; packet.seq++) {
		unsigned int idx = packet.seq % 2;

		packet.dst = loop.vms[idx].mac;
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
		loop.vms[idx].want++;
		TEST_ASSERT_SUCCESS(loop_wait(), "packet %u", packet.seq);
		spin(packet.seq * 100);
	}
	TEST_ASSERT(sleeps() > 0, "none has slept");
	return loop_check();
}

static int
test_polling_lcores_never_sleep(void)
{
	struct loop_conf conf = {.nb_lcores = 1, .no_uplink = true, .nb_vms = 2};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	/* One that had no CPU for some time looks asleep. */
	TEST_ASSERT(LOOP_UNTIL(!all_are_asleep()), "it goes round");
	TEST_ASSERT_EQUAL(sleeps(), 0, "sleeps");
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite idle_suite = {
	.suite_name = "loop_idle",
	.unit_test_cases =
		{
			CASE(test_kicks_wake_split_ring),
			CASE(test_kicks_wake_packed_ring),
			CASE(test_kicks_wake_through_all_stages),
			CASE(test_inbox_wakes_other_lcore),
			CASE(test_flood_wakes_other_lcores),
			CASE(test_kicks_wake_every_queue_on_its_lcore),
			CASE(test_kicks_wake_with_own_rings),
			CASE(test_vms_come_and_go_while_lcores_sleep),
			CASE(test_wire_without_interrupts_is_looked_at),
			CASE(test_polling_lcores_never_sleep),
			TEST_CASES_END(),
		},
};

static int
test_loop_idle(void)
{
	return unit_test_suite_runner(&idle_suite);
}

REGISTER_FAST_TEST(loop_idle_autotest, true, true, test_loop_idle)
