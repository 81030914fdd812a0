/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Broadcast and multicast: a copy for everybody but the sender, on one lcore and over several, and
 * no more of them than the limit allows.
 */

#include <netinet/in.h>
#include <rte_ip.h>

#include "loop.h"

#define BROADCAST \
	{ \
		{ \
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff \
		} \
	}

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

static int
check_copies(unsigned int idx, const struct loop_packet *first, unsigned int n)
{
	struct loop_packet packet = *first;

	for (unsigned int i = 0; i < n; i++, packet.seq++)
		TEST_ASSERT(loop_packet_is(loop.vms[idx].sink.mbufs[i], &packet), "VM %u, copy %u",
			idx, i);
	return TEST_SUCCESS;
}

static int
flood_from_wire(uint16_t nb_lcores)
{
	struct loop_packet packet = {.dst = BROADCAST, .src = stranger, .len = 200};

	TEST_ASSERT_SUCCESS(
		loop_open(&(struct loop_conf){.nb_lcores = nb_lcores, .nb_vms = 4}), "open");
	for (packet.seq = 0; packet.seq < 50; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	for (unsigned int i = 0; i < 4; i++)
		loop.vms[i].want = 50;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	packet.seq = 0;
	for (unsigned int i = 0; i < 4; i++)
		TEST_ASSERT_SUCCESS(check_copies(i, &packet, 50), "VM %u", i);
	return loop_check();
}

static int
test_broadcast_from_wire_reaches_all_vms(void)
{
	return flood_from_wire(1);
}

static int
test_broadcast_from_wire_reaches_vms_of_all_lcores(void)
{
	return flood_from_wire(3);
}

static int
flood_from_vm(uint16_t nb_lcores)
{
	struct loop_packet packet = {.dst = {{0x33, 0x33, 0, 0, 0, 1}}, .len = 1514};

	TEST_ASSERT_SUCCESS(
		loop_open(&(struct loop_conf){.nb_lcores = nb_lcores, .nb_vms = 4}), "open");
	packet.src = loop.vms[1].mac;
	for (packet.seq = 0; packet.seq < 50; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_send(1, 0, &packet), "packet %u", packet.seq);
	loop.vms[0].want = loop.vms[2].want = loop.vms[3].want = 50;
	loop.wire_want = 50;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (packet.seq = 0; packet.seq < 50; packet.seq++)
		TEST_ASSERT(loop_packet_is(loop.wire.mbufs[packet.seq], &packet), "wire, copy %u",
			packet.seq);
	packet.seq = 0;
	for (unsigned int i = 0; i < 4; i++)
		TEST_ASSERT_SUCCESS(check_copies(i, &packet, loop.vms[i].want), "VM %u", i);
	return loop_check();
}

static int
test_multicast_from_vm_reaches_wire_and_other_vms(void)
{
	return flood_from_vm(1);
}

static int
test_multicast_from_vm_reaches_other_lcores_too(void)
{
	return flood_from_vm(3);
}

static int
test_vm_that_is_down_counts_its_copy(void)
{
	struct loop_conf conf = {.nb_lcores = 2, .nb_vms = 3, .vms = {{0}, {.absent = true}, {0}}};
	struct loop_packet packet = {.dst = BROADCAST, .src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	for (packet.seq = 0; packet.seq < 10; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	loop.vms[0].want = loop.vms[2].want = 10;
	loop.vms[1].rx_drops[AIRLOCK_DROP_VM_DOWN] = 10;
	return loop_check();
}

static int
test_unfinished_checksum_is_finished_for_all(void)
{
	struct loop_conf conf = {
		.nb_lcores = 2,
		.nb_vms = 3,
		.vms = {{.tx_offloads = RTE_ETH_TX_OFFLOAD_UDP_CKSUM}, {0}, {0}},
	};
	struct loop_packet packet = {.dst = BROADCAST, .len = 300};
	struct rte_mbuf *m;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.src = loop.vms[0].mac;
	m = loop_packet_mbuf(loop.guest_mbufs, &packet);
	TEST_ASSERT_NOT_NULL(m, "mbuf");
	loop_packet_ask(m, false, 0);
	TEST_ASSERT_SUCCESS(loop_send_mbufs(0, 0, &m, 1), "send");
	loop.vms[1].want = loop.vms[2].want = loop.wire_want = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(check_copies(1, &packet, 1), "VM 1");
	TEST_ASSERT_SUCCESS(check_copies(2, &packet, 1), "VM 2");
	TEST_ASSERT(loop_packet_is(loop.wire.mbufs[0], &packet), "wire");
	return loop_check();
}

/* Of many packets at once the first 64 pass, and then a few, as time goes by. */
static int
check_storm(uint64_t passed, uint64_t dropped, uint64_t all)
{
	TEST_ASSERT_EQUAL(passed + dropped, all, "every packet passes or is counted");
	TEST_ASSERT(passed >= 64 && passed < 64 + 30, "%" PRIu64 " of %" PRIu64 " have passed",
		passed, all);
	return TEST_SUCCESS;
}

static int
test_storm_from_wire_is_limited(void)
{
	struct loop_packet packet = {.dst = BROADCAST, .src = stranger};
	uint64_t dropped;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2, .storm_pps = 1}), "open");
	for (packet.seq = 0; packet.seq < 400; packet.seq++) {
		packet.dst = (struct rte_ether_addr)BROADCAST;
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "broadcast %u", packet.seq);
		packet.dst = loop.vms[0].mac;
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "unicast %u", packet.seq);
	}
	TEST_ASSERT_SUCCESS(loop_wait(), "taken");
	TEST_ASSERT(LOOP_UNTIL(loop_uplink_stats().rx_drops.by_reason[AIRLOCK_DROP_STORM] +
				    loop.vms[1].sink.total ==
			    400),
		"dropped or arrived");
	dropped = loop_uplink_stats().rx_drops.by_reason[AIRLOCK_DROP_STORM];
	TEST_ASSERT_SUCCESS(check_storm(400 - dropped, dropped, 400), "broadcast");
	loop.rx_drops[AIRLOCK_DROP_STORM] = dropped;
	loop.vms[0].want = 400 + 400 - dropped;
	loop.vms[1].want = 400 - dropped;
	return loop_check();
}

