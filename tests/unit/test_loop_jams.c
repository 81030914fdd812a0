/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Jams: an lcore that does not come round, a pool without a page, a port that refuses a packet.
 * What cannot go on is counted under its own name, and all else goes on.
 */

#include <rte_cycles.h>

#include "loop.h"
#include "pipeline_priv.h"

/* Packets that an lcore's inbox holds. */
#define INBOX_PACKETS 4095
#define SEGMENT_BYTES 1000
/* How long an lcore stands still at most. */
#define STANDS_S 60

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

/* The lcore that polls the queue stands still as long as *stands* is true. */
static _Atomic bool stands;
static _Atomic bool has_stopped;

/* In the end it gives in, so that a control thread that waits for it cannot hang the test. */
static uint16_t
stand_still(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n,
	uint16_t max_packets, void *arg)
{
	const uint64_t end_tsc = rte_rdtsc() + rte_get_tsc_hz() * STANDS_S;

	while (atomic_load_explicit(&stands, memory_order_acquire) && !loop_is_past(end_tsc))
		atomic_store_explicit(&has_stopped, true, memory_order_release);
	return n;
}

/*
 * When a VM comes, control waits for all lcores, with the pipeline locked. A packet that the VM's
 * statistics show says that this is over, as they are read under the same lock.
 */
static int
let_vms_settle(void)
{
	struct loop_packet packet = {.dst = stranger};

	for (unsigned int i = 0; i < loop.conf.nb_vms; i++) {
		packet.src = loop.vms[i].mac;
		TEST_ASSERT_SUCCESS(loop_send(i, 0, &packet), "from VM %u", i);
		loop.wire_want++;
	}
	return loop_wait();
}

static void
close_standing(void)
{
	atomic_store_explicit(&stands, false, memory_order_release);
	loop_close();
}

static int
test_lcore_that_stands_still_holds_up_nobody_else(void)
{
	static const struct airlock_pipeline_share shares[] = {
		{.lcore_idx = 0, .stage = AIRLOCK_STAGE_RX, .all_queues = false, .queue_id = 0},
		{.lcore_idx = 1, .stage = AIRLOCK_STAGE_RX, .all_queues = false, .queue_id = 1},
		{.lcore_idx = 0, .stage = AIRLOCK_STAGE_TX, .all = true},
		{.lcore_idx = 1,
			.stage = AIRLOCK_STAGE_HANDOFF,
			.vm = LOOP_VM "0",
			.all_queues = true},
		{.lcore_idx = 0,
			.stage = AIRLOCK_STAGE_HANDOFF,
			.vm = LOOP_VM "1",
			.all_queues = true},
	};
	struct loop_conf conf = {
		.nb_lcores = 2,
		.nb_rxq = 2,
		.shares = shares,
		.nb_shares = RTE_DIM(shares),
		.nb_vms = 2,
		.vms = {{.ring_size = 4096}, {0}},
	};
	struct loop_packet packet = {.src = stranger};
	const unsigned int nb = INBOX_PACKETS + 100;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(let_vms_settle(), "settle");
	atomic_store_explicit(&has_stopped, false, memory_order_relaxed);
	atomic_store_explicit(&stands, true, memory_order_release);
	TEST_ASSERT_NOT_NULL(
		rte_eth_add_rx_callback(loop.port_id, 1, stand_still, NULL), "callback");
	TEST_ASSERT(LOOP_UNTIL(atomic_load_explicit(&has_stopped, memory_order_acquire)),
		"the lcore stands");
	packet.dst = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < nb; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	TEST_ASSERT(LOOP_UNTIL(loop_uplink_stats().received.packets == nb), "all are taken");
	packet.dst = loop.vms[1].mac;
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "for a VM of the other lcore");
	loop.vms[1].want = 1;
	loop.vms[0].rx_drops[AIRLOCK_DROP_LCORE_FULL] = nb - INBOX_PACKETS;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	atomic_store_explicit(&stands, false, memory_order_release);
	loop.vms[0].want = INBOX_PACKETS;
	return loop_check();
}

static struct rte_mbuf *held[16384];
static unsigned int nb_held;

static void
give_frames_back(void)
{
	for (unsigned int i = 0; i < nb_held; i++)
		rte_pktmbuf_free(held[i]);
	nb_held = 0;
}

/*
 * Leave the pool with *nb* frames, all of them within reach of the one lcore: this thread takes
 * what it can, and what is left then in the lcore's own cache goes onto the wire, which is stuck.
 */
static int
leave_frames(unsigned int nb)
{
	struct rte_mempool *frames = airlock_pool_mempool(loop.pool, 0);
	struct loop_packet packet = {.dst = stranger, .src = loop.vms[0].mac};

	loop.wire_is_stuck = true;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "a packet, so that the lcore has a cache");
	TEST_ASSERT_SUCCESS(loop_wait(), "taken");
	while (nb_held < RTE_DIM(held) && (held[nb_held] = rte_pktmbuf_alloc(frames)) != NULL)
		nb_held++;
	loop.wire_want = 1;
	TEST_ASSERT(rte_mempool_avail_count(frames) >= nb, "%u frames left",
		rte_mempool_avail_count(frames));
	while (rte_mempool_avail_count(frames) > nb) {
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "packet %" PRIu64, loop.wire_want);
		loop.wire_want++;
		TEST_ASSERT(LOOP_UNTIL(loop_uplink_stats().sent.packets == loop.wire_want),
			"packet %" PRIu64, loop.wire_want);
	}
	TEST_ASSERT_EQUAL(rte_mempool_avail_count(frames), nb, "frames left");
	return TEST_SUCCESS;
}

