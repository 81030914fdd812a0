/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Port mirrors: VM 3 gets copies of what VM 0 gets, sends, or both; the packets themselves go where
 * they would have gone, also when VM 3 takes nothing.
 */

#include "loop.h"

#define NB_PACKETS 50
#define MONITOR	   3

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

static int
mirror(unsigned int idx, int to, enum airlock_mirror_direction direction)
{
	return airlock_pipeline_mirror_vm(
		loop.pipeline, loop.vms[idx].vm_id, to < 0 ? -1 : loop.vms[to].vm_id, direction);
}

/* The n packets from *first* in a sink are those from *packet* on. */
static int
check_packets(const struct loop_sink *sink, uint32_t first, struct loop_packet packet, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, packet.seq++)
		TEST_ASSERT(loop_packet_is(sink->mbufs[first + i], &packet), "packet %u", i);
	return TEST_SUCCESS;
}

/* NB_PACKETS for VM 0, and then as many from it. */
static int
exchange(uint16_t nb_lcores, enum airlock_mirror_direction direction, bool to_vm)
{
	struct loop_conf conf = {.nb_lcores = nb_lcores, .nb_vms = 4};
	struct loop_packet in = {.src = stranger, .len = 1514}, out = {.dst = stranger, .len = 60};
	bool rx = direction != AIRLOCK_MIRROR_TX, tx = direction != AIRLOCK_MIRROR_RX;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(mirror(0, MONITOR, direction), "mirror");
	in.dst = loop.vms[0].mac;
	out.src = loop.vms[0].mac;
	if (to_vm)
		out.dst = loop.vms[1].mac;
	for (in.seq = 0; in.seq < NB_PACKETS; in.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &in), "packet %u", in.seq);
	loop.vms[0].want = NB_PACKETS;
	loop.vms[MONITOR].want = rx ? NB_PACKETS : 0;
	TEST_ASSERT_SUCCESS(loop_wait(), "packets for the VM");
	for (out.seq = 0; out.seq < NB_PACKETS; out.seq++)
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &out), "packet %u", out.seq);
	*(to_vm ? &loop.vms[1].want : &loop.wire_want) = NB_PACKETS;
	loop.vms[MONITOR].want += tx ? NB_PACKETS : 0;
	TEST_ASSERT_SUCCESS(loop_wait(), "packets from the VM");
	in.seq = out.seq = 0;
	TEST_ASSERT_SUCCESS(check_packets(&loop.vms[0].sink, 0, in, NB_PACKETS), "the VM's");
	if (rx)
		TEST_ASSERT_SUCCESS(
			check_packets(&loop.vms[MONITOR].sink, 0, in, NB_PACKETS), "copies");
	if (tx)
		TEST_ASSERT_SUCCESS(check_packets(&loop.vms[MONITOR].sink, rx ? NB_PACKETS : 0, out,
					    NB_PACKETS),
			"copies of what it sent");
	return loop_check();
}

static int
test_packets_for_vm_are_mirrored(void)
{
	return exchange(1, AIRLOCK_MIRROR_RX, false);
}

static int
test_packets_from_vm_are_mirrored(void)
{
	return exchange(1, AIRLOCK_MIRROR_TX, true);
}

static int
test_both_directions_are_mirrored(void)
{
	return exchange(1, AIRLOCK_MIRROR_BOTH, false);
}

static int
test_copies_find_the_lcore_of_their_vm(void)
{
	return exchange(3, AIRLOCK_MIRROR_BOTH, true);
}

static int
test_floods_are_mirrored(void)
{
	struct loop_conf conf = {.nb_lcores = 2, .nb_vms = 4, .vms = {[MONITOR].vlan_id = 7}};
	struct loop_packet packet = {.src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(mirror(0, MONITOR, AIRLOCK_MIRROR_BOTH), "mirror");
	memset(&packet.dst, 0xff, sizeof(packet.dst));
	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	packet.src = loop.vms[0].mac;
	for (; packet.seq < 2 * NB_PACKETS; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "packet %u", packet.seq);
	loop.vms[0].want = NB_PACKETS;
	loop.vms[1].want = loop.vms[2].want = loop.vms[MONITOR].want = 2 * NB_PACKETS;
	loop.wire_want = NB_PACKETS;
	return loop_check();
}

/* What the VM may not get, or may not send, is no news for anybody else. */
static int
test_dropped_packets_are_not_mirrored(void)
{
	struct loop_conf conf = {.nb_vms = 4, .vms = {{.limits.rx_bps = 8000}}};
	struct loop_packet packet = {.src = stranger, .len = 1000};
	uint64_t dropped;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(mirror(0, MONITOR, AIRLOCK_MIRROR_BOTH), "mirror");
	packet.dst = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < 200; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(0).rx_drops.by_reason[AIRLOCK_DROP_RATE] +
				    loop.vms[0].sink.total ==
			    200),
		"dropped or arrived");
	dropped = loop_vm_stats(0).rx_drops.by_reason[AIRLOCK_DROP_RATE];
	TEST_ASSERT(dropped > 0, "the limit holds");
	loop.vms[0].rx_drops[AIRLOCK_DROP_RATE] = dropped;
	loop.vms[0].want = loop.vms[MONITOR].want = 200 - dropped;
	packet.dst = stranger;
	for (packet.seq = 0; packet.seq < 10; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "from a false address");
	loop.vms[0].tx_drops[AIRLOCK_DROP_SPOOFED] = 10;
	return loop_check();
}

