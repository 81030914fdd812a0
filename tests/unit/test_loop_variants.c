/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What a guest may negotiate: ring layouts, who listens and who connects, large packets. Each
 * variant carries the same traffic in all directions.
 */

#include "loop.h"

#define NB_PACKETS 600

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

static uint32_t
length_of(uint32_t seq)
{
	return 60 + seq * 337 % (loop.conf.mtu + RTE_ETHER_HDR_LEN - 60 + 1);
}

static int
check_arrived(const struct loop_sink *sink, const struct loop_packet *first)
{
	struct loop_packet packet = *first;

	TEST_ASSERT_EQUAL(sink->n, NB_PACKETS, "packets");
	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++) {
		packet.len = length_of(packet.seq);
		TEST_ASSERT(loop_packet_is(sink->mbufs[packet.seq], &packet),
			"packet %u of %u bytes", packet.seq, packet.len);
	}
	return TEST_SUCCESS;
}

/* Wire to VM 0 to VM 1 to wire, once each; enough to go round the rings. */
static int
go_round(void)
{
	struct loop_packet in = {.dst = loop.vms[0].mac, .src = stranger};
	struct loop_packet over = {.dst = loop.vms[1].mac, .src = loop.vms[0].mac};
	struct loop_packet out = {.dst = stranger, .src = loop.vms[1].mac};

	for (uint32_t seq = 0; seq < NB_PACKETS; seq++) {
		in.seq = over.seq = out.seq = seq;
		in.len = over.len = out.len = length_of(seq);
		TEST_ASSERT_SUCCESS(loop_inject(0, &in), "packet %u", seq);
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &over), "packet %u", seq);
		TEST_ASSERT_SUCCESS(loop_send(1, 0, &out), "packet %u", seq);
		loop.vms[0].want++;
		loop.vms[1].want++;
		loop.wire_want++;
		if (seq % 16 == 15)
			TEST_ASSERT_SUCCESS(loop_wait(), "window");
	}
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(check_arrived(&loop.vms[0].sink, &in), "wire to VM");
	TEST_ASSERT_SUCCESS(check_arrived(&loop.vms[1].sink, &over), "VM to VM");
	TEST_ASSERT_SUCCESS(check_arrived(&loop.wire, &out), "VM to wire");
	return loop_check();
}

static int
both(struct loop_vm_conf vm, uint16_t mtu)
{
	TEST_ASSERT_SUCCESS(
		loop_open(&(struct loop_conf){.mtu = mtu, .nb_vms = 2, .vms = {vm, vm}}), "open");
	return go_round();
}

static bool
negotiated(unsigned int bit)
{
	return (loop_vm_stats(0).features & RTE_BIT64(bit)) != 0;
}

static int
test_split_ring_without_mergeable_buffers(void)
{
	struct loop_vm_conf vm = {.no_mergeable = true};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2, .vms = {vm, vm}}), "open");
	TEST_ASSERT(!negotiated(15), "VIRTIO_NET_F_MRG_RXBUF");
	return go_round();
}

static int
test_split_ring_in_order(void)
{
	return both((struct loop_vm_conf){.in_order = true}, 0);
}

static int
test_split_ring_in_order_without_mergeable_buffers(void)
{
	return both((struct loop_vm_conf){.in_order = true, .no_mergeable = true}, 0);
}

static int
test_packed_ring(void)
{
	struct loop_vm_conf vm = {.packed = true};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2, .vms = {vm, vm}}), "open");
	TEST_ASSERT(negotiated(34), "VIRTIO_F_RING_PACKED");
	return go_round();
}

static int
test_packed_ring_in_order(void)
{
	return both((struct loop_vm_conf){.packed = true, .in_order = true}, 0);
}

static int
test_packed_ring_without_mergeable_buffers(void)
{
	return both((struct loop_vm_conf){.packed = true, .no_mergeable = true}, 0);
}

static int
test_airlock_connects_to_guests_that_listen(void)
{
	return both((struct loop_vm_conf){.client = true}, 0);
}

static int
test_airlock_connects_again(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{0}, {.client = true, .packed = true}}};
	struct loop_packet packet = {.src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.dst = loop.vms[1].mac;
	for (unsigned int i = 0; i < 3; i++) {
		if (i > 0)
			TEST_ASSERT_SUCCESS(loop_plug(1), "time %u", i);
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "time %u", i);
		loop.vms[1].want++;
		TEST_ASSERT_SUCCESS(loop_wait(), "time %u", i);
		TEST_ASSERT_EQUAL(loop_vm_stats(1).nb_connects, i + 1, "counted");
		loop_forget(&loop.vms[1].sink);
		TEST_ASSERT_SUCCESS(loop_unplug(1), "time %u", i);
		TEST_ASSERT_SUCCESS(loop_wait_up(1, false), "time %u", i);
	}
	return loop_check();
}

