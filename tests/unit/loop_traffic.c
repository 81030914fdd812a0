/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The traffic of a loop: packets in, packets out, and the check that ends every test: what arrived
 * is what was wanted, every counter says so, and no frame is missing.
 *
 * Thread rule: main thread.
 */

#include <sched.h>

#include <rte_cycles.h>
#include <rte_ring.h>

#include "loop.h"

/* Packets on the wire that no lcore has taken. */
#define MAX_WAITING 32

uint64_t
loop_deadline_tsc(void)
{
	return rte_rdtsc() + rte_get_tsc_hz() / 1000 * LOOP_DEADLINE_MS;
}

bool
loop_is_past(uint64_t tsc)
{
	sched_yield();
	return rte_rdtsc() > tsc;
}

static void
sink_put(struct loop_sink *sink, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		sink->total++;
		sink->bytes += mbufs[i]->pkt_len;
		if (sink->n == LOOP_SINK_SIZE) {
			rte_pktmbuf_free(mbufs[i]);
			continue;
		}
		sink->queue_ids[sink->n] = queue_id;
		sink->mbufs[sink->n++] = mbufs[i];
	}
}

void
loop_forget(struct loop_sink *sink)
{
	rte_pktmbuf_free_bulk(sink->mbufs, sink->n);
	sink->n = 0;
}

static unsigned int
poll_vm(struct loop_vm *vm)
{
	struct rte_mbuf *mbufs[AIRLOCK_BURST];
	unsigned int total = 0;

	for (uint16_t q = 0; q < vm->conf.nb_queues; q++) {
		uint16_t n = rte_eth_rx_burst(vm->port_id, q, mbufs, RTE_DIM(mbufs));

		sink_put(&vm->sink, q, mbufs, n);
		total += n;
	}
	return total;
}

unsigned int
loop_poll(void)
{
	struct rte_mbuf *mbufs[AIRLOCK_BURST];
	unsigned int total = 0, n;

	for (unsigned int i = 0; i < LOOP_MAX_VMS; i++) {
		if (loop.vms[i].plugged && !loop.vms[i].deaf)
			total += poll_vm(&loop.vms[i]);
	}
	for (uint16_t q = 0; q < LOOP_MAX_QUEUES && !loop.wire_is_stuck; q++) {
		if (loop.tx_rings[q] == NULL)
			continue;
		n = rte_ring_dequeue_burst(loop.tx_rings[q], (void **)mbufs, RTE_DIM(mbufs), NULL);
		sink_put(&loop.wire, q, mbufs, n);
		total += n;
	}
	return total;
}

/*
 * Few packets wait on the wire, and what arrives is taken in between: a guest's ring overflows only
 * where a test wants that, whoever gets the CPU.
 */
static int
inject(uint16_t queue_id, struct rte_mbuf *m)
{
	struct rte_ring *ring = loop.rx_rings[queue_id];
	bool taken;

	TEST_ASSERT_NOT_NULL(m, "no frame for packet %" PRIu64, loop.injected);
	taken = LOOP_UNTIL(rte_ring_count(ring) < MAX_WAITING);
	TEST_ASSERT(taken, "nobody takes what comes by the wire");
	TEST_ASSERT_SUCCESS(rte_ring_enqueue(ring, m), "room on the wire");
	loop.injected++;
	loop_poll();
	return TEST_SUCCESS;
}

int
loop_inject(uint16_t queue_id, const struct loop_packet *packet)
{
	return inject(queue_id, loop_packet_mbuf(airlock_pool_mempool(loop.pool, 0), packet));
}

int
loop_inject_raw(uint16_t queue_id, const void *bytes, uint16_t len)
{
	return inject(queue_id, loop_packet_raw(airlock_pool_mempool(loop.pool, 0), bytes, len));
}

int
loop_send_mbufs(unsigned int idx, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct loop_vm *vm = &loop.vms[idx];
	uint16_t sent = 0;

	for (uint16_t i = 0; i < n; i++)
		TEST_ASSERT_NOT_NULL(mbufs[i], "no mbuf for packet %u", i);
	TEST_ASSERT_EQUAL(rte_eth_tx_prepare(vm->port_id, queue_id, mbufs, n), n,
		"the driver takes them all");
	TEST_ASSERT(LOOP_UNTIL((sent += rte_eth_tx_burst(
					vm->port_id, queue_id, mbufs + sent, n - sent)) == n),
		"nobody takes what VM %u sends", idx);
	vm->sent += n;
	loop_poll();
	return TEST_SUCCESS;
}

