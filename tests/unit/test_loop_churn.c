/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * VMs that come and go, or change, under traffic: the one that stays loses nothing, the one that
 * comes and goes loses what is sent while it is away, and all of it is counted.
 *
 * An lcore of its own makes the traffic: windows of packets for VM 0, which stays, and as many for
 * VM 1; the next window goes out when VM 0 has got all of this one. So VM 0's ring never overflows,
 * and a packet lost on its way shows at once. Meanwhile the main lcore plugs and unplugs.
 */

#include <malloc.h>
#include <sched.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include "loop.h"
#include "pipeline_priv.h"

#define WINDOW 32
/* Plans that are made while a VM comes and goes. */
#define NB_PLANS 100

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};

/* Written by the traffic's lcore; the main lcore reads *sent* at any time, the rest afterwards. */
static struct {
	_Atomic bool stop; /* the main lcore writes it */
	_Atomic uint64_t windows;
	uint64_t got;
	uint64_t got_bytes;
	uint64_t out_of_order;
	bool stuck;
} traffic;

static bool
put_window(uint32_t first_seq)
{
	struct rte_mbuf *mbufs[2 * WINDOW];

	for (unsigned int i = 0; i < RTE_DIM(mbufs); i++) {
		struct loop_packet packet = {
			.dst = loop.vms[i % 2].mac,
			.src = stranger,
			.len = 200,
			.seq = first_seq + i / 2,
		};

		mbufs[i] = loop_packet_mbuf(airlock_pool_mempool(loop.pool, 0), &packet);
		if (mbufs[i] == NULL)
			return false;
	}
	return rte_ring_enqueue_bulk(loop.rx_rings[0], (void **)mbufs, RTE_DIM(mbufs), NULL) != 0;
}

static bool
take_window(uint32_t first_seq)
{
	const uint64_t end_tsc = loop_deadline_tsc();
	struct rte_mbuf *mbufs[WINDOW];
	unsigned int got = 0;
	uint16_t n, flow;
	uint32_t seq;

	while (got < WINDOW) {
		n = rte_eth_rx_burst(loop.vms[0].port_id, 0, mbufs, WINDOW);
		if (n == 0 && loop_is_past(end_tsc))
			return false;
		for (uint16_t i = 0; i < n; i++) {
			if (!loop_packet_read(mbufs[i], &flow, &seq) || seq != first_seq + got)
				traffic.out_of_order++;
			traffic.got_bytes += mbufs[i]->pkt_len;
			rte_pktmbuf_free(mbufs[i]);
			got++;
		}
	}
	traffic.got += got;
	return true;
}

static int
traffic_main(void *arg)
{
	uint64_t windows = 0;

	while (!atomic_load_explicit(&traffic.stop, memory_order_relaxed)) {
		uint32_t first_seq = (uint32_t)windows * WINDOW;

		if (!put_window(first_seq) || !take_window(first_seq)) {
			traffic.stuck = true;
			return -ETIMEDOUT;
		}
		windows++;
		atomic_store_explicit(&traffic.windows, windows, memory_order_relaxed);
	}
	return 0;
}

/* The lcore that the pipeline has left over. */
static unsigned int traffic_lcore;

static int
start_traffic(void)
{
	unsigned int lcore_id;

	memset(&traffic, 0, sizeof(traffic));
	loop.vms[0].deaf = true; /* to the main lcore */
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		if (rte_eal_get_lcore_state(lcore_id) != WAIT)
			continue;
		traffic_lcore = lcore_id;
		TEST_ASSERT_SUCCESS(rte_eal_remote_launch(traffic_main, NULL, lcore_id), "launch");
		return TEST_SUCCESS;
	}
	printf("    needs %u worker lcores\n", loop.conf.nb_lcores + 1);
	return TEST_SKIPPED;
}

/* Wait until *n* more windows have gone. */
static int
let_pass(unsigned int n)
{
	const uint64_t until = atomic_load_explicit(&traffic.windows, memory_order_relaxed) + n;
	bool passed;

	passed = LOOP_UNTIL(atomic_load_explicit(&traffic.windows, memory_order_relaxed) >= until);
	TEST_ASSERT(passed, "VM 0 gets no more");
	return TEST_SUCCESS;
}

static void
stop_traffic(void)
{
	atomic_store_explicit(&traffic.stop, true, memory_order_relaxed);
	rte_eal_wait_lcore(traffic_lcore);
	loop.injected = traffic.got * 2;
	loop.vms[0].want = traffic.got;
	loop.vms[0].sink.total = traffic.got;
	loop.vms[0].sink.bytes = traffic.got_bytes;
}

static void
teardown(void)
{
	if (traffic_lcore != 0) {
		atomic_store_explicit(&traffic.stop, true, memory_order_relaxed);
		rte_eal_wait_lcore(traffic_lcore);
	}
	traffic_lcore = 0;
	loop_close();
}

