/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Cycles that lib/offload costs per packet, and per segment.
 */

#include <rte_cycles.h>

#include "airlock_offload.h"
#include "test_offload.h"

#define NB_FRAMES 512
#define NB_BURST  32
#define NB_ROUNDS 20000
#define NB_FITS	  2000

static struct frames frames;
static struct airlock_offload *ctx;
static uint8_t bytes[MAX_PACKET];

static int
setup(void)
{
	TEST_ASSERT_SUCCESS(frames_create(&frames, "test_offload_perf", NB_FRAMES), "no frames");
	ctx = airlock_offload_create(frames.pool, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(ctx, "no context");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	airlock_offload_destroy(ctx);
	frames_destroy(&frames);
}

/* A burst, with requests in *flags* made anew in every round. @return cycles per packet, or -1 */
static double
time_burst(uint64_t flags, bool finish)
{
	const struct shape shape = {.payload_bytes = 1514 - 54};
	const uint32_t len = build(bytes, &shape);
	struct rte_mbuf *burst[NB_BURST] = {NULL};
	uint64_t total = 0, start;
	int ret = 0;

	for (unsigned int i = 0; i < NB_BURST; i++) {
		burst[i] = scatter(frames.pool, bytes, len, 0, 0);
		if (burst[i] == NULL)
			ret = -ENOMEM;
	}
	for (unsigned int round = 0; ret == 0 && round < NB_ROUNDS; round++) {
		for (unsigned int i = 0; i < NB_BURST; i++)
			burst[i]->ol_flags |= flags;
		start = rte_rdtsc();
		for (unsigned int i = 0; i < NB_BURST; i++) {
			ret |= airlock_offload_accept(burst[i]);
			if (finish)
				ret |= airlock_offload_finish_csum(burst[i]);
		}
		total += rte_rdtsc() - start;
	}
	rte_pktmbuf_free_bulk(burst, NB_BURST);
	return ret == 0 ? (double)total / NB_ROUNDS / NB_BURST : -1;
}

/* Segments of a 64 KiB packet. @return cycles per segment, or -1 */
static double
time_segments(uint32_t caps)
{
	const struct shape shape = {.payload_bytes = 65000};
	const uint32_t len = build(bytes, &shape);
	struct rte_mbuf *out[AIRLOCK_OFFLOAD_MAX_SEGMENTS], *m;
	uint64_t total = 0, nb_segments = 0, start;
	int nb;

	for (unsigned int round = 0; round < NB_FITS; round++) {
		m = scatter(frames.pool, bytes, len, 0, 0);
		if (m == NULL)
			return -1;
		request(m, 1460);
		start = rte_rdtsc();
		nb = airlock_offload_accept(m);
		if (nb == 0)
			nb = airlock_offload_fit(ctx, m, caps, out, RTE_DIM(out));
		total += rte_rdtsc() - start;
		if (nb < 0) {
			rte_pktmbuf_free(m);
			return -1;
		}
		nb_segments += nb;
		rte_pktmbuf_free_bulk(out, nb);
	}
	return (double)total / nb_segments;
}

static int
report(const char *what, double cycles)
{
	TEST_ASSERT(cycles >= 0, "%s", what);
	printf("%-46s %8.1f cycles\n", what, cycles);
	return TEST_SUCCESS;
}

static int
print_figures(void)
{
	const uint64_t csum = RTE_MBUF_F_RX_L4_CKSUM_NONE;

	TEST_ASSERT_SUCCESS(report("accept, no request, per packet", time_burst(0, false)), "-");
	TEST_ASSERT_SUCCESS(report("accept, checksum, per packet", time_burst(csum, false)), "-");
	TEST_ASSERT_SUCCESS(
		report("accept, finish_csum, 1514 bytes, per packet", time_burst(csum, true)), "-");
	TEST_ASSERT_SUCCESS(
		report("fit, 64 KiB, per segment of 1514", time_segments(AIRLOCK_OFFLOAD_L4_CSUM)),
		"-");
	TEST_ASSERT_SUCCESS(
		report("fit, 64 KiB, per segment, checksum in software", time_segments(0)), "-");
	return TEST_SUCCESS;
}

static int
test_offload_perf(void)
{
	int ret = setup();

	if (ret == TEST_SUCCESS)
		ret = print_figures();
	teardown();
	return ret;
}

REGISTER_PERF_TEST(offload_perf_autotest, test_offload_perf);
