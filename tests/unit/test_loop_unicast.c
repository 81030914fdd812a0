/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Unicast between the wire and VMs: every packet reaches its one receiver as it was sent.
 */

#include "loop.h"

#define NB_PACKETS 500

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

static struct loop_packet
packet_of(const struct rte_ether_addr *dst, const struct rte_ether_addr *src, uint32_t seq)
{
	return (struct loop_packet){
		.dst = *dst,
		.src = *src,
		.seq = seq,
		.len = 60 + seq * 37 % (RTE_ETHER_MTU + RTE_ETHER_HDR_LEN - 60 + 1),
	};
}

static int
test_wire_to_vms_by_address(void)
{
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 3}), "open");
	for (unsigned int seq = 0; seq < 3 * NB_PACKETS; seq++) {
		struct loop_vm *vm = &loop.vms[seq % 3];

		packet = packet_of(&vm->mac, &stranger, seq);
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", seq);
		vm->want++;
		if (seq % 64 == 63)
			TEST_ASSERT_SUCCESS(loop_wait(), "window");
	}
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (unsigned int seq = 0; seq < 3 * NB_PACKETS; seq++) {
		struct loop_vm *vm = &loop.vms[seq % 3];

		packet = packet_of(&vm->mac, &stranger, seq);
		TEST_ASSERT(loop_packet_is(vm->sink.mbufs[seq / 3], &packet), "packet %u", seq);
	}
	return loop_check();
}

static int
test_vm_to_wire_is_unchanged(void)
{
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2}), "open");
	for (unsigned int seq = 0; seq < NB_PACKETS; seq++) {
		packet = packet_of(&stranger, &loop.vms[1].mac, seq);
		TEST_ASSERT_SUCCESS(loop_send(1, 0, &packet), "packet %u", seq);
		loop.wire_want++;
	}
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (unsigned int seq = 0; seq < NB_PACKETS; seq++) {
		packet = packet_of(&stranger, &loop.vms[1].mac, seq);
		TEST_ASSERT(loop_packet_is(loop.wire.mbufs[seq], &packet), "packet %u", seq);
	}
	return loop_check();
}

static int
test_vm_to_vm_stays_off_the_wire(void)
{
	struct loop_packet packet;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 3}), "open");
	for (unsigned int seq = 0; seq < NB_PACKETS; seq++) {
		packet = packet_of(&loop.vms[seq % 2].mac, &loop.vms[1 - seq % 2].mac, seq);
		TEST_ASSERT_SUCCESS(loop_send(1 - seq % 2, 0, &packet), "packet %u", seq);
		loop.vms[seq % 2].want++;
		if (seq % 64 == 63)
			TEST_ASSERT_SUCCESS(loop_wait(), "window");
	}
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (unsigned int seq = 0; seq < NB_PACKETS; seq++) {
		packet = packet_of(&loop.vms[seq % 2].mac, &loop.vms[1 - seq % 2].mac, seq);
		TEST_ASSERT(loop_packet_is(loop.vms[seq % 2].sink.mbufs[seq / 2], &packet),
			"packet %u", seq);
	}
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite unicast_suite = {
	.suite_name = "loop_unicast",
	.unit_test_cases =
		{
			CASE(test_wire_to_vms_by_address),
			CASE(test_vm_to_wire_is_unchanged),
			CASE(test_vm_to_vm_stays_off_the_wire),
			TEST_CASES_END(),
		},
};

static int
test_loop_unicast(void)
{
	return unit_test_suite_runner(&unicast_suite);
}

REGISTER_FAST_TEST(loop_unicast_autotest, true, true, test_loop_unicast)
