/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Delivery by remap to guests that do not keep to it: that hold what they got, that run out of
 * buffers, whose window goes, that are deleted.
 */

#include "test_loop_remap.h"
#include "window_priv.h"

#define LONG_BYTES  1514
#define SHORT_BYTES 60
#define QUOTA	    64

static uint32_t
nb_private(unsigned int idx)
{
	struct airlock_rxring *ring =
		airlock_vnic_rxring(vm_get(loop.pipeline, loop.vms[idx].vm_id)->vnic, 0);

	return ring != NULL ? airlock_rxring_nb_private(ring) : 0;
}

static uint64_t
nb_offered(unsigned int idx)
{
	const struct airlock_pipeline_vm_stats stats = loop_vm_stats(idx);

	return stats.delivered.packets + airlock_drops_total(&stats.rx_drops);
}

/* All that is on the wire is where it goes. */
static bool
is_taken(void)
{
	return loop_uplink_stats().received.packets == loop.injected;
}

static int
test_hoarder_loses_its_own_packets_only(void)
{
	struct loop_conf conf = {REMAP_LOOP, .nb_vms = 2, .vms = {{REMAP_GUEST}, {REMAP_GUEST}}};
	struct airlock_pipeline_vm_stats stats;
	unsigned int rounds = 0;

	conf.vms[0].quota_pages = QUOTA;
	TEST_ASSERT_SUCCESS(remap_open(&conf), "open");
	TEST_ASSERT_EQUAL(remap_stats(0).quota, QUOTA, "frames");
	/* VM 0 takes in what it gets, and keeps all of it. */
	do {
		TEST_ASSERT_SUCCESS(remap_inject(0, 30, LONG_BYTES), "hoarder");
		TEST_ASSERT_SUCCESS(remap_inject(1, 30, LONG_BYTES), "other");
		TEST_ASSERT(LOOP_UNTIL(is_taken() && loop.vms[1].sink.total == loop.vms[1].want),
			"VM 1 got %" PRIu64 " of %" PRIu64 ", %" PRIu64 " were delivered",
			loop.vms[1].sink.total, loop.vms[1].want,
			loop_vm_stats(1).delivered.packets);
		loop_forget(&loop.vms[1].sink);
		stats = loop_vm_stats(0);
	} while (stats.rx_drops.by_reason[AIRLOCK_DROP_QUOTA] < 100 && ++rounds < 200);
	TEST_ASSERT_EQUAL(stats.window.remapped.packets, QUOTA, "frames up to the quota");
	TEST_ASSERT_EQUAL(stats.window.table.held, QUOTA, "and not one more");
	TEST_ASSERT(stats.window.copied.packets > 0, "then copies");
	TEST_ASSERT(stats.rx_drops.by_reason[AIRLOCK_DROP_QUOTA] >= 100, "then drops");
	TEST_ASSERT(stats.window.over_quota >= stats.window.copied.packets, "over quota");
	TEST_ASSERT(stats.window.interrupts > 0, "it was told");
	loop.vms[0].rx_drops[AIRLOCK_DROP_QUOTA] = stats.rx_drops.by_reason[AIRLOCK_DROP_QUOTA];
	loop.vms[0].want = stats.delivered.packets;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	/* It gives everything back, and is served again. */
	loop_forget(&loop.vms[0].sink);
	TEST_ASSERT(LOOP_UNTIL(nb_private(0) > 100), "it posts again");
	TEST_ASSERT_SUCCESS(remap_inject(0, 20, LONG_BYTES), "hoarder");
	return remap_check();
}

/* A guest that sleeps: private buffers first, released frames next, then further frames. */
static int
test_short_packets_go_where_there_is_room(void)
{
	struct loop_conf conf = {
		REMAP_LOOP, .copy_below = 600, .nb_vms = 1, .vms = {{REMAP_GUEST}}};
	struct airlock_remap_stats before, stats;

	conf.vms[0].deliver = AIRLOCK_DELIVER_AUTO;
	TEST_ASSERT_SUCCESS(remap_open(&conf), "open");
	TEST_ASSERT_SUCCESS(remap_inject(0, 200, LONG_BYTES), "long");
	TEST_ASSERT_SUCCESS(remap_look(0, LONG_BYTES), "long");
	before = remap_stats(0);
	loop.vms[0].deaf = true;
	do {
		TEST_ASSERT_SUCCESS(remap_inject(0, 10, SHORT_BYTES), "short");
		TEST_ASSERT(LOOP_UNTIL(is_taken()), "taken");
		stats = remap_stats(0);
	} while (stats.remapped.packets == before.remapped.packets && loop.injected < REMAP_RING);
	TEST_ASSERT(stats.remapped.packets > before.remapped.packets, "they fall to frames");
	TEST_ASSERT(stats.copied.packets >= REMAP_RING - REMAP_FRAMES, "but only at last");
	TEST_ASSERT_EQUAL(stats.interrupts, 0, "no pressure");
	loop.vms[0].deaf = false;
	TEST_ASSERT_SUCCESS(remap_look(0, SHORT_BYTES), "not one is dropped");
	return remap_check();
}

