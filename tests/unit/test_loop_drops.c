/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Drops: each cause is counted under its own name, at its own place, and nothing else is lost.
 */

#include "loop.h"

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

static int
inject_to_vm(unsigned int idx, unsigned int n)
{
	struct loop_packet packet = {.dst = loop.vms[idx].mac, .src = stranger};

	for (packet.seq = 0; packet.seq < n; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	return TEST_SUCCESS;
}

static int
test_unknown_address_from_the_wire(void)
{
	struct loop_packet packet = {.dst = stranger, .src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1}), "open");
	for (packet.seq = 0; packet.seq < 10; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	packet.dst = loop.vms[0].mac;
	packet.tagged = true;
	packet.vlan_id = 7;
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "the right address in the wrong VLAN");
	TEST_ASSERT_SUCCESS(inject_to_vm(0, 10), "known ones among them");
	loop.vms[0].want = 10;
	loop.rx_drops[AIRLOCK_DROP_UNKNOWN_MAC] = 11;
	return loop_check();
}

static int
test_runts_from_both_sides(void)
{
	uint8_t bytes[64];
	struct loop_packet packet;
	uint8_t whole[LOOP_UDP_HEADERS + 64];

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1}), "open");
	packet = (struct loop_packet){
		.dst = loop.vms[0].mac,
		.src = stranger,
		.tagged = true,
		.vlan_id = 0,
	};
	loop_packet_write(&packet, whole);
	TEST_ASSERT_SUCCESS(loop_inject_raw(0, whole, 1), "one byte");
	TEST_ASSERT_SUCCESS(loop_inject_raw(0, whole, 13), "less than a header");
	TEST_ASSERT_SUCCESS(loop_inject_raw(0, whole, 17), "less than a tagged header");
	TEST_ASSERT_SUCCESS(loop_inject_raw(0, whole, 18), "a bare tagged header");
	loop.rx_drops[AIRLOCK_DROP_RUNT] = 3;
	loop.vms[0].want = 1;

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, &stranger, sizeof(stranger));
	memcpy(bytes + 6, &loop.vms[0].mac, 6);
	TEST_ASSERT_SUCCESS(loop_send_raw(0, bytes, 13), "less than a header");
	TEST_ASSERT_SUCCESS(loop_send_raw(0, bytes, 14), "a bare header");
	loop.vms[0].tx_drops[AIRLOCK_DROP_RUNT] = 1;
	loop.wire_want = 1;
	return loop_check();
}

static int
test_longer_than_the_mtu(void)
{
	struct loop_packet packet = {.src = stranger};
	const uint32_t longest = RTE_ETHER_MTU + RTE_ETHER_HDR_LEN;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1}), "open");
	packet.dst = loop.vms[0].mac;
	packet.len = longest;
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "just right");
	packet.tagged = true;
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "a tag does not count");
	packet.tagged = false;
	packet.len = longest + 1;
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "a byte too much");
	loop.vms[0].want = 2;
	loop.rx_drops[AIRLOCK_DROP_TOO_LONG] = 1;

	packet.src = loop.vms[0].mac;
	packet.dst = stranger;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "a byte too much");
	packet.len = longest;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "just right");
	loop.wire_want = 1;
	loop.tx_drops[AIRLOCK_DROP_TOO_LONG] = 1;
	return loop_check();
}

static uint64_t
rx_drops_total(unsigned int idx)
{
	const struct airlock_pipeline_vm_stats stats = loop_vm_stats(idx);

	return airlock_drops_total(&stats.rx_drops);
}

static int
test_longer_than_any_buffer_of_the_vm(void)
{
	struct loop_packet packet = {.src = stranger};
	struct loop_conf conf = {
		.mtu = 9000,
		.nb_vms = 1,
		.vms = {{.no_mergeable = true, .mtu = 1500}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.dst = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < 20; packet.seq++) {
		packet.len = packet.seq % 2 == 0 ? 5000 : 60;
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	}
	loop.vms[0].want = 10;
	TEST_ASSERT(LOOP_UNTIL(rx_drops_total(0) == 10), "the long ones are dropped");
	loop.vms[0].rx_drops[AIRLOCK_DROP_TOO_LONG] = 10;
	return loop_check();
}

static int
test_wire_that_takes_no_more(void)
{
	struct loop_packet packet = {.dst = stranger};

	TEST_ASSERT_SUCCESS(
		loop_open(&(struct loop_conf){.nb_vms = 1, .tx_ring_size = 64}), "open");
	loop.wire_is_stuck = true;
	packet.src = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < 200; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "packet %u", packet.seq);
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(0).taken.packets == 200), "all are taken");
	/* A ring of 64 holds 63. */
	TEST_ASSERT(LOOP_UNTIL(loop_uplink_stats().tx_drops.by_reason[AIRLOCK_DROP_UPLINK_FULL] ==
			    200 - 63),
		"the rest is dropped");
	loop.wire_is_stuck = false;
	loop.wire_want = 63;
	loop.tx_drops[AIRLOCK_DROP_UPLINK_FULL] = 200 - 63;
	return loop_check();
}

static int
test_wire_without_a_link(void)
{
	struct loop_packet packet = {.dst = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1}), "open");
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "link up");
	loop.wire_want = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(rte_eth_dev_set_link_down(loop.port_id), "link down");
	airlock_pipeline_poll(loop.pipeline);
	TEST_ASSERT_EQUAL(loop_uplink_stats().state, AIRLOCK_UPLINK_DOWN, "noticed");
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "link down");
	loop.tx_drops[AIRLOCK_DROP_UPLINK_DOWN] = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "taken");
	TEST_ASSERT(
		LOOP_UNTIL(loop_uplink_stats().tx_drops.by_reason[AIRLOCK_DROP_UPLINK_DOWN] == 1),
		"dropped");
	TEST_ASSERT_SUCCESS(rte_eth_dev_set_link_up(loop.port_id), "link up");
	airlock_pipeline_poll(loop.pipeline);
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "link up again");
	loop.wire_want = 2;
	return loop_check();
}