static int
test_deaf_monitor_loses_copies_alone(void)
{
	struct loop_conf conf = {.nb_vms = 4};
	struct loop_packet packet = {.src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(mirror(0, MONITOR, AIRLOCK_MIRROR_RX), "mirror");
	loop.vms[MONITOR].deaf = true;
	packet.dst = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < 3 * LOOP_RING_SIZE; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	loop.vms[0].want = 3 * LOOP_RING_SIZE;
	loop.vms[MONITOR].want = LOOP_RING_SIZE;
	loop.vms[MONITOR].rx_drops[AIRLOCK_DROP_RING_FULL] = 2 * LOOP_RING_SIZE;
	return loop_check();
}

static int
test_mirrors_change_while_packets_flow(void)
{
	struct loop_conf conf = {.nb_lcores = 2, .nb_vms = 4};
	struct loop_packet packet = {.src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	packet.dst = loop.vms[0].mac;
	for (unsigned int i = 0; i < 3; i++) {
		if (i == 1)
			TEST_ASSERT_SUCCESS(mirror(0, MONITOR, AIRLOCK_MIRROR_RX), "mirror");
		if (i == 2)
			TEST_ASSERT_SUCCESS(mirror(0, -1, AIRLOCK_MIRROR_BOTH), "no mirror");
		for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++)
			TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
		loop.vms[0].want += NB_PACKETS;
		loop.vms[MONITOR].want = i == 0 ? 0 : NB_PACKETS;
		TEST_ASSERT_SUCCESS(loop_wait(), "round %u", i);
	}
	return loop_check();
}

static int
test_deleted_monitor_gets_nothing(void)
{
	struct loop_conf conf = {.nb_vms = 4};
	struct loop_packet packet = {.src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(mirror(0, MONITOR, AIRLOCK_MIRROR_BOTH), "mirror");
	TEST_ASSERT_SUCCESS(loop_unplug(MONITOR), "unplug");
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_del_vm(loop.pipeline, loop.vms[MONITOR].vm_id), "delete");
	/* Another one in its place, with its number. */
	TEST_ASSERT_SUCCESS(loop_add_vm(MONITOR), "add");
	TEST_ASSERT_SUCCESS(loop_plug(MONITOR), "plug");
	packet.dst = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < NB_PACKETS; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	loop.vms[0].want = NB_PACKETS;
	return loop_check();
}

static int
test_mirror_of_a_mirror_is_refused(void)
{
	struct loop_conf conf = {.nb_vms = 4};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(mirror(0, MONITOR, AIRLOCK_MIRROR_BOTH), "mirror");
	TEST_ASSERT_SUCCESS(mirror(1, MONITOR, AIRLOCK_MIRROR_RX), "two to one");
	TEST_ASSERT_EQUAL(mirror(2, 2, AIRLOCK_MIRROR_RX), -EINVAL, "to itself");
	TEST_ASSERT_EQUAL(mirror(2, 0, AIRLOCK_MIRROR_RX), -ELOOP, "to one that is mirrored");
	TEST_ASSERT_EQUAL(mirror(MONITOR, 2, AIRLOCK_MIRROR_RX), -ELOOP, "from a monitor");
	TEST_ASSERT_EQUAL(airlock_pipeline_mirror_vm(loop.pipeline, 99, -1, AIRLOCK_MIRROR_RX),
		-ENOENT, "nobody");
	TEST_ASSERT_EQUAL(
		airlock_pipeline_mirror_vm(loop.pipeline, loop.vms[0].vm_id, 99, AIRLOCK_MIRROR_RX),
		-ENOENT, "to nobody");
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite mirror_suite = {
	.suite_name = "loop_mirror",
	.unit_test_cases =
		{
			CASE(test_packets_for_vm_are_mirrored),
			CASE(test_packets_from_vm_are_mirrored),
			CASE(test_both_directions_are_mirrored),
			CASE(test_copies_find_the_lcore_of_their_vm),
			CASE(test_floods_are_mirrored),
			CASE(test_dropped_packets_are_not_mirrored),
			CASE(test_deaf_monitor_loses_copies_alone),
			CASE(test_mirrors_change_while_packets_flow),
			CASE(test_deleted_monitor_gets_nothing),
			CASE(test_mirror_of_a_mirror_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_loop_mirror(void)
{
	return unit_test_suite_runner(&mirror_suite);
}

REGISTER_FAST_TEST(loop_mirror_autotest, true, true, test_loop_mirror)