int
loop_send(unsigned int idx, uint16_t queue_id, const struct loop_packet *packet)
{
	struct rte_mbuf *m = loop_packet_mbuf(loop.guest_mbufs, packet);

	return loop_send_mbufs(idx, queue_id, &m, 1);
}

int
loop_send_raw(unsigned int idx, const void *bytes, uint16_t len)
{
	struct rte_mbuf *m = loop_packet_raw(loop.guest_mbufs, bytes, len);

	return loop_send_mbufs(idx, 0, &m, 1);
}

struct airlock_pipeline_uplink_stats
loop_uplink_stats(void)
{
	struct airlock_pipeline_uplink_stats stats = {0};

	if (loop.has_port)
		airlock_pipeline_uplink_stats(loop.pipeline, 0, &stats);
	return stats;
}

static bool
all_is_there(void)
{
	if (loop.wire.total < loop.wire_want ||
		loop_uplink_stats().received.packets < loop.injected)
		return false;
	for (unsigned int i = 0; i < LOOP_MAX_VMS; i++) {
		const struct loop_vm *vm = &loop.vms[i];

		if (!vm->deaf && vm->sink.total < vm->want)
			return false;
		if (loop_vm_stats(i).taken.packets < vm->sent)
			return false;
	}
	return true;
}

static void
print_drops(const struct airlock_drops_value *drops)
{
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++)
		if (drops->by_reason[i] != 0)
			printf("      %" PRIu64 " dropped as %s\n", drops->by_reason[i],
				airlock_drop_name(i));
}

/* Where what is not there may be. */
static void
print_vm(unsigned int idx)
{
	const struct airlock_pipeline_vm_stats stats = loop_vm_stats(idx);
	const struct loop_vm *vm = &loop.vms[idx];

	printf("    VM %u: %" PRIu64 " of %" PRIu64 " arrived, %" PRIu64 " of %" PRIu64 " taken\n",
		idx, vm->sink.total, vm->want, stats.taken.packets, vm->sent);
	print_drops(&stats.rx_drops);
	print_drops(&stats.tx_drops);
	if (vm->conf.window)
		printf("      %" PRIu64 " remapped, %" PRIu64 " copied, %" PRIu64
		       " maps failed, %" PRIu64 " over the quota\n",
			stats.window.remapped.packets, stats.window.copied.packets,
			stats.window.table.map_errors, stats.window.over_quota);
}

int
loop_wait(void)
{
	bool there = LOOP_UNTIL(all_is_there());
	struct airlock_pipeline_uplink_stats uplink;

	if (there)
		return TEST_SUCCESS;
	uplink = loop_uplink_stats();
	printf("    wire: %" PRIu64 " of %" PRIu64 " arrived, %" PRIu64 " of %" PRIu64 " taken\n",
		loop.wire.total, loop.wire_want, uplink.received.packets, loop.injected);
	print_drops(&uplink.rx_drops);
	print_drops(&uplink.tx_drops);
	for (unsigned int i = 0; i < loop.conf.nb_vms; i++)
		print_vm(i);
	TEST_ASSERT(there, "not all that was wanted has arrived in %d ms", LOOP_DEADLINE_MS);
	return TEST_SUCCESS;
}

static int
check_drops(const char *what, unsigned int idx, const struct airlock_drops_value *found,
	const uint64_t *expected)
{
	int failed = 0;

	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++) {
		if (found->by_reason[i] == expected[i])
			continue;
		printf("    %s %u: %" PRIu64 " dropped as %s, expected %" PRIu64 "\n", what, idx,
			found->by_reason[i], airlock_drop_name(i), expected[i]);
		failed++;
	}
	TEST_ASSERT_EQUAL(failed, 0, "drops of %s %u are other than expected", what, idx);
	return TEST_SUCCESS;
}