/* VM 1 got what its guest took and what went down with its rings: all others are counted drops. */
static int
check_end(void)
{
	struct airlock_pipeline_vm_stats stats;
	struct loop_vm *vm = &loop.vms[1];

	stop_traffic();
	loop.vms[0].deaf = false;
	TEST_ASSERT(!traffic.stuck, "VM 0 has lost packets after %" PRIu64, traffic.got);
	TEST_ASSERT_EQUAL(traffic.out_of_order, 0, "VM 0");
	airlock_pipeline_stop(loop.pipeline);
	loop.running = false;
	while (loop_poll() > 0)
		;
	stats = loop_vm_stats(1);
	if (vm->vm_id >= 0) {
		TEST_ASSERT_EQUAL(stats.delivered.packets + airlock_drops_total(&stats.rx_drops) +
				loop.rx_drops[AIRLOCK_DROP_UNKNOWN_MAC],
			traffic.got, "offered = delivered + dropped");
		TEST_ASSERT_EQUAL(stats.rx_drops.by_reason[AIRLOCK_DROP_VM_DOWN] +
				stats.rx_drops.by_reason[AIRLOCK_DROP_RING_FULL] +
				stats.rx_drops.by_reason[AIRLOCK_DROP_LCORE_FULL],
			airlock_drops_total(&stats.rx_drops), "for these reasons only");
		TEST_ASSERT(stats.delivered.packets >= vm->sink.total,
			"VM 1 saw %" PRIu64 " of %" PRIu64, vm->sink.total,
			stats.delivered.packets);
		vm->want = vm->sink.total = stats.delivered.packets;
		vm->sink.bytes = stats.delivered.bytes;
		memcpy(vm->rx_drops, stats.rx_drops.by_reason, sizeof(vm->rx_drops));
	}
	return loop_check();
}

static int
come_and_go(const struct loop_conf *conf, unsigned int times)
{
	int ret;

	TEST_ASSERT_SUCCESS(loop_open(conf), "open");
	ret = start_traffic();
	if (ret != TEST_SUCCESS)
		return ret;
	for (unsigned int i = 0; i < times; i++) {
		TEST_ASSERT_SUCCESS(let_pass(10), "time %u, there", i);
		loop_forget(&loop.vms[1].sink);
		TEST_ASSERT_SUCCESS(loop_unplug(1), "time %u", i);
		TEST_ASSERT_SUCCESS(loop_wait_up(1, false), "time %u", i);
		TEST_ASSERT_SUCCESS(let_pass(2), "time %u, away", i);
		TEST_ASSERT_SUCCESS(loop_plug(1), "time %u", i);
	}
	TEST_ASSERT_SUCCESS(let_pass(10), "at last");
	TEST_ASSERT(LOOP_UNTIL(loop.vms[1].sink.total > 0), "VM 1 gets packets, too");
	TEST_ASSERT_EQUAL(loop_vm_stats(1).nb_connects, times + 1, "counted");
	return check_end();
}

static int
test_guest_comes_and_goes_fifty_times(void)
{
	return come_and_go(&(struct loop_conf){.nb_vms = 2}, 50);
}

static int
test_guest_comes_and_goes_under_two_lcores(void)
{
	return come_and_go(&(struct loop_conf){.nb_lcores = 2, .nb_vms = 2}, 5);
}

static int
test_guest_that_listens_comes_and_goes(void)
{
	struct loop_conf conf = {
		.nb_vms = 2,
		.vms = {{.packed = true}, {.packed = true, .client = true, .nb_queues = 2}},
	};

	return come_and_go(&conf, 3);
}

static int
test_vm_is_added_and_deleted(void)
{
	int vm_id, ret;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2}), "open");
	ret = start_traffic();
	if (ret != TEST_SUCCESS)
		return ret;
	for (unsigned int i = 0; i < 20; i++) {
		TEST_ASSERT_SUCCESS(let_pass(5), "time %u, there", i);
		vm_id = loop.vms[1].vm_id;
		/* With its guest, or behind its guest. */
		if (i % 2 == 0)
			TEST_ASSERT_SUCCESS(loop_unplug(1), "time %u", i);
		TEST_ASSERT_SUCCESS(airlock_pipeline_del_vm(loop.pipeline, vm_id), "time %u", i);
		TEST_ASSERT_EQUAL(
			airlock_pipeline_del_vm(loop.pipeline, vm_id), -ENOENT, "it is gone");
		loop.vms[1].vm_id = -1;
		TEST_ASSERT_SUCCESS(let_pass(2), "time %u, away", i);
		if (i % 2 != 0)
			TEST_ASSERT_SUCCESS(loop_unplug(1), "time %u", i);
		TEST_ASSERT_SUCCESS(loop_add_vm(1), "time %u", i);
		TEST_ASSERT_SUCCESS(loop_plug(1), "time %u", i);
	}
	TEST_ASSERT_SUCCESS(let_pass(10), "at last");
	TEST_ASSERT_SUCCESS(airlock_pipeline_del_vm(loop.pipeline, loop.vms[1].vm_id), "the last");
	loop.vms[1].vm_id = -1;
	stop_traffic();
	loop.rx_drops[AIRLOCK_DROP_UNKNOWN_MAC] =
		loop_uplink_stats().rx_drops.by_reason[AIRLOCK_DROP_UNKNOWN_MAC];
	return check_end();
}