/* One that never keeps up: frames serve again and again without being unmapped. */
static int
test_frames_are_not_mapped_for_each_short_packet(void)
{
	struct loop_conf conf = {
		REMAP_LOOP, .copy_below = 600, .nb_vms = 1, .vms = {{REMAP_GUEST}}};
	struct loop_vm *vm = &loop.vms[0];
	struct airlock_pipeline_vm_stats stats;

	conf.vms[0].deliver = AIRLOCK_DELIVER_AUTO;
	TEST_ASSERT_SUCCESS(remap_open(&conf), "open");
	vm->deaf = true;
	TEST_ASSERT_SUCCESS(remap_inject(0, REMAP_RING, SHORT_BYTES), "until the ring is full");
	for (unsigned int round = 0; round < 200; round++) {
		vm->deaf = false;
		loop_poll();
		loop_forget(&vm->sink);
		vm->deaf = true;
		TEST_ASSERT_SUCCESS(remap_inject(0, 100, SHORT_BYTES), "round %u", round);
	}
	TEST_ASSERT(LOOP_UNTIL(is_taken()), "taken");
	stats = loop_vm_stats(0);
	printf("    %" PRIu64 " copied, of these %" PRIu64 " into released frames; %" PRIu64
	       " remapped, %" PRIu64 " dropped\n",
		stats.window.copied.packets, stats.window.renewed, stats.window.remapped.packets,
		airlock_drops_total(&stats.rx_drops));
	TEST_ASSERT(stats.window.renewed > 0, "released frames are of use");
	TEST_ASSERT(stats.window.remapped.packets <= stats.window.quota, "a frame falls once");
	TEST_ASSERT_EQUAL(stats.window.interrupts, 0, "no pressure");
	vm->rx_drops[AIRLOCK_DROP_RING_FULL] = stats.rx_drops.by_reason[AIRLOCK_DROP_RING_FULL];
	vm->want = stats.delivered.packets;
	vm->deaf = false;
	return remap_check();
}

/* One that sleeps again and again: frames are not what it lives on. */
static int
test_shortages_are_some_time_apart(void)
{
	struct loop_conf conf = {
		REMAP_LOOP, .copy_below = 600, .nb_vms = 1, .vms = {{REMAP_GUEST}}};
	struct loop_vm *vm = &loop.vms[0];
	struct airlock_remap_stats stats;
	uint64_t start_tsc, spilled;
	double seconds;
	uint32_t most;

	conf.vms[0].deliver = AIRLOCK_DELIVER_AUTO;
	TEST_ASSERT_SUCCESS(remap_open(&conf), "open");
	start_tsc = rte_rdtsc();
	most = nb_private(0);
	for (unsigned int round = 0; round < 200; round++) {
		vm->deaf = true;
		TEST_ASSERT_SUCCESS(remap_inject(0, most + 60, SHORT_BYTES), "round %u", round);
		TEST_ASSERT(LOOP_UNTIL(is_taken()), "taken");
		vm->deaf = false;
		TEST_ASSERT(LOOP_UNTIL((loop_forget(&vm->sink), nb_private(0) * 4 >= most * 3)),
			"%u of %u buffers are posted again", nb_private(0), most);
	}
	stats = remap_stats(0);
	spilled = stats.remapped.packets + stats.renewed;
	seconds = (double)(rte_rdtsc() - start_tsc) / rte_get_tsc_hz();
	printf("    %" PRIu64 " in or by frames in %.2f s, quota %u\n", spilled, seconds,
		stats.quota);
	TEST_ASSERT(spilled > 0, "none");
	TEST_ASSERT(spilled <= stats.quota * (1 + seconds * AIRLOCK_REMAP_SHORTAGES_PER_SECOND),
		"most");
	vm->rx_drops[AIRLOCK_DROP_RING_FULL] =
		loop_vm_stats(0).rx_drops.by_reason[AIRLOCK_DROP_RING_FULL];
	vm->want = loop_vm_stats(0).delivered.packets;
	return remap_check();
}

/* The guest stays; what is dark now it must not touch. */
static void
lose_window(struct loop_vm *vm)
{
	airlock_window_agent_close(vm->window->agent);
	vm->window->agent = NULL;
}

