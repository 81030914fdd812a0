/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What a guest sends from its window leaves as a copy; the rest leaves as it is.
 */

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "test.h"
#include "test_window.h"

#define PORT	4242 /* nobody's */
#define NB_DESC 64
#define LEN	1000

static struct airlock_window *window;
static struct rte_mempool *frames, *privates;
static struct airlock_window_tx *tx;

static struct rte_mempool *
copies(void)
{
	return rte_mempool_lookup("airlock_tx_4242_0");
}

static int
setup(void)
{
	struct airlock_window_rx_pool_conf conf = {
		.name = "test_rx",
		.nb_desc = NB_DESC,
		.nb_private = 1024,
		.nb_posted_private = 1,
		.socket_id = SOCKET_ID_ANY,
	};

	window = test_window_open(1);
	TEST_ASSERT_NOT_NULL(window, "window");
	frames = airlock_window_rx_pool_create(window, &conf);
	TEST_ASSERT_NOT_NULL(frames, "%s", rte_strerror(rte_errno));
	privates = rte_pktmbuf_pool_create("test_own", 1023, 0, 0, 2048, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(privates, "%s", rte_strerror(rte_errno));
	tx = airlock_window_tx_create(window, PORT, 0, NB_DESC, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(tx, "%s", rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	airlock_window_tx_destroy(tx);
	tx = NULL;
	rte_mempool_free(privates);
	rte_mempool_free(frames);
	privates = frames = NULL;
	test_window_close(window);
	window = NULL;
}

/* Bytes that tell their place in the packet. */
static uint8_t
pattern(unsigned int i)
{
	return (uint8_t)(i * 7 + i / 256);
}

/* One piece, filled from byte *from* of the packet on; in the window if wanted. */
static struct rte_mbuf *
piece(bool in_window, unsigned int from, uint16_t len)
{
	struct rte_mbuf *mbuf, *passed[8];
	unsigned int nb_passed = 0;
	uint8_t *data;

	for (;;) {
		mbuf = rte_pktmbuf_alloc(in_window ? frames : privates);
		if (airlock_window_contains(window, mbuf->buf_addr) == in_window)
			break;
		passed[nb_passed++] = mbuf;
	}
	rte_pktmbuf_free_bulk(passed, nb_passed);
	data = (uint8_t *)rte_pktmbuf_append(mbuf, len);
	for (unsigned int i = 0; i < len; i++)
		data[i] = pattern(from + i);
	return mbuf;
}

static int
check_content(const struct rte_mbuf *mbuf, unsigned int len)
{
	uint8_t buf[16384];
	const uint8_t *data;

	TEST_ASSERT_EQUAL(mbuf->pkt_len, len, "length");
	data = rte_pktmbuf_read(mbuf, 0, len, buf);
	TEST_ASSERT_NOT_NULL(data, "%u bytes", len);
	for (unsigned int i = 0; i < len; i++)
		TEST_ASSERT_EQUAL(data[i], pattern(i), "byte %u", i);
	TEST_ASSERT_SUCCESS(rte_mbuf_check(mbuf, 1, &(const char *){NULL}), "sane");
	return TEST_SUCCESS;
}

static int
check_private(const struct rte_mbuf *mbuf)
{
	for (; mbuf != NULL; mbuf = mbuf->next) {
		TEST_ASSERT(!airlock_window_contains(window, mbuf->buf_addr), "in the window");
		TEST_ASSERT(RTE_MBUF_DIRECT(mbuf), "has its own buffer");
	}
	return TEST_SUCCESS;
}

/* All of the window's frames are in the pool again. */
static int
check_frames_are_free(void)
{
	TEST_ASSERT(rte_mempool_full(frames), "%u in use", rte_mempool_in_use_count(frames));
	return TEST_SUCCESS;
}

static int
test_packet_in_the_window_is_replaced_and_its_frame_is_free(void)
{
	struct rte_mbuf *mbuf = piece(true, 0, LEN);
	struct airlock_window_tx_stats stats;
	struct rte_mbuf *original = mbuf;

	mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_VLAN;
	mbuf->l2_len = 14;
	mbuf->l3_len = 20;
	mbuf->l4_len = 32;
	mbuf->tso_segsz = 1448;
	mbuf->vlan_tci = 42;
	mbuf->hash.rss = 4711;
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "sent");
	TEST_ASSERT(mbuf != original, "another mbuf");
	TEST_ASSERT_SUCCESS(check_frames_are_free(), "freed");
	TEST_ASSERT_SUCCESS(check_private(mbuf), "copy");
	TEST_ASSERT_SUCCESS(check_content(mbuf, LEN), "copy");
	TEST_ASSERT_EQUAL(mbuf->ol_flags,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_VLAN, "flags");
	TEST_ASSERT_EQUAL(mbuf->l2_len, 14, "l2_len");
	TEST_ASSERT_EQUAL(mbuf->l3_len, 20, "l3_len");
	TEST_ASSERT_EQUAL(mbuf->l4_len, 32, "l4_len");
	TEST_ASSERT_EQUAL(mbuf->tso_segsz, 1448, "tso_segsz");
	TEST_ASSERT_EQUAL(mbuf->vlan_tci, 42, "VLAN");
	TEST_ASSERT_EQUAL(mbuf->hash.rss, 4711, "hash");
	airlock_window_tx_stats(tx, &stats);
	TEST_ASSERT_EQUAL(stats.packets, 1, "packets");
	TEST_ASSERT_EQUAL(stats.bytes, LEN, "bytes");
	rte_pktmbuf_free(mbuf);
	return TEST_SUCCESS;
}

static int
test_packet_outside_stays_as_it_is(void)
{
	struct rte_mbuf *mbuf = piece(false, 0, LEN), *original = mbuf;
	struct airlock_window_tx_stats stats;

	rte_pktmbuf_chain(mbuf, piece(false, LEN, LEN));
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "sent");
	TEST_ASSERT(mbuf == original, "the same mbuf");
	TEST_ASSERT_SUCCESS(check_content(mbuf, 2 * LEN), "untouched");
	airlock_window_tx_stats(tx, &stats);
	TEST_ASSERT_EQUAL(stats.packets, 0, "packets");
	rte_pktmbuf_free(mbuf);
	return TEST_SUCCESS;
}

/* What waits in a TX ring is missing in the RX ring. */
static int
test_private_buffer_is_sent_as_it_is_unless_its_pool_runs_low(void)
{
	struct airlock_window_rx_pool_stats stats;
	struct rte_mbuf *mbuf, *original;
	void *taken[2048];
	unsigned int nb_taken;

	TEST_ASSERT_SUCCESS(rte_mempool_generic_get(frames, (void **)&mbuf, 1, NULL), "get");
	TEST_ASSERT(!airlock_window_contains(window, mbuf->buf_addr), "private ones come first");
	rte_pktmbuf_reset(mbuf);
	rte_pktmbuf_append(mbuf, LEN);
	original = mbuf;
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "sent");
	TEST_ASSERT(mbuf == original, "as it is");
	airlock_window_rx_pool_stats(frames, &stats);
	nb_taken = stats.frames_in_pool + stats.private_in_pool - WINDOW_SPARE + 1;
	TEST_ASSERT_SUCCESS(rte_mempool_generic_get(frames, taken, nb_taken, NULL), "most");
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "sent");
	TEST_ASSERT(mbuf != original, "copied");
	TEST_ASSERT_EQUAL(mbuf->pkt_len, LEN, "length");
	rte_pktmbuf_free(mbuf);
	rte_mempool_generic_put(frames, taken, nb_taken, NULL);
	return check_frames_are_free();
}

