/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A guest's receive pool: which buffers it has, where data lies in them, in which order they come
 * out.
 */

#include <rte_errno.h>
#include <rte_lcore.h>

#include "test.h"
#include "test_window.h"

#define NB_DESC	   64
#define NB_POSTED  16
#define NB_PRIVATE 1024
#define NB_ALL	   (TEST_WINDOW_FRAMES + NB_PRIVATE)

static struct airlock_window *window;
static struct rte_mempool *pool;
static struct rte_mbuf *mbufs[NB_ALL];
static unsigned int nb_mbufs;

static int
setup(void)
{
	window = test_window_open(1);
	return window != NULL ? TEST_SUCCESS : TEST_FAILED;
}

/* Past the lcore's cache, so that the pool sees it at once. */
static void
put(struct rte_mbuf **of, unsigned int n)
{
	rte_mempool_generic_put(pool, (void **)of, n, NULL);
}

static int
take(unsigned int n)
{
	int ret = rte_mempool_generic_get(pool, (void **)&mbufs[nb_mbufs], n, NULL);

	if (ret == 0)
		nb_mbufs += n;
	return ret;
}

static void
teardown(void)
{
	if (pool != NULL)
		put(mbufs, nb_mbufs);
	nb_mbufs = 0;
	rte_mempool_free(pool);
	pool = NULL;
	test_window_close(window);
	window = NULL;
}

static struct airlock_window_rx_pool_conf
good_conf(void)
{
	return (struct airlock_window_rx_pool_conf){
		.name = "test_rx",
		.nb_desc = NB_DESC,
		.nb_private = NB_PRIVATE,
		.socket_id = SOCKET_ID_ANY,
	};
}

static int
create(const struct airlock_window_rx_pool_conf *conf)
{
	rte_errno = 0;
	pool = airlock_window_rx_pool_create(window, conf);
	return pool != NULL ? 0 : rte_errno;
}

static unsigned int
count_frames(unsigned int from, unsigned int to)
{
	unsigned int n = 0;

	for (unsigned int i = from; i < to; i++)
		n += airlock_window_contains(window, mbufs[i]->buf_addr);
	return n;
}

/* Each frame of the partition once and no other; returns the number of private ones. */
static int
check_frames(uint32_t first, uint32_t nb)
{
	bool seen[TEST_WINDOW_NB_FRAMES] = {0};
	int nb_private = 0;

	for (unsigned int i = 0; i < nb_mbufs; i++) {
		uint32_t frame = test_window_frame(window, mbufs[i]->buf_addr);

		if (frame == UINT32_MAX) {
			nb_private++;
			continue;
		}
		if (frame < first || frame >= first + nb || seen[frame])
			return -1;
		seen[frame] = true;
	}
	return nb_private;
}

static int
test_pool_has_the_frames_of_its_partition_once_each(void)
{
	struct airlock_window_rx_pool_conf conf = good_conf();

	conf.queue_id = 1;
	TEST_ASSERT_EQUAL(create(&conf), 0, "create");
	TEST_ASSERT_SUCCESS(take(TEST_WINDOW_MORE_FRAMES + NB_PRIVATE), "all");
	TEST_ASSERT_EQUAL(take(1), -ENOBUFS, "one more");
	TEST_ASSERT_EQUAL(check_frames(TEST_WINDOW_FRAMES, TEST_WINDOW_MORE_FRAMES), NB_PRIVATE,
		"frames of partition 1 and private buffers");
	return TEST_SUCCESS;
}

static int
check_layout(const struct rte_mbuf *mbuf, size_t frame_bytes)
{
	const bool is_frame = airlock_window_contains(window, mbuf->buf_addr);
	const uintptr_t addr = (uintptr_t)mbuf->buf_addr;

	if (is_frame)
		TEST_ASSERT_EQUAL((addr - (uintptr_t)window->base) % frame_bytes, 0, "aligned");
	else
		TEST_ASSERT_EQUAL(addr % rte_align64pow2(frame_bytes), 0,
			"aligned, so across no huge page's border");
	TEST_ASSERT_EQUAL(
		mbuf->buf_len, RTE_MIN(frame_bytes, (size_t)UINT16_MAX), "the whole frame");
	TEST_ASSERT_EQUAL(mbuf->data_off, 128, "where airlockd puts data");
	TEST_ASSERT_EQUAL(mbuf->buf_iova - (rte_iova_t)(uintptr_t)mbuf->buf_addr,
		is_frame ? 0x1000000000 : 0, "IOVA");
	TEST_ASSERT(RTE_MBUF_HAS_PINNED_EXTBUF(mbuf), "tied to the frame");
	TEST_ASSERT_EQUAL(rte_mbuf_refcnt_read(mbuf), 1, "references");
	TEST_ASSERT(rte_mbuf_check(mbuf, 1, &(const char *){NULL}) == 0, "sane");
	return TEST_SUCCESS;
}