static int
test_window_that_goes_leaves_delivery_by_copy(void)
{
	struct airlock_remap_stats before, stats;

	TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 2,
				    .vms = {{REMAP_GUEST}, {REMAP_GUEST}}}),
		"open");
	TEST_ASSERT_SUCCESS(remap_inject(0, 100, LONG_BYTES), "before");
	TEST_ASSERT_SUCCESS(remap_look(0, LONG_BYTES), "before");
	before = remap_stats(0);
	/* The lcore is busy with the other VM meanwhile. */
	TEST_ASSERT_SUCCESS(remap_inject(1, 300, LONG_BYTES), "other");
	lose_window(&loop.vms[0]);
	/* The rings are away for a moment. Its frames come back when they are there again. */
	TEST_ASSERT(LOOP_UNTIL(!remap_stats(0).up && remap_stats(0).table.held == 0),
		"airlock sees it");
	TEST_ASSERT_SUCCESS(remap_inject(0, 500, LONG_BYTES), "after");
	TEST_ASSERT_SUCCESS(remap_look(0, LONG_BYTES), "after");
	TEST_ASSERT_SUCCESS(remap_look(1, LONG_BYTES), "other");
	stats = remap_stats(0);
	TEST_ASSERT_EQUAL(stats.remapped.packets, before.remapped.packets, "no more remap");
	TEST_ASSERT_EQUAL(stats.copied.packets, before.copied.packets + 500, "copies");
	TEST_ASSERT_EQUAL(remap_stats(0).table.held, 0, "it holds nothing");
	return remap_check();
}

/* Packets come all the time, and nobody looks at those of VM 0. */
static int
inject_past(void (*then)(void))
{
	struct loop_packet packet = {
		.dst = loop.vms[0].mac, .src = remap_stranger, .len = LONG_BYTES};

	for (packet.seq = 0; packet.seq < 600; packet.seq++) {
		if (packet.seq == 150)
			then();
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	}
	TEST_ASSERT(LOOP_UNTIL(is_taken()), "taken");
	return TEST_SUCCESS;
}

static void
lose_window_of_vm_0(void)
{
	lose_window(&loop.vms[0]);
}

static void
delete_vm_0(void)
{
	airlock_pipeline_del_vm(loop.pipeline, loop.vms[0].vm_id);
	loop.vms[0].vm_id = -1;
}

static int
test_window_goes_under_traffic(void)
{
	TEST_ASSERT_SUCCESS(
		remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 1, .vms = {{REMAP_GUEST}}}),
		"open");
	loop.vms[0].deaf = true;
	TEST_ASSERT_SUCCESS(inject_past(lose_window_of_vm_0), "traffic");
	TEST_ASSERT(!remap_stats(0).up, "the window has gone");
	/* While its rings are taken away from the lcore, a VM counts as down. */
	TEST_ASSERT(LOOP_UNTIL(nb_offered(0) == loop.injected), "none is lost without a word");
	loop.vms[0].rx_drops[AIRLOCK_DROP_VM_DOWN] =
		loop_vm_stats(0).rx_drops.by_reason[AIRLOCK_DROP_VM_DOWN];
	/* Without a look at dark frames. */
	TEST_ASSERT_SUCCESS(loop_unplug(0), "unplug");
	remap_believe(0);
	return remap_check();
}

static int
test_vm_is_deleted_under_traffic(void)
{
	struct airlock_pipeline_uplink_stats stats;
	struct airlock_pool_stats pages;

	TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 2,
				    .vms = {{REMAP_GUEST}, {REMAP_GUEST}}}),
		"open");
	loop.vms[0].deaf = true;
	TEST_ASSERT_SUCCESS(inject_past(delete_vm_0), "traffic");
	stats = loop_uplink_stats();
	TEST_ASSERT(stats.rx_drops.by_reason[AIRLOCK_DROP_UNKNOWN_MAC] > 0, "nobody's any more");
	memcpy(loop.rx_drops, stats.rx_drops.by_reason, sizeof(loop.rx_drops));
	airlock_pool_stats(loop.pool, &pages);
	TEST_ASSERT_EQUAL(pages.pages[AIRLOCK_PAGE_LEASED], 0, "none is leased to nobody");
	TEST_ASSERT_SUCCESS(remap_inject(1, 100, LONG_BYTES), "the other one");
	TEST_ASSERT_SUCCESS(remap_look(1, LONG_BYTES), "the other one");
	return remap_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite remap_quota_suite = {
	.suite_name = "loop_remap_quota",
	.unit_test_cases =
		{
			CASE(test_hoarder_loses_its_own_packets_only),
			CASE(test_short_packets_go_where_there_is_room),
			CASE(test_frames_are_not_mapped_for_each_short_packet),
			CASE(test_shortages_are_some_time_apart),
			CASE(test_window_that_goes_leaves_delivery_by_copy),
			CASE(test_window_goes_under_traffic),
			CASE(test_vm_is_deleted_under_traffic),
			TEST_CASES_END(),
		},
};

static int
test_loop_remap_quota(void)
{
	return unit_test_suite_runner(&remap_quota_suite);
}

REGISTER_FAST_TEST(loop_remap_quota_autotest, true, true, test_loop_remap_quota)
