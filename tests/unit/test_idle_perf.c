/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What idle=adaptive costs: how long a packet takes from one VM to another when the lcore has
 * slept, against one that polls, and how many packets a second go through after a rest. Guests are
 * this process, on one CPU; the lcore should have another.
 */

#include <stdlib.h>

#include <rte_cycles.h>

#include "loop.h"

#define NB_WAKES     300
#define REST_US	     20000
#define NB_PAIRS     5
#define LOAD_SECONDS 1

static const struct airlock_idle idles[] = {
	{.adaptive = false},
	{.adaptive = true, .pause_us = 100, .sleep_us = 1000, .wait_us = 10000},
};

static int
open_with(bool adaptive)
{
	struct loop_conf conf = {
		.no_uplink = true,
		.idle = idles[adaptive],
		.nb_vms = 2,
		.vms = {{.ring_size = 1024}, {.ring_size = 1024}},
	};

	return loop_open(&conf);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Microseconds from the guest's send to the other guest's receive, after a rest each. */
static int
measure_wakes(bool adaptive, double *us)
{
	struct loop_packet packet = {0};

	TEST_ASSERT_SUCCESS(open_with(adaptive), "open");
	packet.src = loop.vms[0].mac;
	packet.dst = loop.vms[1].mac;
	for (packet.seq = 0; packet.seq < NB_WAKES; packet.seq++) {
		uint64_t start;

		rte_delay_us_sleep(REST_US);
		start = rte_rdtsc();
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "packet %u", packet.seq);
		while (loop.vms[1].sink.total <= packet.seq)
			loop_poll();
		us[packet.seq] = (double)(rte_rdtsc() - start) * US_PER_S / rte_get_tsc_hz();
	}
	loop_close();
	qsort(us, NB_WAKES, sizeof(us[0]), compare);
	return TEST_SUCCESS;
}

/* Packets a second from VM 0 to VM 1, as fast as this thread can, after a rest. */
static int
measure_load(bool adaptive, double *mpps)
{
	struct loop_packet packet = {.len = 64};
	struct rte_mbuf *mbufs[32];
	uint64_t start, end, now;

	TEST_ASSERT_SUCCESS(open_with(adaptive), "open");
	packet.src = loop.vms[0].mac;
	packet.dst = loop.vms[1].mac;
	rte_delay_us_sleep(100000);
	start = rte_rdtsc();
	end = start + LOAD_SECONDS * rte_get_tsc_hz();
	while ((now = rte_rdtsc()) < end) {
		uint16_t n = 0, sent;

		while (n < RTE_DIM(mbufs) &&
			(mbufs[n] = loop_packet_mbuf(loop.guest_mbufs, &packet)) != NULL)
			n++;
		sent = rte_eth_tx_burst(loop.vms[0].port_id, 0, mbufs, n);
		rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
		loop_poll();
		loop_forget(&loop.vms[1].sink);
	}
	*mpps = (double)loop.vms[1].sink.total * rte_get_tsc_hz() / (now - start) / 1e6;
	loop_close();
	return TEST_SUCCESS;
}

static int
test_wake_latency(void)
{
	double us[NB_WAKES];

	for (unsigned int adaptive = 0; adaptive < 2; adaptive++) {
		TEST_ASSERT_SUCCESS(measure_wakes(adaptive, us), "measure");
		printf("    %-8s after %u ms of rest: p50 %.1f us, p99 %.1f us, most %.1f us\n",
			adaptive ? "adaptive" : "poll", REST_US / 1000, us[NB_WAKES / 2],
			us[NB_WAKES * 99 / 100], us[NB_WAKES - 1]);
	}
	return TEST_SUCCESS;
}

static int
test_load_after_rest(void)
{
	double ratios[NB_PAIRS], mpps[2], sums[2] = {0};

	for (unsigned int i = 0; i < NB_PAIRS; i++) {
		/* Each order in turn. */
		for (unsigned int j = 0; j < 2; j++) {
			bool adaptive = (i + j) % 2 != 0;

			TEST_ASSERT_SUCCESS(measure_load(adaptive, &mpps[adaptive]), "measure");
			sums[adaptive] += mpps[adaptive];
		}
		ratios[i] = mpps[1] / mpps[0];
	}
	qsort(ratios, NB_PAIRS, sizeof(ratios[0]), compare);
	printf("    load after a rest: poll %.2f Mpps, adaptive %.2f Mpps, ratio %.2f "
	       "(%.2f-%.2f)\n",
		sums[0] / NB_PAIRS, sums[1] / NB_PAIRS, ratios[NB_PAIRS / 2], ratios[0],
		ratios[NB_PAIRS - 1]);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite idle_perf_suite = {
	.suite_name = "idle_perf",
	.unit_test_cases =
		{
			CASE(test_wake_latency),
			CASE(test_load_after_rest),
			TEST_CASES_END(),
		},
};

static int
test_idle_perf(void)
{
	return unit_test_suite_runner(&idle_perf_suite);
}

REGISTER_PERF_TEST(idle_perf_autotest, test_idle_perf)