static int
check_layouts(unsigned int frame_pages)
{
	struct airlock_window_rx_pool_conf conf = good_conf();

	window = test_window_open(frame_pages);
	TEST_ASSERT_NOT_NULL(window, "%u pages", frame_pages);
	window->iova += 0x1000000000;
	conf.priv_size = 64;
	conf.nb_private = 768;
	TEST_ASSERT_EQUAL(create(&conf), 0, "%u pages", frame_pages);
	TEST_ASSERT_EQUAL(rte_pktmbuf_priv_size(pool), 64, "private area");
	TEST_ASSERT_SUCCESS(take(TEST_WINDOW_FRAMES + conf.nb_private), "all");
	for (unsigned int i = 0; i < nb_mbufs; i++)
		TEST_ASSERT_SUCCESS(check_layout(mbufs[i], frame_pages * 4096), "mbuf %u", i);
	TEST_ASSERT_EQUAL(check_frames(0, TEST_WINDOW_FRAMES), (int)conf.nb_private,
		"each frame once, and private buffers");
	return TEST_SUCCESS;
}

/* The window's IOVA is another than its address here, as in a VM. */
static int
test_data_lies_where_airlockd_puts_it_in_frames_of_any_size(void)
{
	static const unsigned int pages[] = {1, 2, 3, 4, 5, 15, 16};

	for (unsigned int i = 0; i < RTE_DIM(pages); i++) {
		teardown();
		TEST_ASSERT_SUCCESS(check_layouts(pages[i]), "%u pages", pages[i]);
	}
	return TEST_SUCCESS;
}

static int
test_both_kinds_are_in_a_ring_from_the_start(void)
{
	struct airlock_window_rx_pool_conf conf = good_conf();
	struct airlock_window_rx_pool_stats stats;

	TEST_ASSERT_EQUAL(create(&conf), 0, "create");
	TEST_ASSERT_SUCCESS(take(NB_DESC), "a ring");
	TEST_ASSERT_EQUAL(count_frames(0, NB_DESC), NB_DESC * 3 / 4, "a quarter is private");
	airlock_window_rx_pool_stats(pool, &stats);
	TEST_ASSERT_EQUAL(stats.nb_frames, TEST_WINDOW_FRAMES, "frames");
	TEST_ASSERT_EQUAL(stats.nb_private, NB_PRIVATE, "private");
	TEST_ASSERT_EQUAL(
		stats.frames_in_pool, TEST_WINDOW_FRAMES - NB_DESC * 3 / 4, "frames left");
	TEST_ASSERT_EQUAL(stats.private_in_pool, NB_PRIVATE - NB_DESC / 4, "private left");
	return TEST_SUCCESS;
}

/* Move one kind of what is out back into the pool, and refill. */
static int
use_up(bool frames, unsigned int n)
{
	struct rte_mbuf *used[NB_DESC];
	unsigned int nb_used = 0, kept = 0;

	for (unsigned int i = 0; i < nb_mbufs; i++) {
		if (nb_used < n && airlock_window_contains(window, mbufs[i]->buf_addr) == frames)
			used[nb_used++] = mbufs[i];
		else
			mbufs[kept++] = mbufs[i];
	}
	nb_mbufs = kept;
	TEST_ASSERT_EQUAL(nb_used, n, "in the ring");
	TEST_ASSERT_SUCCESS(take(n), "refill before the program frees");
	put(used, n);
	return TEST_SUCCESS;
}

