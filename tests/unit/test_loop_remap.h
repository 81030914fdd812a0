/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_LOOP_REMAP_H
#define TEST_LOOP_REMAP_H

/**
 * @file
 * What the loop tests of remapping share: a pool as small as it may be, guests whose rings hold all
 * of its frames, and an end at which every frame is back.
 *
 * A guest touches a frame between its receipt and loop_forget(), never after: it would stall.
 *
 * Thread rule: main thread.
 */

#include "loop.h"
#include "pipeline_priv.h"

/** Frames of the pool, and of its one partition: the last one is the header's. */
#define REMAP_POOL_FRAMES 1024
#define REMAP_FRAMES	  (REMAP_POOL_FRAMES - 1)
/** Of a guest with a window: all frames, and as many private buffers again. */
#define REMAP_RING 2048

#define REMAP_GUEST .deliver = AIRLOCK_DELIVER_REMAP, .window = true, .ring_size = REMAP_RING
#define REMAP_LOOP  .nb_frames = REMAP_POOL_FRAMES, .nb_desc = 256

static const struct rte_ether_addr remap_stranger = {{0x02, 0, 0, 0, 0, 0x99}};

static inline struct airlock_remap_stats
remap_stats(unsigned int idx)
{
	return loop_vm_stats(idx).window;
}

static inline bool
remap_all_posted(unsigned int idx)
{
	struct airlock_rxring *ring =
		airlock_vnic_rxring(vm_get(loop.pipeline, loop.vms[idx].vm_id)->vnic, 0);

	if (ring == NULL || airlock_rxring_nb_private(ring) != REMAP_RING - REMAP_FRAMES)
		return false;
	for (uint32_t frame = 0; frame < REMAP_FRAMES; frame++) {
		if (!airlock_rxring_has_frame(ring, frame))
			return false;
	}
	return true;
}

/** Open a loop, and wait until the lcore has taken in what the guests with a window posted. */
static inline int
remap_open(const struct loop_conf *conf)
{
	int ret = loop_open(conf);

	for (unsigned int i = 0; ret == TEST_SUCCESS && i < conf->nb_vms; i++) {
		if (conf->vms[i].window)
			TEST_ASSERT(LOOP_UNTIL(remap_all_posted(i)), "VM %u has not posted all", i);
	}
	return ret;
}

/** Inject *nb* packets of *len* bytes for VM *idx*, of which all arrive. */
static inline int
remap_inject(unsigned int idx, uint32_t nb, uint32_t len)
{
	struct loop_packet packet = {
		.dst = loop.vms[idx].mac,
		.src = remap_stranger,
		.len = len,
	};

	for (uint32_t i = 0; i < nb; i++) {
		packet.seq = loop.vms[idx].want++;
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	}
	return TEST_SUCCESS;
}

/** Wait, look at every byte of what VM *idx* got since it was looked at last, and free it. */
static inline int
remap_look(unsigned int idx, uint32_t len)
{
	struct loop_sink *sink = &loop.vms[idx].sink;
	struct loop_packet packet = {
		.dst = loop.vms[idx].mac,
		.src = remap_stranger,
		.len = len,
	};

	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (uint32_t i = 0; i < sink->n; i++) {
		packet.seq = sink->total - sink->n + i;
		TEST_ASSERT(loop_packet_is(sink->mbufs[i], &packet), "VM %u: packet %u", idx,
			packet.seq);
	}
	loop_forget(sink);
	return TEST_SUCCESS;
}

static inline bool
remap_all_back(void)
{
	for (unsigned int i = 0; i < loop.conf.nb_vms; i++) {
		if (loop.vms[i].vm_id >= 0 && remap_stats(i).table.held != 0)
			return false;
	}
	return true;
}

static inline int
remap_verify(void)
{
	struct airlock_pipeline_verdict verdict;
	int ret = airlock_pipeline_verify(loop.pipeline, &verdict);

	TEST_ASSERT(ret == 0 || verdict.nb_wrong == 0,
		"%s: page %u is %s, tag %u, and %s in the window; %u in all", verdict.vm,
		verdict.fault.page, airlock_page_state_name(verdict.fault.state), verdict.fault.tag,
		verdict.fault.present ? "there" : "not there", verdict.nb_wrong);
	return TEST_SUCCESS;
}

/** Look at the windows, unplug all guests, and hold every counter and frame against what was. */
static inline int
remap_check(void)
{
	struct airlock_pipeline_verdict verdict;

	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(remap_verify(), "with the windows up");
	for (unsigned int i = 0; i < loop.conf.nb_vms; i++) {
		loop_forget(&loop.vms[i].sink);
		if (!loop.vms[i].plugged)
			continue;
		TEST_ASSERT_SUCCESS(loop_unplug(i), "VM %u", i);
		if (loop.vms[i].vm_id >= 0)
			TEST_ASSERT_SUCCESS(loop_wait_up(i, false), "VM %u", i);
	}
	TEST_ASSERT(LOOP_UNTIL(remap_all_back()), "every frame is back");
	TEST_ASSERT_SUCCESS(loop_check(), "counters");
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_verify(loop.pipeline, &verdict), "%u lost", verdict.pool.nb_lost);
	return TEST_SUCCESS;
}

/** Take what airlock says that a VM got for what it had to get, where the test cannot know. */
static inline void
remap_believe(unsigned int idx)
{
	const struct airlock_pipeline_vm_stats stats = loop_vm_stats(idx);
	struct loop_vm *vm = &loop.vms[idx];

	vm->want = vm->sink.total = stats.delivered.packets;
	vm->sink.bytes = stats.delivered.bytes;
}

#endif /* TEST_LOOP_REMAP_H */