/* Every pattern of four pieces in and out of the window. */
static int
test_chain_is_replaced_wherever_its_pieces_lie(void)
{
	for (unsigned int in = 1; in < 16; in++) {
		struct rte_mbuf *mbuf = piece(in & 1, 0, LEN);

		for (unsigned int i = 1; i < 4; i++)
			rte_pktmbuf_chain(mbuf, piece(in >> i & 1, i * LEN, LEN));
		TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "pattern %u", in);
		TEST_ASSERT_SUCCESS(check_private(mbuf), "pattern %u", in);
		TEST_ASSERT_SUCCESS(check_content(mbuf, 4 * LEN), "pattern %u", in);
		TEST_ASSERT(mbuf->nb_segs <= 4, "%u segments", mbuf->nb_segs);
		rte_pktmbuf_free(mbuf);
		TEST_ASSERT_SUCCESS(check_frames_are_free(), "pattern %u", in);
		TEST_ASSERT(rte_mempool_full(privates), "pattern %u", in);
	}
	return TEST_SUCCESS;
}

static int
test_whole_frame_fits_into_one_copy(void)
{
	struct rte_mbuf *mbuf = piece(true, 0, 0);

	mbuf->data_off = 0;
	rte_pktmbuf_append(mbuf, 4096);
	for (unsigned int i = 0; i < 4096; i++)
		rte_pktmbuf_mtod(mbuf, uint8_t *)[i] = pattern(i);
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "sent");
	TEST_ASSERT_EQUAL(mbuf->nb_segs, 1, "segments");
	TEST_ASSERT_EQUAL(rte_pktmbuf_headroom(mbuf), RTE_PKTMBUF_HEADROOM, "headroom");
	TEST_ASSERT_SUCCESS(check_content(mbuf, 4096), "copy");
	rte_pktmbuf_free(mbuf);
	return TEST_SUCCESS;
}

