/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Rate limits of VMs: what passes, what is dropped, on one lcore and over several, and limits that
 * change while packets flow. The rates are so low, and the packets so long, that the burst decides:
 * of many packets at once the first 100 pass, and then a few, as time goes by.
 */

#include "loop.h"

#define NB_BURST     100
#define PACKET_BYTES (AIRLOCK_LIMIT_MIN_BURST / NB_BURST)
#define NB_PACKETS   200

static const struct airlock_limits rx_limit = {.rx_bps = 8000};
static const struct airlock_limits tx_limit = {.tx_bps = 8000};
static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

/* A packet a second passes beyond the burst. */
static int
check_passed(uint64_t passed)
{
	TEST_ASSERT(
		passed >= NB_BURST && passed < NB_BURST + 30, "%" PRIu64 " have passed", passed);
	return TEST_SUCCESS;
}

static uint64_t
rx_drops(unsigned int idx)
{
	return loop_vm_stats(idx).rx_drops.by_reason[AIRLOCK_DROP_RATE];
}

static uint64_t
tx_drops(unsigned int idx)
{
	return loop_vm_stats(idx).tx_drops.by_reason[AIRLOCK_DROP_RATE];
}

/* To VMs 0 and 1 in turn, over all queues of the wire. */
static int
inject_pairs(uint32_t first_seq)
{
	struct loop_packet packet = {.src = stranger, .len = PACKET_BYTES};

	for (packet.seq = first_seq; packet.seq < first_seq + NB_PACKETS; packet.seq++) {
		uint16_t queue_id = packet.seq % loop.conf.nb_rxq;

		packet.flow = queue_id;
		for (unsigned int idx = 0; idx < 2; idx++) {
			packet.dst = loop.vms[idx].mac;
			TEST_ASSERT_SUCCESS(loop_inject(queue_id, &packet), "%u", packet.seq);
		}
	}
	return TEST_SUCCESS;
}

/* All but what the limit lets pass of *offered* is dropped. */
static int
wait_for_rx(unsigned int idx, uint64_t offered)
{
	TEST_ASSERT(LOOP_UNTIL(rx_drops(idx) + loop.vms[idx].sink.total == offered),
		"VM %u: %" PRIu64 " dropped, %" PRIu64 " arrived of %" PRIu64, idx, rx_drops(idx),
		loop.vms[idx].sink.total, offered);
	return TEST_SUCCESS;
}

