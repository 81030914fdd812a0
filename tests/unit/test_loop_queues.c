/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Several queues and several lcores: flows are spread, each stays in order, and nothing is lost
 * between lcores, however the stages are placed.
 */

#include "loop.h"
#include "pipeline_priv.h"

#define NB_FLOWS   16
#define NB_PACKETS 640

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

/* Each flow keeps its order and its queue; bits of *used*: queues that had any. */
static int
check_flows(const struct loop_sink *sink, uint32_t *used)
{
	int64_t last[NB_FLOWS];
	int queue_of[NB_FLOWS];

	memset(last, -1, sizeof(last));
	memset(queue_of, -1, sizeof(queue_of));
	*used = 0;
	for (uint32_t i = 0; i < sink->n; i++) {
		uint16_t flow;
		uint32_t seq;

		TEST_ASSERT(loop_packet_read(sink->mbufs[i], &flow, &seq) && flow < NB_FLOWS,
			"packet %u is none of ours", i);
		TEST_ASSERT(seq > last[flow], "flow %u: %u behind %jd", flow, seq,
			(intmax_t)last[flow]);
		TEST_ASSERT(queue_of[flow] < 0 || queue_of[flow] == sink->queue_ids[i],
			"flow %u changes its queue", flow);
		last[flow] = seq;
		queue_of[flow] = sink->queue_ids[i];
		*used |= RTE_BIT32(sink->queue_ids[i]);
	}
	return TEST_SUCCESS;
}

static int
inject_flows(unsigned int idx)
{
	struct loop_packet packet = {.dst = loop.vms[idx].mac, .src = stranger};

	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++) {
		packet.flow = packet.seq * 7 % NB_FLOWS;
		/* As a card would do it: a flow has its queue. */
		TEST_ASSERT_SUCCESS(loop_inject(packet.flow % loop.conf.nb_rxq, &packet),
			"packet %u", packet.seq);
		loop.vms[idx].want++;
		if (packet.seq % 64 == 63)
			TEST_ASSERT_SUCCESS(loop_wait(), "window");
	}
	return TEST_SUCCESS;
}

static int
send_flows(unsigned int idx, const struct rte_ether_addr *dst, uint64_t *want)
{
	struct loop_packet packet = {.dst = *dst, .src = loop.vms[idx].mac};

	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++) {
		packet.flow = packet.seq * 7 % NB_FLOWS;
		TEST_ASSERT_SUCCESS(
			loop_send(idx, packet.flow % loop.vms[idx].conf.nb_queues, &packet),
			"packet %u", packet.seq);
		(*want)++;
		if (packet.seq % 64 == 63)
			TEST_ASSERT_SUCCESS(loop_wait(), "window");
	}
	return TEST_SUCCESS;
}

/* Wire to VM 0, VM 0 to VM 1, VM 1 to wire. */
static int
go_round(uint32_t queues)
{
	uint32_t used;

	TEST_ASSERT_SUCCESS(inject_flows(0), "wire to VM");
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(check_flows(&loop.vms[0].sink, &used), "wire to VM");
	TEST_ASSERT_EQUAL(used, queues, "queues of VM 0");
	TEST_ASSERT_SUCCESS(send_flows(0, &loop.vms[1].mac, &loop.vms[1].want), "VM to VM");
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(check_flows(&loop.vms[1].sink, &used), "VM to VM");
	TEST_ASSERT_SUCCESS(send_flows(1, &stranger, &loop.wire_want), "VM to wire");
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	return loop_check();
}

static int
test_one_lcore_spreads_flows_over_queues(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{.nb_queues = 2}, {.nb_queues = 2}}};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	return go_round(3);
}