static int
test_clone_of_a_frame_is_replaced_and_the_other_holder_keeps_his(void)
{
	struct rte_mbuf *held = piece(true, 0, LEN);
	struct rte_mbuf *mbuf = rte_pktmbuf_clone(held, privates);

	TEST_ASSERT_NOT_NULL(mbuf, "clone");
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "sent");
	TEST_ASSERT_SUCCESS(check_private(mbuf), "copy");
	TEST_ASSERT_SUCCESS(check_content(mbuf, LEN), "copy");
	TEST_ASSERT_SUCCESS(check_content(held, LEN), "the other holder's");
	TEST_ASSERT_EQUAL(rte_mbuf_refcnt_read(held), 1, "references");
	rte_pktmbuf_free(mbuf);
	rte_pktmbuf_free(held);
	TEST_ASSERT(rte_mempool_full(privates), "clones are back");
	return check_frames_are_free();
}

static int
test_packet_without_data_is_no_obstacle(void)
{
	struct rte_mbuf *mbuf = piece(true, 0, 0);

	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbuf, 1), 1, "sent");
	TEST_ASSERT_SUCCESS(check_private(mbuf), "copy");
	TEST_ASSERT_EQUAL(mbuf->pkt_len, 0, "empty");
	rte_pktmbuf_free(mbuf);
	return check_frames_are_free();
}

/* Without memory for copies the rest of the burst stays the program's. */
static int
test_burst_is_cut_where_memory_ends(void)
{
	const unsigned int nb_copies = rte_mempool_avail_count(copies());
	struct rte_mbuf *mbufs[4], *originals[4], *taken[nb_copies];
	struct airlock_window_tx_stats stats;

	TEST_ASSERT_SUCCESS(rte_pktmbuf_alloc_bulk(copies(), taken, nb_copies), "all copies");
	rte_pktmbuf_free(taken[0]);
	mbufs[0] = piece(false, 0, LEN);
	for (unsigned int i = 1; i < 4; i++)
		mbufs[i] = piece(true, 0, LEN);
	memcpy(originals, mbufs, sizeof(mbufs));
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, mbufs, 4), 2, "one outside, one copied");
	TEST_ASSERT(mbufs[0] == originals[0], "outside");
	TEST_ASSERT_SUCCESS(check_private(mbufs[1]), "copied");
	TEST_ASSERT(mbufs[2] == originals[2] && mbufs[3] == originals[3], "still the program's");
	airlock_window_tx_stats(tx, &stats);
	TEST_ASSERT_EQUAL(stats.short_bursts, 1, "counted");
	rte_pktmbuf_free_bulk(&taken[1], nb_copies - 1);
	TEST_ASSERT_EQUAL(airlock_window_tx_burst(tx, &mbufs[2], 2), 2, "tried again");
	for (unsigned int i = 0; i < 4; i++) {
		TEST_ASSERT_SUCCESS(check_content(mbufs[i], LEN), "packet %u", i);
		rte_pktmbuf_free(mbufs[i]);
	}
	TEST_ASSERT(rte_mempool_full(copies()), "all copies are back");
	return check_frames_are_free();
}