static int
check_ring_keeps_both(bool frames)
{
	struct airlock_window_rx_pool_conf conf = good_conf();

	conf.nb_posted_private = NB_POSTED;
	TEST_ASSERT_EQUAL(create(&conf), 0, "create");
	TEST_ASSERT_SUCCESS(take(NB_DESC), "a ring");
	for (unsigned int i = 0; i < 1000; i++)
		TEST_ASSERT_SUCCESS(use_up(frames, 8), "round %u", i);
	TEST_ASSERT(count_frames(0, NB_DESC) >= NB_DESC / 2, "%u of %u are frames",
		count_frames(0, NB_DESC), NB_DESC);
	TEST_ASSERT(count_frames(0, NB_DESC) <= NB_DESC - NB_POSTED / 2, "%u of %u are frames",
		count_frames(0, NB_DESC), NB_DESC);
	return TEST_SUCCESS;
}

static int
test_a_stream_of_copied_packets_leaves_private_buffers_in_the_ring(void)
{
	return check_ring_keeps_both(false);
}

static int
test_a_stream_of_shown_packets_leaves_frames_in_the_ring(void)
{
	return check_ring_keeps_both(true);
}

static int
test_ring_fills_with_private_buffers_when_frames_are_out(void)
{
	struct airlock_window_rx_pool_conf conf = good_conf();

	TEST_ASSERT_EQUAL(create(&conf), 0, "create");
	TEST_ASSERT_SUCCESS(take(NB_POSTED + TEST_WINDOW_FRAMES), "all frames");
	TEST_ASSERT_EQUAL(count_frames(0, nb_mbufs), TEST_WINDOW_FRAMES, "frames");
	TEST_ASSERT_SUCCESS(take(NB_DESC), "a ring without frames");
	put(&mbufs[nb_mbufs - NB_DESC], NB_DESC);
	nb_mbufs -= NB_DESC;
	return TEST_SUCCESS;
}

static int
test_frame_freed_last_is_posted_first(void)
{
	struct airlock_window_rx_pool_conf conf = good_conf();
	struct rte_mbuf *last = NULL;

	TEST_ASSERT_EQUAL(create(&conf), 0, "create");
	TEST_ASSERT_SUCCESS(take(NB_DESC), "a ring");
	for (unsigned int i = 0; i < nb_mbufs && last == NULL; i++) {
		if (airlock_window_contains(window, mbufs[i]->buf_addr)) {
			last = mbufs[i];
			mbufs[i] = mbufs[--nb_mbufs];
		}
	}
	TEST_ASSERT_NOT_NULL(last, "a frame in the ring");
	rte_pktmbuf_free(last);
	rte_mempool_cache_flush(rte_mempool_default_cache(pool, rte_lcore_id()), pool);
	TEST_ASSERT_SUCCESS(take(1), "one");
	TEST_ASSERT(mbufs[nb_mbufs - 1] == last, "the same one");
	return TEST_SUCCESS;
}