static int
test_storm_limit_is_one_over_queues(void)
{
	struct loop_conf conf = {.nb_lcores = 3, .nb_rxq = 3, .nb_vms = 1, .storm_pps = 1};
	struct loop_packet packet = {.dst = BROADCAST, .src = stranger};
	uint64_t dropped;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	for (packet.seq = 0; packet.seq < 400; packet.seq++)
		TEST_ASSERT_SUCCESS(
			loop_inject(packet.seq % 3, &packet), "broadcast %u", packet.seq);
	TEST_ASSERT(LOOP_UNTIL(loop_uplink_stats().rx_drops.by_reason[AIRLOCK_DROP_STORM] +
				    loop.vms[0].sink.total ==
			    400),
		"dropped or arrived");
	dropped = loop_uplink_stats().rx_drops.by_reason[AIRLOCK_DROP_STORM];
	TEST_ASSERT_SUCCESS(check_storm(400 - dropped, dropped, 400), "broadcast");
	loop.rx_drops[AIRLOCK_DROP_STORM] = dropped;
	loop.vms[0].want = 400 - dropped;
	return loop_check();
}

static int
test_storm_from_vm_is_limited(void)
{
	struct loop_conf conf = {.nb_vms = 3, .vms = {{.limits.storm_pps = 1}, {0}, {0}}};
	struct loop_packet packet = {.dst = BROADCAST};
	uint64_t dropped;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	/* Fewer than a ring holds. */
	for (packet.seq = 0; packet.seq < 240; packet.seq++) {
		unsigned int idx = packet.seq % 2;

		packet.src = loop.vms[idx].mac;
		TEST_ASSERT_SUCCESS(loop_send(idx, 0, &packet), "packet %u", packet.seq);
	}
	TEST_ASSERT_SUCCESS(loop_wait(), "taken");
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(0).tx_drops.by_reason[AIRLOCK_DROP_STORM] +
				    loop.wire.total ==
			    240),
		"dropped or arrived");
	dropped = loop_vm_stats(0).tx_drops.by_reason[AIRLOCK_DROP_STORM];
	TEST_ASSERT_SUCCESS(check_storm(120 - dropped, dropped, 120), "the limited VM");
	loop.vms[0].tx_drops[AIRLOCK_DROP_STORM] = dropped;
	loop.vms[0].want = 120;
	loop.vms[1].want = 120 - dropped;
	loop.vms[2].want = loop.wire_want = 240 - dropped;
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite flood_suite = {
	.suite_name = "loop_flood",
	.unit_test_cases =
		{
			CASE(test_broadcast_from_wire_reaches_all_vms),
			CASE(test_broadcast_from_wire_reaches_vms_of_all_lcores),
			CASE(test_multicast_from_vm_reaches_wire_and_other_vms),
			CASE(test_multicast_from_vm_reaches_other_lcores_too),
			CASE(test_vm_that_is_down_counts_its_copy),
			CASE(test_unfinished_checksum_is_finished_for_all),
			CASE(test_storm_from_wire_is_limited),
			CASE(test_storm_limit_is_one_over_queues),
			CASE(test_storm_from_vm_is_limited),
			TEST_CASES_END(),
		},
};

static int
test_loop_flood(void)
{
	return unit_test_suite_runner(&flood_suite);
}

REGISTER_FAST_TEST(loop_flood_autotest, true, true, test_loop_flood)