static int
test_jumbo_packets_over_split_rings(void)
{
	return both((struct loop_vm_conf){0}, 9000);
}

static int
test_jumbo_packets_over_packed_rings(void)
{
	return both((struct loop_vm_conf){.packed = true, .in_order = true}, 9000);
}

/* VM 0 by airlock's own engine, VM 1 by rte_vhost. */
static int
with_window(struct loop_vm_conf vm, uint16_t mtu)
{
	struct loop_conf conf = {.mtu = mtu, .nb_vms = 2, .vms = {vm, vm}};

	conf.vms[0].deliver = AIRLOCK_DELIVER_AUTO;
	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT(!negotiated(35), "VIRTIO_F_IN_ORDER");
	return go_round();
}

static int
test_own_engine_of_split_rings(void)
{
	TEST_ASSERT_SUCCESS(with_window((struct loop_vm_conf){0}, 0), "mergeable");
	loop_close();
	return with_window((struct loop_vm_conf){.no_mergeable = true}, 0);
}

static int
test_own_engine_of_packed_rings(void)
{
	struct loop_vm_conf vm = {.packed = true};

	TEST_ASSERT_SUCCESS(with_window(vm, 0), "mergeable");
	loop_close();
	vm.no_mergeable = true;
	return with_window(vm, 0);
}

static int
test_own_engine_refuses_in_order(void)
{
	TEST_ASSERT_SUCCESS(with_window((struct loop_vm_conf){.in_order = true}, 0), "split");
	loop_close();
	return with_window((struct loop_vm_conf){.in_order = true, .packed = true}, 0);
}

static int
test_own_engine_and_jumbo_packets(void)
{
	TEST_ASSERT_SUCCESS(with_window((struct loop_vm_conf){0}, 9000), "split");
	loop_close();
	return with_window((struct loop_vm_conf){.packed = true}, 9000);
}

/* The guest stops and starts its device: rings are given up and served again. */
static int
test_own_engine_across_a_guests_restart(void)
{
	struct loop_packet packet = {.src = stranger};

	for (int packed = 0; packed < 2; packed++) {
		struct loop_vm_conf vm = {.deliver = AIRLOCK_DELIVER_AUTO, .packed = packed};

		TEST_ASSERT_SUCCESS(
			loop_open(&(struct loop_conf){.nb_vms = 1, .vms = {vm}}), "open");
		packet.dst = loop.vms[0].mac;
		for (packet.seq = 0; packet.seq < 5; packet.seq++) {
			TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
			loop.vms[0].want++;
			TEST_ASSERT_SUCCESS(loop_wait(), "packet %u", packet.seq);
			loop_forget(&loop.vms[0].sink);
			TEST_ASSERT_SUCCESS(loop_unplug(0), "time %u", packet.seq);
			TEST_ASSERT_SUCCESS(loop_wait_up(0, false), "time %u", packet.seq);
			TEST_ASSERT_SUCCESS(loop_plug(0), "time %u", packet.seq);
		}
		TEST_ASSERT_SUCCESS(loop_check(), "packed %d", packed);
		loop_close();
	}
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite variants_suite = {
	.suite_name = "loop_variants",
	.unit_test_cases =
		{
			CASE(test_split_ring_without_mergeable_buffers),
			CASE(test_split_ring_in_order),
			CASE(test_split_ring_in_order_without_mergeable_buffers),
			CASE(test_packed_ring),
			CASE(test_packed_ring_in_order),
			CASE(test_packed_ring_without_mergeable_buffers),
			CASE(test_airlock_connects_to_guests_that_listen),
			CASE(test_airlock_connects_again),
			CASE(test_jumbo_packets_over_split_rings),
			CASE(test_jumbo_packets_over_packed_rings),
			CASE(test_own_engine_of_split_rings),
			CASE(test_own_engine_of_packed_rings),
			CASE(test_own_engine_refuses_in_order),
			CASE(test_own_engine_and_jumbo_packets),
			CASE(test_own_engine_across_a_guests_restart),
			TEST_CASES_END(),
		},
};

static int
test_loop_variants(void)
{
	return unit_test_suite_runner(&variants_suite);
}

REGISTER_FAST_TEST(loop_variants_autotest, true, true, test_loop_variants)
