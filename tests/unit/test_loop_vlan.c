/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * VLANs: tagged on the wire, untagged in the VM, and no way from one to the other.
 */

#include "loop.h"

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

static int
inject_tagged(const struct rte_ether_addr *dst, uint16_t tci, uint32_t seq)
{
	struct loop_packet packet = {
		.dst = *dst,
		.src = stranger,
		.tagged = true,
		.vlan_id = tci,
		.seq = seq,
	};

	return loop_inject(0, &packet);
}

static int
test_same_address_in_two_vlans_is_two_vms(void)
{
	struct loop_conf conf = {
		.nb_vms = 3,
		.vms = {{.vlan_id = 10}, {.vlan_id = 20, .same_mac = true}, {0}},
	};
	struct loop_packet packet = {.src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.dst = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < 60; packet.seq++) {
		TEST_ASSERT_SUCCESS(
			inject_tagged(&packet.dst, packet.seq % 2 == 0 ? 10 : 20, packet.seq),
			"packet %u", packet.seq);
		loop.vms[packet.seq % 2].want++;
	}
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (packet.seq = 0; packet.seq < 60; packet.seq++) {
		struct rte_mbuf *m = loop.vms[packet.seq % 2].sink.mbufs[packet.seq / 2];

		TEST_ASSERT(loop_packet_is(m, &packet), "packet %u, without its tag", packet.seq);
	}
	return loop_check();
}

static int
test_tag_is_put_in_on_the_way_out(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{.vlan_id = 4094}, {0}}};
	struct loop_packet packet = {.dst = stranger, .len = 1514};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "of the VLAN");
	loop.wire_want = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	packet.tagged = true;
	packet.vlan_id = 4094;
	TEST_ASSERT(loop_packet_is(loop.wire.mbufs[0], &packet), "tagged");
	packet.tagged = false;
	packet.src = loop.vms[1].mac;
	TEST_ASSERT_SUCCESS(loop_send(1, 0, &packet), "of none");
	loop.wire_want = 2;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT(loop_packet_is(loop.wire.mbufs[1], &packet), "untagged");
	return loop_check();
}

static int
test_priority_tag_is_no_vlan(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{0}, {.vlan_id = 5}}};
	struct loop_packet packet = {.src = stranger, .seq = 1};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.dst = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(inject_tagged(&packet.dst, 0, 1), "priority 0");
	TEST_ASSERT_SUCCESS(inject_tagged(&packet.dst, 7 << 13, 1), "priority 7");
	loop.vms[0].want = 2;
	TEST_ASSERT_SUCCESS(inject_tagged(&loop.vms[1].mac, 7 << 13 | 5, 1), "in a VLAN");
	loop.vms[1].want = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (unsigned int i = 0; i < 2; i++)
		TEST_ASSERT(loop_packet_is(loop.vms[0].sink.mbufs[i], &packet), "packet %u", i);
	return loop_check();
}

static int
test_vms_of_two_vlans_do_not_meet(void)
{
	struct loop_conf conf = {.nb_vms = 3, .vms = {{.vlan_id = 10}, {.vlan_id = 20}, {0}}};
	struct loop_packet packet = {0};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	for (unsigned int i = 0; i < 9; i++) {
		packet.src = loop.vms[i / 3].mac;
		packet.dst = loop.vms[i % 3].mac;
		if (i / 3 == i % 3)
			continue;
		TEST_ASSERT_SUCCESS(loop_send(i / 3, 0, &packet), "%u to %u", i / 3, i % 3);
		loop.wire_want++;
	}
	return loop_check();
}

static int
test_broadcast_stays_in_its_vlan(void)
{
	struct loop_conf conf = {
		.nb_vms = 4,
		.vms = {{.vlan_id = 10}, {.vlan_id = 10}, {.vlan_id = 20}, {0}},
	};
	struct loop_packet packet = {.dst = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(inject_tagged(&packet.dst, 10, 0), "from the wire");
	loop.vms[0].want = loop.vms[1].want = 1;
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "from a VM");
	loop.vms[1].want = 2;
	loop.wire_want = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	packet.tagged = true;
	packet.vlan_id = 10;
	TEST_ASSERT(loop_packet_is(loop.wire.mbufs[0], &packet), "tagged on the wire");
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite vlan_suite = {
	.suite_name = "loop_vlan",
	.unit_test_cases =
		{
			CASE(test_same_address_in_two_vlans_is_two_vms),
			CASE(test_tag_is_put_in_on_the_way_out),
			CASE(test_priority_tag_is_no_vlan),
			CASE(test_vms_of_two_vlans_do_not_meet),
			CASE(test_broadcast_stays_in_its_vlan),
			TEST_CASES_END(),
		},
};

static int
test_loop_vlan(void)
{
	return unit_test_suite_runner(&vlan_suite);
}

REGISTER_FAST_TEST(loop_vlan_autotest, true, true, test_loop_vlan)