static int
test_two_lcores_two_queues(void)
{
	struct loop_conf conf = {
		.nb_lcores = 2,
		.nb_rxq = 2,
		.nb_vms = 2,
		.vms = {{.nb_queues = 2}, {.nb_queues = 2, .packed = true}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	return go_round(3);
}

static int
test_lcores_without_a_queue_of_the_wire_send_through_others(void)
{
	struct loop_conf conf = {
		.nb_lcores = 3,
		.nb_rxq = 1,
		.nb_txq = 1,
		.nb_vms = 2,
		.vms = {{.nb_queues = 3}, {.nb_queues = 3}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	/* The wire's lcore owns one of VM 0's rings, and keeps to it. */
	return go_round(1);
}

static const struct airlock_pipeline_share split[] = {
	{.lcore_idx = 0, .stage = AIRLOCK_STAGE_RX, .all = true},
	{.lcore_idx = 1, .stage = AIRLOCK_STAGE_HANDOFF, .all = true},
	{.lcore_idx = 2, .stage = AIRLOCK_STAGE_TX, .all = true},
};

static int
test_each_stage_on_an_lcore_of_its_own(void)
{
	struct airlock_pipeline_lcore_stats stats;
	struct loop_conf conf = {
		.nb_lcores = 3,
		.nb_rxq = 2,
		.shares = split,
		.nb_shares = RTE_DIM(split),
		.nb_vms = 2,
		.vms = {{.nb_queues = 2}, {0}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	for (unsigned int i = 0; i < 3; i++) {
		airlock_pipeline_lcore_stats(loop.pipeline, i, &stats);
		for (unsigned int j = 0; j < AIRLOCK_STAGE_MAX; j++)
			TEST_ASSERT_EQUAL(stats.stages[j], j == split[i].stage, "lcore %u, %s", i,
				airlock_stage_name(j));
		TEST_ASSERT_EQUAL(stats.nb_rx_queues, i == 0 ? 2 : 0, "lcore %u", i);
		TEST_ASSERT_EQUAL(stats.nb_tx_queues, i == 2 ? 3 : 0, "lcore %u", i);
	}
	return go_round(3);
}

static int
test_queue_that_no_lcore_runs_is_refused(void)
{
	const struct airlock_pipeline_share *without_tx = split;
	struct loop_conf conf = {.nb_lcores = 3, .shares = without_tx, .nb_shares = 2};
	struct airlock_pipeline_vm vm = {
		.name = "vm",
		.socket = "/tmp/airlock-test-unused",
		.server = true,
		.nb_queues = 1,
		.net.mac = {{0x52, 0x54, 0, 0, 0, 1}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "without VMs nobody has to run tx");
	TEST_ASSERT_EQUAL(airlock_pipeline_add_vm(loop.pipeline, &vm), -EINVAL, "now somebody has");
	return loop_check();
}

static uint16_t
handoff_lcore(unsigned int idx)
{
	return vm_get(loop.pipeline, loop.vms[idx].vm_id)->handoff_lcore[0];
}

static int
del_vm(unsigned int idx)
{
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_del_vm(loop.pipeline, loop.vms[idx].vm_id), "VM %u", idx);
	loop.vms[idx].vm_id = -1;
	return TEST_SUCCESS;
}

static int
test_vm_has_the_place_of_its_name(void)
{
	static const struct airlock_pipeline_share shares[] = {
		{.lcore_idx = 0, .stage = AIRLOCK_STAGE_RX, .all = true},
		{.lcore_idx = 0, .stage = AIRLOCK_STAGE_TX, .all = true},
		{.lcore_idx = 0, .stage = AIRLOCK_STAGE_HANDOFF, .all = true},
		{.lcore_idx = 1,
			.stage = AIRLOCK_STAGE_HANDOFF,
			.vm = LOOP_VM "0",
			.all_queues = true},
	};
	struct loop_conf conf = {
		.nb_lcores = 2,
		.shares = shares,
		.nb_shares = RTE_DIM(shares),
		.nb_vms = 2,
		.vms = {{.absent = true}, {.absent = true}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_EQUAL(handoff_lcore(0), 1, "as it was told");
	TEST_ASSERT_EQUAL(handoff_lcore(1), 0, "as all");
	/* Both change numbers, and not places. */
	TEST_ASSERT_SUCCESS(del_vm(0), "delete");
	TEST_ASSERT_SUCCESS(del_vm(1), "delete");
	TEST_ASSERT_SUCCESS(loop_add_vm(1), "add");
	TEST_ASSERT_EQUAL(loop.vms[1].vm_id, 0, "the lowest number");
	TEST_ASSERT_SUCCESS(loop_add_vm(0), "add");
	TEST_ASSERT_EQUAL(handoff_lcore(0), 1, "as before");
	TEST_ASSERT_EQUAL(handoff_lcore(1), 0, "as before");
	return loop_check();
}

static int
test_share_given_twice_is_refused(void)
{
	struct airlock_pipeline_share share = {
		.lcore_idx = 0,
		.stage = AIRLOCK_STAGE_RX,
		.all_queues = true,
	};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_lcores = 2}), "open");
	airlock_pipeline_stop(loop.pipeline);
	TEST_ASSERT_SUCCESS(airlock_pipeline_share(loop.pipeline, &share), "first");
	share.lcore_idx = 1;
	TEST_ASSERT_EQUAL(airlock_pipeline_share(loop.pipeline, &share), -EEXIST, "again");
	share.all_queues = false;
	TEST_ASSERT_EQUAL(airlock_pipeline_share(loop.pipeline, &share), -EEXIST, "a part of it");
	share.lcore_idx = 2;
	share.uplink_id = 1;
	TEST_ASSERT_EQUAL(airlock_pipeline_share(loop.pipeline, &share), -EINVAL, "no such lcore");
	share.lcore_idx = 0;
	share.all = true;
	TEST_ASSERT_SUCCESS(airlock_pipeline_share(loop.pipeline, &share), "for all");
	TEST_ASSERT_EQUAL(airlock_pipeline_share(loop.pipeline, &share), -EEXIST, "for all, again");
	share.lcore_idx = 1;
	TEST_ASSERT_SUCCESS(airlock_pipeline_share(loop.pipeline, &share), "another lcore");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite queues_suite = {
	.suite_name = "loop_queues",
	.unit_test_cases =
		{
			CASE(test_one_lcore_spreads_flows_over_queues),
			CASE(test_two_lcores_two_queues),
			CASE(test_lcores_without_a_queue_of_the_wire_send_through_others),
			CASE(test_each_stage_on_an_lcore_of_its_own),
			CASE(test_queue_that_no_lcore_runs_is_refused),
			CASE(test_vm_has_the_place_of_its_name),
			CASE(test_share_given_twice_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_loop_queues(void)
{
	return unit_test_suite_runner(&queues_suite);
}

REGISTER_FAST_TEST(loop_queues_autotest, true, true, test_loop_queues)