static int
check_vm(unsigned int idx)
{
	const struct loop_vm *vm = &loop.vms[idx];
	const struct airlock_pipeline_vm_stats stats = loop_vm_stats(idx);

	TEST_ASSERT_SUCCESS(check_drops("for VM", idx, &stats.rx_drops, vm->rx_drops), "RX");
	TEST_ASSERT_SUCCESS(check_drops("from VM", idx, &stats.tx_drops, vm->tx_drops), "TX");
	TEST_ASSERT_EQUAL(vm->sink.total, vm->want, "VM %u: packets", idx);
	TEST_ASSERT_EQUAL(stats.delivered.packets, vm->sink.total, "VM %u: packets", idx);
	TEST_ASSERT_EQUAL(stats.delivered.bytes, vm->sink.bytes, "VM %u: bytes", idx);
	TEST_ASSERT_EQUAL(stats.taken.packets, vm->sent, "VM %u", idx);
	return TEST_SUCCESS;
}

static int
check_wire(void)
{
	const struct airlock_pipeline_uplink_stats stats = loop_uplink_stats();

	TEST_ASSERT_SUCCESS(check_drops("from wire", 0, &stats.rx_drops, loop.rx_drops), "RX");
	TEST_ASSERT_SUCCESS(check_drops("for wire", 0, &stats.tx_drops, loop.tx_drops), "TX");
	TEST_ASSERT_EQUAL(loop.wire.total, loop.wire_want, "wire: packets");
	TEST_ASSERT_EQUAL(stats.sent.packets, loop.wire.total, "wire: packets");
	TEST_ASSERT_EQUAL(stats.sent.bytes, loop.wire.bytes, "wire: bytes");
	TEST_ASSERT_EQUAL(stats.received.packets, loop.injected, "wire: packets");
	return TEST_SUCCESS;
}

/* DPDK has functions that take the mark of an external buffer away from what they fill. */
static void
count_unmarked(struct rte_mempool *mempool, void *arg, void *obj, unsigned int idx)
{
	const struct rte_mbuf *m = obj;
	unsigned int *nb = arg;

	*nb += (m->ol_flags & RTE_MBUF_F_EXTERNAL) == 0;
}

/* After the stop: nothing is under way, nothing is lost. */
static int
check_balance(void)
{
	struct airlock_pipeline_balance balance;
	struct airlock_pool_report report;
	struct airlock_pool_stats pages;
	unsigned int nb_unmarked = 0;
	int ret;

	ret = airlock_pipeline_balance(loop.pipeline, &balance);
	TEST_ASSERT_SUCCESS(ret,
		"%" PRIu64 " received + %" PRIu64 " parts, %" PRIu64 " delivered + %" PRIu64
		" dropped + %" PRIu64 " split + %" PRIu64 " in flight",
		balance.received, balance.parts, balance.delivered, balance.dropped, balance.split,
		balance.in_flight);
	TEST_ASSERT_EQUAL(balance.in_flight, 0, "at rest");
	for (unsigned int i = 0; i < LOOP_MAX_VMS; i++)
		loop_forget(&loop.vms[i].sink);
	loop_forget(&loop.wire);
	ret = airlock_pool_verify(loop.pool, &report);
	TEST_ASSERT_SUCCESS(ret, "%u free by table, %u by mempool, %" PRIu64 " violations",
		report.free_by_table, report.free_by_mempool, report.violations);
	airlock_pool_stats(loop.pool, &pages);
	TEST_ASSERT_EQUAL(pages.pages[AIRLOCK_PAGE_FREE] + pages.header_pages, pages.nb_pages,
		"every page is back");
	rte_mempool_obj_iter(airlock_pool_mempool(loop.pool, 0), count_unmarked, &nb_unmarked);
	TEST_ASSERT_EQUAL(nb_unmarked, 0, "every frame is still one with an external buffer");
	return TEST_SUCCESS;
}

int
loop_check(void)
{
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	airlock_pipeline_stop(loop.pipeline);
	loop.running = false;
	loop.wire_is_stuck = false;
	for (unsigned int i = 0; i < LOOP_MAX_VMS; i++)
		loop.vms[i].deaf = false;
	while (loop_poll() > 0)
		;
	for (unsigned int i = 0; i < loop.conf.nb_vms; i++) {
		if (loop.vms[i].vm_id >= 0)
			TEST_ASSERT_SUCCESS(check_vm(i), "VM %u", i);
	}
	TEST_ASSERT_SUCCESS(check_wire(), "wire");
	return check_balance();
}
