/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX ring engine and a guest that breaks the rules: what is refused comes back empty and is
 * counted, what no ring can mean stops the ring.
 */

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "rxring_guest.h"

#define IN_FRAME guest_frame_addr

static int
for_both_with(int (*run)(void), uint8_t frame_pages)
{
	for (unsigned int packed = 0; packed < 2; packed++) {
		TEST_ASSERT_SUCCESS(guest_open(&(struct guest_conf){
					    .packed = packed, .frame_pages = frame_pages}),
			"open");
		TEST_ASSERT_SUCCESS(run(), "packed %u", packed);
		guest_close();
	}
	return TEST_SUCCESS;
}

static int
for_both(int (*run)(void))
{
	return for_both_with(run, 1);
}

/* One buffer was offered that is refused for this reason alone. */
static int
check_refused(int id, enum airlock_rxring_refusal refusal)
{
	const char *name = airlock_rxring_refusal_name(refusal);
	uint64_t before[AIRLOCK_RXRING_REFUSALS];
	uint32_t nb_private = airlock_rxring_nb_private(guest.ring), len;
	uint16_t used_id;

	TEST_ASSERT(id >= 0, "posted");
	for (unsigned int i = 0; i < AIRLOCK_RXRING_REFUSALS; i++)
		before[i] = airlock_rxring_refused(guest.ring, i);
	TEST_ASSERT_EQUAL(guest_poll(), 0, "%s: no frame", name);
	airlock_rxring_publish(guest.ring);
	TEST_ASSERT(guest_take(&used_id, &len), "%s: back", name);
	TEST_ASSERT_EQUAL(used_id, id, "%s: id", name);
	TEST_ASSERT_EQUAL(len, 0, "%s: empty", name);
	for (unsigned int i = 0; i < AIRLOCK_RXRING_REFUSALS; i++)
		TEST_ASSERT_EQUAL(airlock_rxring_refused(guest.ring, i), before[i] + (i == refusal),
			"%s: count of %s", name, airlock_rxring_refusal_name(i));
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), nb_private, "not kept");
	TEST_ASSERT(airlock_rxring_is_usable(guest.ring), "the ring goes on");
	return TEST_SUCCESS;
}