static int
test_flood_without_a_page_for_the_copy(void)
{
	struct loop_packet packet = {.dst = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2}), "open");
	TEST_ASSERT_SUCCESS(leave_frames(1), "a frame for the packet itself");
	packet.src = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "broadcast");
	loop.tx_drops[AIRLOCK_DROP_NO_PAGE] = 1;
	loop.vms[1].want = 1;
	TEST_ASSERT(LOOP_UNTIL(loop.vms[1].sink.total == 1), "the other VM gets it");
	loop.wire_is_stuck = false;
	give_frames_back();
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "once more");
	loop.wire_want++;
	loop.vms[1].want++;
	return loop_check();
}

static int
send_large(unsigned int idx)
{
	struct loop_packet packet = {
		.dst = loop.vms[idx].mac,
		.src = loop.vms[0].mac,
		.len = LOOP_TCP_HEADERS + 3 * SEGMENT_BYTES,
		.tcp = true,
	};
	struct rte_mbuf *m = loop_packet_mbuf(loop.guest_mbufs, &packet);

	TEST_ASSERT_NOT_NULL(m, "mbufs");
	loop_packet_ask(m, true, SEGMENT_BYTES);
	return loop_send_mbufs(0, 0, &m, 1);
}

static int
test_large_packet_without_pages_for_its_segments(void)
{
	struct loop_conf conf = {
		.nb_vms = 2,
		.vms = {{.tx_offloads = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO},
			{0}},
	};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(leave_frames(3), "a frame for the packet and two more");
	TEST_ASSERT_SUCCESS(send_large(1), "three segments");
	loop.vms[1].rx_drops[AIRLOCK_DROP_NO_PAGE] = 1;
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(1).rx_drops.by_reason[AIRLOCK_DROP_NO_PAGE] == 1),
		"dropped");
	loop.wire_is_stuck = false;
	give_frames_back();
	TEST_ASSERT_SUCCESS(send_large(1), "once more");
	loop.vms[1].want = 3;
	return loop_check();
}

static void
close_holding(void)
{
	loop.wire_is_stuck = false;
	give_frames_back();
	loop_close();
}

static bool
is_refused(uint32_t seq)
{
	return seq == 0 || seq == 5 || seq == 6 || seq >= 30;
}

/* In place of the port's own, which takes everything. */
static uint16_t
refuse_some(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		uint16_t flow;
		uint32_t seq;

		if (loop_packet_read(mbufs[i], &flow, &seq) && is_refused(seq))
			return i;
	}
	return n;
}

static int
test_packet_that_the_port_refuses_is_dropped_alone(void)
{
	struct loop_conf conf = {
		.nb_vms = 1,
		.vms = {{.tx_offloads = RTE_ETH_TX_OFFLOAD_UDP_CKSUM}},
	};
	struct loop_packet packet = {.dst = stranger};
	struct rte_mbuf *mbufs[32];
	uint32_t arrived = 0;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	/* The wire has no offloads; as if it had, and were particular about them. */
	loop.pipeline->ports[0]->uplink->tx_caps |= AIRLOCK_OFFLOAD_L4_CSUM;
	rte_eth_fp_ops[loop.port_id].tx_pkt_prepare = refuse_some;
	packet.src = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < RTE_DIM(mbufs); packet.seq++) {
		mbufs[packet.seq] = loop_packet_mbuf(loop.guest_mbufs, &packet);
		TEST_ASSERT_NOT_NULL(mbufs[packet.seq], "mbuf");
		loop_packet_ask(mbufs[packet.seq], false, 0);
		if (is_refused(packet.seq))
			loop.tx_drops[AIRLOCK_DROP_BAD_OFFLOAD]++;
		else
			loop.wire_want++;
	}
	TEST_ASSERT_SUCCESS(loop_send_mbufs(0, 0, mbufs, RTE_DIM(mbufs)), "a burst");
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (packet.seq = 0; packet.seq < RTE_DIM(mbufs); packet.seq++) {
		if (!is_refused(packet.seq))
			TEST_ASSERT(loop_packet_is_but_csum(loop.wire.mbufs[arrived++], &packet),
				"packet %u", packet.seq);
	}
	return loop_check();
}

static const struct unit_test_suite jams_suite = {
	.suite_name = "loop_jams",
	.unit_test_cases =
		{
			TEST_CASE_ST(NULL, close_standing,
				test_lcore_that_stands_still_holds_up_nobody_else),
			TEST_CASE_ST(NULL, close_holding, test_flood_without_a_page_for_the_copy),
			TEST_CASE_ST(NULL, close_holding,
				test_large_packet_without_pages_for_its_segments),
			TEST_CASE_ST(NULL, loop_close,
				test_packet_that_the_port_refuses_is_dropped_alone),
			TEST_CASES_END(),
		},
};

static int
test_loop_jams(void)
{
	return unit_test_suite_runner(&jams_suite);
}

REGISTER_FAST_TEST(loop_jams_autotest, true, true, test_loop_jams)