static int
test_vm_that_is_not_there(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{0}, {.absent = true}}};
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(inject_to_vm(1, 100), "before it came");
	loop.vms[1].rx_drops[AIRLOCK_DROP_VM_DOWN] = 100;
	TEST_ASSERT_SUCCESS(loop_wait(), "taken");
	packet = (struct loop_packet){.dst = loop.vms[1].mac, .src = loop.vms[0].mac};
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "not to the wire either");
	loop.vms[1].rx_drops[AIRLOCK_DROP_VM_DOWN]++;
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(1).rx_drops.by_reason[AIRLOCK_DROP_VM_DOWN] == 101),
		"dropped");
	TEST_ASSERT_SUCCESS(loop_plug(1), "plug");
	TEST_ASSERT_SUCCESS(inject_to_vm(1, 100), "while it is there");
	loop.vms[1].want = 100;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(loop_unplug(1), "unplug");
	TEST_ASSERT_SUCCESS(loop_wait_up(1, false), "down");
	TEST_ASSERT_SUCCESS(inject_to_vm(1, 100), "after it went");
	loop.vms[1].rx_drops[AIRLOCK_DROP_VM_DOWN] += 100;
	return loop_check();
}

static int
test_guest_that_does_not_receive(void)
{
	const unsigned int nb = LOOP_RING_SIZE + 200;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2}), "open");
	loop.vms[0].deaf = true;
	for (unsigned int i = 0; i < nb; i += 8) {
		TEST_ASSERT_SUCCESS(inject_to_vm(0, 8), "to the one that does not listen");
		TEST_ASSERT_SUCCESS(inject_to_vm(1, 8), "to the other");
		loop.vms[1].want += 8;
		TEST_ASSERT_SUCCESS(loop_wait(), "the other does not suffer");
	}
	loop.vms[0].want = LOOP_RING_SIZE;
	loop.vms[0].rx_drops[AIRLOCK_DROP_RING_FULL] = nb - LOOP_RING_SIZE;
	return loop_check();
}

static int
test_group_address_that_nobody_listens_to(void)
{
	struct loop_packet packet = {
		.dst = {{0x01, 0, 0x5e, 1, 2, 3}},
		.src = stranger,
		.tagged = true,
		.vlan_id = 99,
	};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1}), "open");
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "a VLAN without VMs");
	loop.rx_drops[AIRLOCK_DROP_NO_LISTENER] = 1;
	packet = (struct loop_packet){.dst = loop.vms[0].mac, .src = loop.vms[0].mac};
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "a VM to itself");
	loop.vms[0].tx_drops[AIRLOCK_DROP_NO_LISTENER] = 1;
	return loop_check();
}

static int
test_packets_of_a_vm_without_wire_or_peer(void)
{
	struct loop_packet packet = {.dst = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1, .no_uplink = true}), "open");
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "broadcast");
	packet.dst = stranger;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "unicast");
	loop.vms[0].tx_drops[AIRLOCK_DROP_NO_LISTENER] = 1;
	loop.vms[0].tx_drops[AIRLOCK_DROP_UNKNOWN_MAC] = 1;
	return loop_check();
}

static int
test_spoofed_source(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{0}, {.spoofs = true}}};
	struct loop_packet packet = {.dst = stranger, .src = {{0x02, 6, 6, 6, 6, 6}}};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "a stranger's address");
	packet.src = loop.vms[1].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "a neighbour's address");
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "its own address");
	loop.vms[0].tx_drops[AIRLOCK_DROP_SPOOFED] = 2;
	TEST_ASSERT_SUCCESS(loop_send(1, 0, &packet), "one that is allowed to");
	loop.wire_want = 2;
	return loop_check();
}

static int
test_tag_that_the_guest_chose(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{.vlan_id = 10}, {.vlan_id = 20}}};
	struct loop_packet packet = {.dst = stranger, .tagged = true, .vlan_id = 20};
	uint8_t bytes[128];

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "another VLAN");
	packet.vlan_id = 10;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "its own VLAN");
	loop_packet_write(&packet, bytes);
	bytes[12] = 0x88;
	bytes[13] = 0xa8;
	TEST_ASSERT_SUCCESS(loop_send_raw(0, bytes, 64), "a service tag");
	loop.vms[0].tx_drops[AIRLOCK_DROP_VLAN] = 3;
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite drops_suite = {
	.suite_name = "loop_drops",
	.unit_test_cases =
		{
			CASE(test_unknown_address_from_the_wire),
			CASE(test_runts_from_both_sides),
			CASE(test_longer_than_the_mtu),
			CASE(test_longer_than_any_buffer_of_the_vm),
			CASE(test_wire_that_takes_no_more),
			CASE(test_wire_without_a_link),
			CASE(test_vm_that_is_not_there),
			CASE(test_guest_that_does_not_receive),
			CASE(test_group_address_that_nobody_listens_to),
			CASE(test_packets_of_a_vm_without_wire_or_peer),
			CASE(test_spoofed_source),
			CASE(test_tag_that_the_guest_chose),
			TEST_CASES_END(),
		},
};

static int
test_loop_drops(void)
{
	return unit_test_suite_runner(&drops_suite);
}

REGISTER_FAST_TEST(loop_drops_autotest, true, true, test_loop_drops)