#define REFUSED(id, refusal) \
	TEST_ASSERT_SUCCESS(check_refused(id, AIRLOCK_RXRING_##refusal), #refusal)

static int
run_frames(void)
{
	REFUSED(guest_post(IN_FRAME(300, 115), GUEST_POSTED_BYTES + 1), OFFSET);
	REFUSED(guest_post(IN_FRAME(300, 117), GUEST_POSTED_BYTES), OFFSET);
	REFUSED(guest_post(IN_FRAME(300, 0), GUEST_FRAME_BYTES), OFFSET);
	REFUSED(guest_post(IN_FRAME(300, 116), GUEST_POSTED_BYTES - 1), SHORT);
	REFUSED(guest_post(IN_FRAME(300, 116), 0), SHORT);
	REFUSED(guest_post_frame(GUEST_FIRST_FRAME - 1), FOREIGN);
	REFUSED(guest_post_frame(0), FOREIGN);
	REFUSED(guest_post_flags(IN_FRAME(300, 116), GUEST_POSTED_BYTES, 0), READ_ONLY);
	REFUSED(guest_post_chain(IN_FRAME(300, 116), GUEST_POSTED_BYTES, 2), CHAIN);
	REFUSED(guest_post_flags(IN_FRAME(300, 116), GUEST_POSTED_BYTES,
			VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT),
		CHAIN);
	/* Behind the window, and in front of it. */
	REFUSED(guest_post_frame(GUEST_FRAMES), ADDRESS);
	REFUSED(guest_post(GUEST_WINDOW - GUEST_FRAME_BYTES + 116, GUEST_POSTED_BYTES), ADDRESS);
	REFUSED(guest_post(GUEST_WINDOW - 1, GUEST_POSTED_BYTES), ADDRESS);
	guest_post_frame(300);
	TEST_ASSERT_EQUAL(guest_poll(), 1, "a good one");
	REFUSED(guest_post_frame(300), TWICE);
	guest_post_frame(GUEST_FIRST_FRAME);
	guest_post_frame(GUEST_FRAMES - 1);
	guest_post(IN_FRAME(301, 116), UINT32_MAX);
	TEST_ASSERT_EQUAL(guest_poll(), 3, "the first, the last, a long one");
	return TEST_SUCCESS;
}

static int
test_frames_that_are_refused(void)
{
	for (uint8_t pages = 1; pages < AIRLOCK_FRAME_MAX_PAGES; pages++)
		TEST_ASSERT_SUCCESS(for_both_with(run_frames, pages), "frames of %u", pages);
	return TEST_SUCCESS;
}

/* Where a frame would begin if it had one page, two, or four; in frames of three. */
static int
run_other_sizes(void)
{
	for (uint32_t page = 3 * GUEST_FIRST_FRAME; page < 3 * GUEST_FIRST_FRAME + 24; page++) {
		uint64_t addr = GUEST_WINDOW + page * UINT64_C(4096) + 116;

		if (page % 3 != 0)
			REFUSED(guest_post(addr, GUEST_POSTED_BYTES), OFFSET);
	}
	/* The end of the frame before, as the start of one that is. */
	REFUSED(guest_post(IN_FRAME(300, 0) - 1, GUEST_POSTED_BYTES), OFFSET);
	REFUSED(guest_post(IN_FRAME(300, GUEST_FRAME_BYTES - 1), GUEST_POSTED_BYTES), OFFSET);
	/* The page is one that the partition's frames would have if each had one. */
	REFUSED(guest_post(GUEST_WINDOW + GUEST_FIRST_FRAME * UINT64_C(4096) + 116,
			GUEST_POSTED_BYTES),
		OFFSET);
	REFUSED(guest_post_frame(GUEST_FIRST_FRAME / 3), FOREIGN);
	REFUSED(guest_post_frame(GUEST_FIRST_FRAME - 1), FOREIGN);
	/* As much as a frame of two pages, or of one, has. */
	REFUSED(guest_post(IN_FRAME(300, 116), 2 * 4096 - 116), SHORT);
	REFUSED(guest_post(IN_FRAME(300, 116), 4096 - 116), SHORT);
	guest_post_frame(300);
	TEST_ASSERT_EQUAL(guest_poll(), 1, "a good one");
	return TEST_SUCCESS;
}

static int
test_frames_of_another_size_are_refused(void)
{
	return for_both_with(run_other_sizes, 3);
}

/* A window of the whole pool, whose last frame has two pages and is not the partition's. */
static int
run_cut_short(void)
{
	struct airlock_rxring_window window = {
		.guest_addr = GUEST_WINDOW,
		.bytes = guest.pages->bytes - 4096,
		.first_frame = GUEST_FIRST_FRAME,
		.nb_frames = GUEST_FRAMES - 1 - GUEST_FIRST_FRAME,
	};

	TEST_ASSERT_SUCCESS(airlock_rxring_set_window(guest.ring, &window), "window");
	REFUSED(guest_post_frame(GUEST_FRAMES - 1), FOREIGN);
	REFUSED(guest_post(IN_FRAME(GUEST_FRAMES - 1, 116), 4096 - 116), SHORT);
	REFUSED(guest_post(IN_FRAME(GUEST_FRAMES - 1, 4096), GUEST_POSTED_BYTES), OFFSET);
	REFUSED(guest_post(GUEST_WINDOW + window.bytes - 1, GUEST_POSTED_BYTES), OFFSET);
	REFUSED(guest_post(GUEST_WINDOW + window.bytes + 116, GUEST_POSTED_BYTES), ADDRESS);
	guest_post_frame(GUEST_FRAMES - 2);
	TEST_ASSERT_EQUAL(guest_poll(), 1, "the last that is whole");
	return TEST_SUCCESS;
}

static int
test_end_of_the_pool_that_is_no_frame_is_refused(void)
{
	return for_both_with(run_cut_short, 3);
}

static int
run_private(void)
{
	uint64_t end = GUEST_MEMORY + GUEST_BYTES;

	REFUSED(guest_post(GUEST_MEMORY, 71), SHORT);
	REFUSED(guest_post(GUEST_MEMORY, 0), SHORT);
	REFUSED(guest_post(0, 2048), ADDRESS);
	REFUSED(guest_post(GUEST_MEMORY - 1, 2048), ADDRESS);
	REFUSED(guest_post(end - 2047, 2048), ADDRESS);
	REFUSED(guest_post(end, 2048), ADDRESS);
	REFUSED(guest_post(GUEST_MEMORY, UINT32_MAX), ADDRESS);
	REFUSED(guest_post(UINT64_MAX - 100, 2048), ADDRESS);
	REFUSED(guest_post(UINT64_MAX, UINT32_MAX), ADDRESS);
	REFUSED(guest_post_flags(GUEST_MEMORY, 2048, 0), READ_ONLY);
	REFUSED(guest_post_chain(GUEST_MEMORY, 2048, 2), CHAIN);
	REFUSED(guest_post_chain(GUEST_MEMORY, 2048, 63), CHAIN);
	REFUSED(guest_post_chain(GUEST_MEMORY, 2048, 64), CHAIN);
	REFUSED(guest_post_flags(GUEST_MEMORY, 2048, VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT),
		CHAIN);
	guest_post(GUEST_MEMORY, 72);
	guest_post(end - 2048, 2048);
	TEST_ASSERT_EQUAL(guest_poll(), 0, "no frames");
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 2, "good ones");
	return TEST_SUCCESS;
}

static int
test_private_buffers_that_are_refused(void)
{
	return for_both(run_private);
}

/* A header of 10 bytes puts the data elsewhere. */
static int
test_frames_need_the_long_header(void)
{
	struct rte_mbuf *m;
	uint32_t len;
	uint16_t id;

	TEST_ASSERT_SUCCESS(guest_open(&(struct guest_conf){.legacy = true}), "open");
	REFUSED(guest_post_frame(300), OFFSET);
	guest_post_private(0, 2048);
	guest_poll();
	m = guest_packet(100, 3, 1);
	TEST_ASSERT_SUCCESS(airlock_rxring_put_copy(guest.ring, m), "copy");
	rte_pktmbuf_free(m);
	airlock_rxring_publish(guest.ring);
	TEST_ASSERT(guest_take(&id, &len), "used");
	TEST_ASSERT_EQUAL(len, 110, "header of 10 bytes");
	TEST_ASSERT(guest_is_packet(guest_at(GUEST_MEMORY + 10), 100, 3, 0), "bytes");
	return TEST_SUCCESS;
}

/* The ring stands still until it is attached again; what was posted before comes back. */
static int
check_broken(void)
{
	uint16_t last_avail, last_used, id;
	uint32_t len;

	TEST_ASSERT_EQUAL(guest_poll(), 0, "no frame");
	TEST_ASSERT(airlock_rxring_is_broken(guest.ring), "broken");
	TEST_ASSERT(!airlock_rxring_is_usable(guest.ring), "not to be used");
	guest_post_frame(310);
	TEST_ASSERT_EQUAL(guest_poll(), 0, "nothing is taken in any more");
	airlock_rxring_detach(guest.ring, &last_avail, &last_used);
	TEST_ASSERT_EQUAL(last_avail, last_used, "nothing is outstanding");
	TEST_ASSERT(guest_take(&id, &len) && id != UINT16_MAX && len == 0, "the good one");
	TEST_ASSERT(!guest_take(&id, &len), "no more");
	return TEST_SUCCESS;
}

static int
open_with_one(bool packed)
{
	TEST_ASSERT_SUCCESS(guest_open(&(struct guest_conf){.packed = packed}), "open");
	guest_post_private(0, 2048);
	guest_poll();
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 1, "a good one");
	return TEST_SUCCESS;
}