/* Through a port, twice set up: one copy, and not two, comes out of its ring. */
static int
send_through_port(uint16_t port_id, struct rte_ring *ring)
{
	struct airlock_window_tx *guard;
	struct airlock_window_tx_stats stats;
	struct rte_mbuf *mbuf = piece(true, 0, LEN), *sent;
	int ret;

	guard = airlock_window_tx_create(window, port_id, 0, NB_DESC, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(guard, "%s", rte_strerror(rte_errno));
	ret = airlock_window_tx_attach(guard);
	if (ret == 0)
		ret = airlock_window_tx_attach(guard);
	TEST_ASSERT_SUCCESS(ret, "attach");
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port_id, 0, &mbuf, 1), 1, "sent");
	TEST_ASSERT_SUCCESS(rte_ring_dequeue(ring, (void **)&sent), "out of the ring");
	TEST_ASSERT_SUCCESS(check_private(sent), "copy");
	TEST_ASSERT_SUCCESS(check_content(sent, LEN), "copy");
	rte_pktmbuf_free(sent);
	airlock_window_tx_stats(guard, &stats);
	TEST_ASSERT_EQUAL(stats.packets, 1, "packets");
	airlock_window_tx_destroy(guard);
	mbuf = piece(true, 0, LEN);
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port_id, 0, &mbuf, 1), 1, "without a guard");
	TEST_ASSERT_SUCCESS(rte_ring_dequeue(ring, (void **)&sent), "out of the ring");
	TEST_ASSERT(sent == mbuf, "as it was");
	rte_pktmbuf_free(sent);
	return check_frames_are_free();
}

static int
test_guard_is_part_of_the_queue(void)
{
	struct rte_eth_conf conf = {0};
	struct rte_ring *ring;
	int port_id, ret;

	ring = rte_ring_create("test_tx", 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	TEST_ASSERT_NOT_NULL(ring, "%s", rte_strerror(rte_errno));
	port_id = rte_eth_from_rings("test_tx", &ring, 1, &ring, 1, 0);
	TEST_ASSERT(port_id >= 0, "%s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(rte_eth_dev_configure(port_id, 1, 1, &conf), "configure");
	TEST_ASSERT_SUCCESS(rte_eth_rx_queue_setup(port_id, 0, NB_DESC, 0, NULL, privates), "RX");
	TEST_ASSERT_SUCCESS(rte_eth_tx_queue_setup(port_id, 0, NB_DESC, 0, NULL), "TX");
	TEST_ASSERT_SUCCESS(rte_eth_dev_start(port_id), "start");
	ret = send_through_port(port_id, ring);
	rte_eth_dev_stop(port_id);
	rte_eal_hotplug_remove("vdev", "net_ring_test_tx");
	rte_ring_free(ring);
	return ret;
}

static struct unit_test_suite suite = {
	.suite_name = "what a guest sends from its window",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown,
				test_packet_in_the_window_is_replaced_and_its_frame_is_free),
			TEST_CASE_ST(setup, teardown, test_packet_outside_stays_as_it_is),
			TEST_CASE_ST(
				setup, teardown, test_chain_is_replaced_wherever_its_pieces_lie),
			TEST_CASE_ST(setup, teardown,
				test_private_buffer_is_sent_as_it_is_unless_its_pool_runs_low),
			TEST_CASE_ST(setup, teardown, test_whole_frame_fits_into_one_copy),
			TEST_CASE_ST(setup, teardown,
				test_clone_of_a_frame_is_replaced_and_the_other_holder_keeps_his),
			TEST_CASE_ST(setup, teardown, test_packet_without_data_is_no_obstacle),
			TEST_CASE_ST(setup, teardown, test_burst_is_cut_where_memory_ends),
			TEST_CASE_ST(setup, teardown, test_guard_is_part_of_the_queue),
			TEST_CASES_END(),
		},
};

static int
test_window_tx(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(window_tx_autotest, true, true, test_window_tx);