static int
set_net(const struct rte_ether_addr *mac, uint16_t vlan_id, bool antispoof)
{
	struct airlock_pipeline_vm_net net = {
		.mac = *mac, .vlan_id = vlan_id, .antispoof = antispoof};

	TEST_ASSERT_SUCCESS(
		airlock_pipeline_set_vm_net(loop.pipeline, loop.vms[1].vm_id, &net), "change");
	return TEST_SUCCESS;
}

static int
change(unsigned int time, const struct rte_ether_addr *mac)
{
	const struct rte_ether_addr other = {{0x02, 0, 0, 0, 0, 0x42}};
	const uint16_t vm_id = loop.vms[1].vm_id;
	/* Far above what comes. */
	struct airlock_limits limits = {.rx_bps = UINT64_C(100000000000) + time};

	TEST_ASSERT_SUCCESS(set_net(time % 3 == 0 ? mac : &other, time % 2, true), "away");
	TEST_ASSERT_SUCCESS(set_net(mac, 0, time % 2 == 0), "back");
	TEST_ASSERT_SUCCESS(airlock_pipeline_limit_vm(loop.pipeline, vm_id, &limits), "limits");
	TEST_ASSERT_SUCCESS(airlock_pipeline_set_vm_quota(loop.pipeline, vm_id, time), "quota");
	return TEST_SUCCESS;
}

static int
test_vm_is_changed(void)
{
	const struct rte_ether_addr *mac = &loop.vms[1].mac;
	struct loop_conf conf = {.nb_lcores = 2, .nb_vms = 2};
	int ret;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	ret = start_traffic();
	if (ret != TEST_SUCCESS)
		return ret;
	for (unsigned int i = 0; i < 200; i++) {
		TEST_ASSERT_SUCCESS(let_pass(1), "time %u", i);
		loop_forget(&loop.vms[1].sink);
		TEST_ASSERT_SUCCESS(change(i, mac), "time %u", i);
	}
	TEST_ASSERT_SUCCESS(let_pass(10), "at last");
	stop_traffic();
	loop.rx_drops[AIRLOCK_DROP_UNKNOWN_MAC] =
		loop_uplink_stats().rx_drops.by_reason[AIRLOCK_DROP_UNKNOWN_MAC];
	return check_end();
}

/* The device comes and goes as it does in rte_vhost's thread: without the pipeline's lock. */
static int
flicker_main(void *arg)
{
	struct airlock_vnic *vnic = arg;

	while (!atomic_load_explicit(&traffic.stop, memory_order_relaxed)) {
		atomic_store_explicit(&vnic->vid, 0, memory_order_relaxed);
		atomic_store_explicit(&vnic->vid, -1, memory_order_relaxed);
	}
	return 0;
}

/* What is in it has room in it. */
static int
make_plan(struct airlock_pipeline *pl)
{
	const struct plan *plan;
	size_t used, room;
	int ret;

	pthread_mutex_lock(&pl->lock);
	ret = plan_publish(pl);
	plan = atomic_load_explicit(&pl->lcores[0]->plan, memory_order_relaxed);
	used = plan->nb_tx * sizeof(*plan->tx);
	room = malloc_usable_size(plan->tx);
	pthread_mutex_unlock(&pl->lock);
	TEST_ASSERT_SUCCESS(ret, "publish");
	TEST_ASSERT(used <= room, "%zu bytes in %zu", used, room);
	return TEST_SUCCESS;
}

static int
test_vm_comes_while_plans_are_made(void)
{
	struct loop_conf conf = {
		.nb_vms = 1, .vms = {{.absent = true, .nb_queues = LOOP_MAX_QUEUES}}};
	struct airlock_pipeline *pl;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	pl = loop.pipeline;
	atomic_store_explicit(&traffic.stop, false, memory_order_relaxed);
	traffic_lcore = rte_get_next_lcore(pl->lcores[0]->lcore_id, 1, 0);
	TEST_ASSERT_SUCCESS(rte_eal_remote_launch(flicker_main, vm_get(pl, loop.vms[0].vm_id)->vnic,
				    traffic_lcore),
		"launch");
	for (unsigned int i = 0; i < NB_PLANS; i++)
		TEST_ASSERT_SUCCESS(make_plan(pl), "plan %u", i);
	atomic_store_explicit(&traffic.stop, true, memory_order_relaxed);
	rte_eal_wait_lcore(traffic_lcore);
	traffic_lcore = 0;
	return loop_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, teardown, fn)

static const struct unit_test_suite churn_suite = {
	.suite_name = "loop_churn",
	.unit_test_cases =
		{
			CASE(test_guest_comes_and_goes_fifty_times),
			CASE(test_guest_comes_and_goes_under_two_lcores),
			CASE(test_guest_that_listens_comes_and_goes),
			CASE(test_vm_is_added_and_deleted),
			CASE(test_vm_is_changed),
			CASE(test_vm_comes_while_plans_are_made),
			TEST_CASES_END(),
		},
};

static int
test_loop_churn(void)
{
	return unit_test_suite_runner(&churn_suite);
}

REGISTER_FAST_TEST(loop_churn_autotest, true, true, test_loop_churn)