static int
test_an_index_that_jumps_breaks_a_split_ring(void)
{
	static const uint16_t jumps[] = {64, 65, 1000, 0x8000, UINT16_MAX};

	for (unsigned int i = 0; i < RTE_DIM(jumps); i++) {
		TEST_ASSERT_SUCCESS(open_with_one(false), "open");
		/* 63 is the most that may follow the one that is posted. */
		guest.vring.avail->idx += jumps[i];
		TEST_ASSERT_SUCCESS(check_broken(), "jump of %u", jumps[i]);
	}
	TEST_ASSERT_SUCCESS(open_with_one(false), "open");
	guest.vring.avail->idx += 63;
	guest_poll();
	TEST_ASSERT(airlock_rxring_is_usable(guest.ring), "as many as there are");
	return TEST_SUCCESS;
}

static int
test_a_wrong_descriptor_number_breaks_a_split_ring(void)
{
	static const uint16_t ids[] = {64, 0x8000, UINT16_MAX};

	for (unsigned int i = 0; i < RTE_DIM(ids); i++) {
		TEST_ASSERT_SUCCESS(open_with_one(false), "open");
		guest.vring.avail->ring[guest.avail_idx % 64] = ids[i];
		guest.vring.avail->idx++;
		TEST_ASSERT_SUCCESS(check_broken(), "number %u", ids[i]);
	}
	return TEST_SUCCESS;
}