static int
limit_rx(uint16_t nb_lcores)
{
	struct loop_conf conf = {
		.nb_lcores = nb_lcores,
		.nb_rxq = nb_lcores,
		.nb_vms = 2,
		.vms = {{.nb_queues = nb_lcores, .limits = rx_limit}, {.nb_queues = nb_lcores}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(inject_pairs(0), "packets");
	TEST_ASSERT_SUCCESS(wait_for_rx(0, NB_PACKETS), "the limited VM");
	TEST_ASSERT_SUCCESS(check_passed(NB_PACKETS - rx_drops(0)), "the limited VM");
	loop.vms[0].rx_drops[AIRLOCK_DROP_RATE] = rx_drops(0);
	loop.vms[0].want = NB_PACKETS - rx_drops(0);
	loop.vms[1].want = NB_PACKETS;
	return loop_check();
}

static int
test_packets_for_vm_are_limited(void)
{
	return limit_rx(1);
}

static int
test_limit_for_vm_is_one_over_lcores(void)
{
	return limit_rx(3);
}

static int
limit_tx(uint16_t nb_lcores)
{
	struct loop_conf conf = {
		.nb_lcores = nb_lcores,
		.nb_vms = 2,
		.vms = {{.nb_queues = nb_lcores, .limits = tx_limit}, {.nb_queues = nb_lcores}},
	};
	struct loop_packet packet = {.dst = stranger, .len = PACKET_BYTES};
	uint64_t dropped;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++) {
		for (unsigned int idx = 0; idx < 2; idx++) {
			packet.src = loop.vms[idx].mac;
			TEST_ASSERT_SUCCESS(
				loop_send(idx, packet.seq % nb_lcores, &packet), "%u", packet.seq);
		}
	}
	TEST_ASSERT(
		LOOP_UNTIL(tx_drops(0) + loop.wire.total == 2 * NB_PACKETS), "dropped or arrived");
	dropped = tx_drops(0);
	TEST_ASSERT_SUCCESS(check_passed(NB_PACKETS - dropped), "the limited VM");
	loop.vms[0].tx_drops[AIRLOCK_DROP_RATE] = dropped;
	loop.wire_want = 2 * NB_PACKETS - dropped;
	return loop_check();
}

static int
test_packets_from_vm_are_limited(void)
{
	return limit_tx(1);
}

static int
test_limit_from_vm_is_one_over_lcores(void)
{
	return limit_tx(3);
}

static int
test_floods_count_for_each_receiver(void)
{
	struct loop_conf conf = {
		.nb_lcores = 2,
		.nb_vms = 2,
		.vms = {{.limits = rx_limit}, {0}},
	};
	struct loop_packet packet = {.src = stranger, .len = PACKET_BYTES};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	memset(&packet.dst, 0xff, sizeof(packet.dst));
	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	TEST_ASSERT_SUCCESS(wait_for_rx(0, NB_PACKETS), "the limited VM");
	TEST_ASSERT_SUCCESS(check_passed(NB_PACKETS - rx_drops(0)), "the limited VM");
	loop.vms[0].rx_drops[AIRLOCK_DROP_RATE] = rx_drops(0);
	loop.vms[0].want = NB_PACKETS - rx_drops(0);
	loop.vms[1].want = NB_PACKETS;
	return loop_check();
}

static int
set_limits(unsigned int idx, const struct airlock_limits *limits)
{
	return airlock_pipeline_limit_vm(loop.pipeline, loop.vms[idx].vm_id, limits);
}

static int
test_limits_change_while_packets_flow(void)
{
	const struct airlock_limits none = {0}, storm_too = {.rx_bps = 8000, .storm_pps = 5};
	struct loop_conf conf = {.nb_lcores = 2, .nb_rxq = 2, .nb_vms = 2};
	uint64_t dropped;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(inject_pairs(0), "without a limit");
	TEST_ASSERT_SUCCESS(wait_for_rx(0, NB_PACKETS), "without a limit");
	TEST_ASSERT_EQUAL(rx_drops(0), 0, "without a limit");

	TEST_ASSERT_SUCCESS(set_limits(0, &rx_limit), "limit");
	TEST_ASSERT_EQUAL(loop_vm_stats(0).limits.rx_bps, 8000, "is told");
	TEST_ASSERT_SUCCESS(inject_pairs(NB_PACKETS), "with a limit");
	TEST_ASSERT_SUCCESS(wait_for_rx(0, 2 * NB_PACKETS), "with a limit");
	TEST_ASSERT_SUCCESS(check_passed(NB_PACKETS - rx_drops(0)), "with a limit");

	/* Another limit is no new bucket for this one. */
	dropped = rx_drops(0);
	TEST_ASSERT_SUCCESS(set_limits(0, &storm_too), "limit of floods");
	TEST_ASSERT_SUCCESS(inject_pairs(2 * NB_PACKETS), "with another limit");
	TEST_ASSERT_SUCCESS(wait_for_rx(0, 3 * NB_PACKETS), "with another limit");
	TEST_ASSERT(rx_drops(0) - dropped > NB_PACKETS - 30, "%" PRIu64 " are dropped",
		rx_drops(0) - dropped);

	dropped = rx_drops(0);
	TEST_ASSERT_SUCCESS(set_limits(0, &none), "no limit");
	TEST_ASSERT_SUCCESS(inject_pairs(3 * NB_PACKETS), "without a limit again");
	loop.vms[0].rx_drops[AIRLOCK_DROP_RATE] = dropped;
	loop.vms[0].want = 4 * NB_PACKETS - dropped;
	loop.vms[1].want = 4 * NB_PACKETS;
	TEST_ASSERT_EQUAL(airlock_pipeline_limit_vm(loop.pipeline, 99, &none), -ENOENT, "nobody");
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite rate_suite = {
	.suite_name = "loop_rate",
	.unit_test_cases =
		{
			CASE(test_packets_for_vm_are_limited),
			CASE(test_limit_for_vm_is_one_over_lcores),
			CASE(test_packets_from_vm_are_limited),
			CASE(test_limit_from_vm_is_one_over_lcores),
			CASE(test_floods_count_for_each_receiver),
			CASE(test_limits_change_while_packets_flow),
			TEST_CASES_END(),
		},
};

static int
test_loop_rate(void)
{
	return unit_test_suite_runner(&rate_suite);
}

REGISTER_FAST_TEST(loop_rate_autotest, true, true, test_loop_rate)
