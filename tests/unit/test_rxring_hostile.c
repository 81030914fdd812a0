/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX ring engine with a guest that writes anything anywhere in its rings: nothing is asked but
 * that the engine comes back from every call and takes in no more than a ring holds.
 *
 * The seed is fixed, so a run can be had again.
 */

#include <linux/virtio_ring.h>

#include "test_rxring_random.h"

#define NB_HOSTILE 20000

/* Values that mean something somewhere in a ring. */
static uint64_t
odd_value(void)
{
	const uint64_t values[] = {0, 1, 2, 3, 4, 7, 0x80, 0x8000, 0x8082, 0x7fff, 0xffff, 63, 64,
		guest_frame_addr(300, 116), guest_frame_addr(300, 4096 + 116), GUEST_WINDOW,
		guest_frame_addr(GUEST_FRAMES, 0) - 1, GUEST_MEMORY, GUEST_MEMORY + 4096,
		GUEST_MEMORY + GUEST_BYTES - 100, GUEST_MEMORY + GUEST_REGION_BYTES - 100, 2048,
		UINT64_MAX, UINT32_MAX};

	if (pick(4) == 0)
		return (uint64_t)pick(UINT32_MAX) << 32 | pick(UINT32_MAX);
	return values[pick(RTE_DIM(values))];
}

static void
spoil(void)
{
	static const size_t widths[] = {1, 2, 4, 8};
	size_t used_bytes = guest.conf.size * 32 + 64;

	for (uint32_t n = pick(8); n > 0; n--) {
		size_t width = widths[pick(RTE_DIM(widths))], at = pick(used_bytes / width) * width;
		uint64_t value = odd_value();

		memcpy(&guest.rings[at], &value, width);
	}
	/* Now and then what is next is offered as it should be. */
	if (pick(2) == 0)
		guest_post_private(pick(64), 2048);
	if (pick(4) == 0)
		guest_post_frame(GUEST_FIRST_FRAME + pick(200));
}

static int
hostile_use(void)
{
	uint32_t frames[GUEST_MAX_SIZE];
	uint16_t n = airlock_rxring_poll(guest.ring, frames, 64);

	TEST_ASSERT(n <= 64, "no more than asked for");
	TEST_ASSERT(airlock_rxring_nb_private(guest.ring) <= guest.conf.size, "no more than fit");
	for (uint16_t i = 0; i < n; i++) {
		TEST_ASSERT(airlock_rxring_has_frame(guest.ring, frames[i]), "frame");
		TEST_ASSERT(frames[i] >= GUEST_FIRST_FRAME && frames[i] < GUEST_FRAMES, "range");
	}
	for (uint32_t i = pick(8); i > 0; i--) {
		struct rte_mbuf *m = guest_packet(60 + pick(3000), i, 1 + pick(2));
		uint32_t frame = pick(GUEST_FRAMES);

		if (airlock_rxring_has_frame(guest.ring, frame))
			airlock_rxring_copy_to_frame(guest.ring, m, frame);
		airlock_rxring_put_copy(guest.ring, m);
		rte_pktmbuf_free(m);
	}
	airlock_rxring_publish(guest.ring);
	return TEST_SUCCESS;
}

static int
hostile_restart(void)
{
	uint16_t last_avail, last_used;

	airlock_rxring_detach(guest.ring, &last_avail, &last_used);
	TEST_ASSERT_EQUAL(last_avail, last_used, "nothing is outstanding");
	guest.vring.last_avail = guest.vring.last_used = last_avail;
	guest.avail_idx = last_avail & (guest.conf.packed ? INT16_MAX : UINT16_MAX);
	guest.avail_wrap = guest.conf.packed && (last_avail & 0x8000) != 0;
	memset(guest.buffers, 0, sizeof(guest.buffers));
	guest.nb_free = guest.conf.size;
	if (!guest.conf.packed)
		guest.vring.avail->idx = last_avail;
	return guest_attach();
}

static int
test_a_guest_that_writes_anything(void)
{
	uint32_t nb_broken = 0;

	for (unsigned int i = 0; i < RTE_DIM(variants); i++) {
		TEST_ASSERT_SUCCESS(guest_open(&variants[i]), "variant %u", i);
		random_seed = 100 + i;
		for (uint32_t n = 0; n < NB_HOSTILE; n++) {
			spoil();
			TEST_ASSERT_SUCCESS(hostile_use(), "variant %u, step %u", i, n);
			nb_broken += airlock_rxring_is_broken(guest.ring);
			if (airlock_rxring_is_broken(guest.ring) || guest.nb_free == 0)
				TEST_ASSERT_SUCCESS(hostile_restart(), "variant %u", i);
		}
		guest_close();
	}
	TEST_ASSERT(nb_broken > 100, "broken %u times: not hostile enough", nb_broken);
	return TEST_SUCCESS;
}

static const struct unit_test_suite rxring_hostile_suite = {
	.suite_name = "rxring_hostile",
	.unit_test_cases =
		{
			CASE(test_a_guest_that_writes_anything),
			TEST_CASES_END(),
		},
};

static int
test_rxring_hostile(void)
{
	return unit_test_suite_runner(&rxring_hostile_suite);
}

REGISTER_FAST_TEST(rxring_hostile_autotest, true, true, test_rxring_hostile)