static int
test_a_wrong_id_breaks_a_packed_ring(void)
{
	static const uint16_t ids[] = {64, 0x8000, UINT16_MAX};

	for (unsigned int i = 0; i < RTE_DIM(ids); i++) {
		TEST_ASSERT_SUCCESS(open_with_one(true), "open");
		guest_post_private(1, 2048);
		guest.vring.desc_packed[1].id = ids[i];
		TEST_ASSERT_SUCCESS(check_broken(), "id %u", ids[i]);
	}
	return TEST_SUCCESS;
}

static int
test_a_chain_without_end_breaks_a_packed_ring(void)
{
	TEST_ASSERT_SUCCESS(open_with_one(true), "open");
	guest_post_private(1, 2048);
	for (unsigned int i = 0; i < 64; i++)
		guest.vring.desc_packed[i].flags |= VRING_DESC_F_NEXT;
	return check_broken();
}

/* A full ring whose descriptors are all made available once more before any is used. */
static int
test_a_packed_ring_holds_no_more_than_its_size(void)
{
	uint16_t last_avail, last_used;

	TEST_ASSERT_SUCCESS(guest_open(&(struct guest_conf){.packed = true}), "open");
	while (guest_post_private(0, 2048) >= 0)
		;
	guest_poll();
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 64, "full");
	for (unsigned int i = 0; i < 64; i++)
		guest.vring.desc_packed[i].flags =
			VRING_DESC_F_WRITE | 1 << VRING_PACKED_DESC_F_USED;
	guest_poll();
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 64, "no more");
	airlock_rxring_detach(guest.ring, &last_avail, &last_used);
	TEST_ASSERT_EQUAL(last_avail, last_used, "nothing is outstanding");
	return TEST_SUCCESS;
}

static int
attach_with(const struct airlock_rxring_vring *vring)
{
	return airlock_rxring_attach(guest.ring, vring);
}

static int
test_what_is_no_ring_is_not_attached(void)
{
	struct airlock_rxring_vring good, bad;
	uint16_t last;

	TEST_ASSERT_SUCCESS(guest_open(&(struct guest_conf){0}), "open");
	good = guest.vring;
	TEST_ASSERT_EQUAL(attach_with(&good), -EINVAL, "attached already");
	airlock_rxring_detach(guest.ring, &last, &last);
#define BAD(field, value) \
	do { \
		bad = good; \
		bad.field = value; \
		TEST_ASSERT_EQUAL(attach_with(&bad), -EINVAL, #field); \
	} while (0)
	BAD(size, 0);
	BAD(size, 48);
	BAD(size, 65535);
	BAD(last_avail, 1);
	BAD(desc, NULL);
	BAD(avail, NULL);
	BAD(used, NULL);
	BAD(desc, (void *)((uintptr_t)good.desc + 8));
	BAD(used, (void *)((uintptr_t)good.used + 2));
	BAD(packed, true);
	BAD(features, good.features | RTE_BIT64(VIRTIO_F_IN_ORDER));
	TEST_ASSERT_SUCCESS(attach_with(&good), "good");
	TEST_ASSERT_SUCCESS(guest_open(&(struct guest_conf){.packed = true}), "open");
	good = guest.vring;
	airlock_rxring_detach(guest.ring, &last, &last);
	BAD(last_avail, 64);
	BAD(desc_packed, NULL);
	BAD(driver_event, NULL);
	BAD(device_event, NULL);
	BAD(features, 0);
	TEST_ASSERT_SUCCESS(attach_with(&good), "good");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, guest_close, fn)

static const struct unit_test_suite rxring_bad_suite = {
	.suite_name = "rxring_bad",
	.unit_test_cases =
		{
			CASE(test_frames_that_are_refused),
			CASE(test_frames_of_another_size_are_refused),
			CASE(test_end_of_the_pool_that_is_no_frame_is_refused),
			CASE(test_private_buffers_that_are_refused),
			CASE(test_frames_need_the_long_header),
			CASE(test_an_index_that_jumps_breaks_a_split_ring),
			CASE(test_a_wrong_descriptor_number_breaks_a_split_ring),
			CASE(test_a_wrong_id_breaks_a_packed_ring),
			CASE(test_a_chain_without_end_breaks_a_packed_ring),
			CASE(test_a_packed_ring_holds_no_more_than_its_size),
			CASE(test_what_is_no_ring_is_not_attached),
			TEST_CASES_END(),
		},
};

static int
test_rxring_bad(void)
{
	return unit_test_suite_runner(&rxring_bad_suite);
}

REGISTER_FAST_TEST(rxring_bad_autotest, true, true, test_rxring_bad)