static int
test_all_come_back_from_chains_and_clones(void)
{
	struct airlock_window_rx_pool_conf conf = good_conf();
	struct rte_mempool *clones;
	struct rte_mbuf *chain, *clone;

	TEST_ASSERT_EQUAL(create(&conf), 0, "create");
	clones = rte_pktmbuf_pool_create("test_clones", 16, 0, 0, 0, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(clones, "%s", rte_strerror(rte_errno));
	chain = rte_pktmbuf_alloc(pool);
	for (unsigned int i = 0; i < 3; i++) {
		struct rte_mbuf *more = rte_pktmbuf_alloc(pool);

		rte_pktmbuf_append(more, 100);
		rte_pktmbuf_chain(chain, more);
	}
	clone = rte_pktmbuf_clone(chain, clones);
	rte_pktmbuf_free(chain);
	rte_pktmbuf_free(clone);
	rte_mempool_free(clones);
	TEST_ASSERT_NOT_NULL(clone, "clone");
	TEST_ASSERT(rte_mempool_full(pool), "%u of %u", rte_mempool_avail_count(pool), NB_ALL);
	return TEST_SUCCESS;
}

static int
test_bad_pools_are_refused(void)
{
	struct airlock_window_rx_pool_conf conf = good_conf();

	conf.queue_id = 2;
	TEST_ASSERT_EQUAL(create(&conf), ENOENT, "no such partition");
	conf = good_conf();
	conf.nb_desc = TEST_WINDOW_FRAMES + NB_PRIVATE;
	TEST_ASSERT_EQUAL(create(&conf), ENOSPC, "the ring would never be refilled");
	conf = good_conf();
	conf.priv_size = 4;
	TEST_ASSERT_EQUAL(create(&conf), EINVAL, "private area");
	conf = good_conf();
	conf.nb_private = 1 << 20;
	TEST_ASSERT_EQUAL(create(&conf), ENOMEM, "4 GiB");
	conf = good_conf();
	conf.nb_private = 0;
	conf.nb_desc = 1024;
	TEST_ASSERT_EQUAL(create(&conf), 0, "by default there are enough");
	TEST_ASSERT_EQUAL(create(&conf), EEXIST, "name");
	return TEST_SUCCESS;
}

static int
test_layouts_that_make_no_sense_are_refused(void)
{
	const struct airlock_window_layout good = window->layout;
	const uint64_t bytes = good.pool_bytes;
	struct airlock_window_layout bad = good;

	TEST_ASSERT(window_layout_ok(&good, bytes), "good");
	TEST_ASSERT(!window_layout_ok(&good, bytes * 2), "other size");
	bad.frame_pages = 0;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "frames of nothing");
	bad.frame_pages = 17;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "frames of 68 KiB");
	bad.frame_pages = 12;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "more than there is");
	bad = good;
	bad.pool_bytes++;
	TEST_ASSERT(!window_layout_ok(&bad, bytes + 1), "a page in part");
	bad.pool_bytes = 0;
	TEST_ASSERT(!window_layout_ok(&bad, 0), "nothing");
	bad = good;
	bad.nb_partitions = 0;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "no partition");
	bad.nb_partitions = AIRLOCK_WINDOW_MAX_PARTITIONS + 1;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "too many");
	bad = good;
	bad.partitions[1].nb_frames = TEST_WINDOW_NB_FRAMES - TEST_WINDOW_FRAMES;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "with the header's frame");
	bad.partitions[1].nb_frames = UINT32_MAX;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "beyond all");
	bad.partitions[1].nb_frames = 0;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "empty");
	/* 128 pages: 42 frames of three and two pages, the second of which is the header. */
	bad = good;
	bad.frame_pages = 3;
	bad.partitions[0] = (struct airlock_window_partition){0, 32};
	bad.partitions[1] = (struct airlock_window_partition){32, 10};
	TEST_ASSERT(window_layout_ok(&bad, bytes), "all that are whole");
	bad.partitions[1].nb_frames = 11;
	TEST_ASSERT(!window_layout_ok(&bad, bytes), "what is left at the end");
	/* 127 pages: 42 frames of three and the header. */
	bad.pool_bytes -= 4096;
	TEST_ASSERT(!window_layout_ok(&bad, bytes - 4096), "the header alone");
	bad.partitions[1].nb_frames = 10;
	TEST_ASSERT(window_layout_ok(&bad, bytes - 4096), "all but the header");
	bad.pool_bytes -= 4096;
	TEST_ASSERT(!window_layout_ok(&bad, bytes - 2 * 4096), "the last has the header");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "a guest's receive pool",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown,
				test_pool_has_the_frames_of_its_partition_once_each),
			TEST_CASE_ST(NULL, teardown,
				test_data_lies_where_airlockd_puts_it_in_frames_of_any_size),
			TEST_CASE_ST(setup, teardown, test_both_kinds_are_in_a_ring_from_the_start),
			TEST_CASE_ST(setup, teardown,
				test_a_stream_of_copied_packets_leaves_private_buffers_in_the_ring),
			TEST_CASE_ST(setup, teardown,
				test_a_stream_of_shown_packets_leaves_frames_in_the_ring),
			TEST_CASE_ST(setup, teardown,
				test_ring_fills_with_private_buffers_when_frames_are_out),
			TEST_CASE_ST(setup, teardown, test_frame_freed_last_is_posted_first),
			TEST_CASE_ST(setup, teardown, test_all_come_back_from_chains_and_clones),
			TEST_CASE_ST(setup, teardown, test_bad_pools_are_refused),
			TEST_CASE_ST(setup, teardown, test_layouts_that_make_no_sense_are_refused),
			TEST_CASES_END(),
		},
};

static int
test_window_pool(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(window_pool_autotest, true, true, test_window_pool);
