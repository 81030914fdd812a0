/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The order in which the RX ring engine uses private buffers of a split ring with a record: that of
 * their ids, in whatever order they were posted; and a guest that offers one twice.
 */

#include <stdlib.h>

#include <linux/virtio_ring.h>

#include "rxring_guest.h"

#define SIZE	 256
#define BYTES	 2048
#define PACKET	 100
#define NB_BATCH 100

static struct airlock_rxring_record *record;

static void
close_all(void)
{
	guest_close();
	free(record);
	record = NULL;
}

static int
open_recorded(void)
{
	static const struct airlock_page_partition none = {.nb_frames = 0};
	uint16_t last_avail, last_used;

	TEST_ASSERT_SUCCESS(
		guest_open(&(struct guest_conf){.size = SIZE, .mergeable = true}), "open");
	record = calloc(1, airlock_rxring_record_bytes(0));
	TEST_ASSERT_NOT_NULL(record, "no memory");
	airlock_rxring_detach(guest.ring, &last_avail, &last_used);
	airlock_rxring_set_record(guest.ring, record, &none);
	TEST_ASSERT_SUCCESS(guest_attach(), "attach");
	return TEST_SUCCESS;
}

/* The guest of rxring_guest.h takes ids that lie anywhere. */
static int
post(uint16_t nb)
{
	for (uint16_t i = 0; i < nb; i++)
		TEST_ASSERT(guest_post_private(i, BYTES) >= 0, "post %u", i);
	TEST_ASSERT_EQUAL(guest_poll(), 0, "no frame");
	return TEST_SUCCESS;
}

/*
 * Copies go into buffers with ascending ids, beginning behind *last* and going round once at most.
 * *last* becomes the last of them.
 */
static int
copy_ascending(uint16_t nb, int *last)
{
	struct rte_mbuf *m = guest_packet(PACKET, 1, 1);
	int first = *last;
	bool round = false;
	uint32_t len;
	uint16_t id;

	for (uint16_t i = 0; i < nb; i++)
		TEST_ASSERT_SUCCESS(airlock_rxring_put_copy(guest.ring, m), "copy %u", i);
	rte_pktmbuf_free(m);
	airlock_rxring_publish(guest.ring);
	for (uint16_t i = 0; i < nb; i++) {
		TEST_ASSERT(guest_take(&id, &len), "buffer %u", i);
		TEST_ASSERT(id > *last || !round, "id %u of buffer %u behind %d", id, i, *last);
		round |= id < *last;
		*last = id;
	}
	TEST_ASSERT(!round || *last < first, "round and on: from %d to %d", first, *last);
	return TEST_SUCCESS;
}

static int
test_ids_ascend(void)
{
	int last = -1;

	TEST_ASSERT_SUCCESS(open_recorded(), "open");
	TEST_ASSERT_SUCCESS(post(NB_BATCH), "post");
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), NB_BATCH, "all are there");
	TEST_ASSERT_SUCCESS(copy_ascending(NB_BATCH, &last), "all");
	TEST_ASSERT(last >= NB_BATCH - 1, "not round");
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 0, "all are used");
	return TEST_SUCCESS;
}

/* What is in the queue goes first; what comes meanwhile gathers, and goes on behind the last id. */
static int
test_what_gathers_goes_round(void)
{
	int last = -1;

	TEST_ASSERT_SUCCESS(open_recorded(), "open");
	TEST_ASSERT_SUCCESS(post(NB_BATCH), "first");
	TEST_ASSERT_SUCCESS(post(NB_BATCH), "second");
	TEST_ASSERT_SUCCESS(copy_ascending(20, &last), "of the first");
	TEST_ASSERT_SUCCESS(post(20), "third");
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 2 * NB_BATCH, "as before");
	TEST_ASSERT_SUCCESS(copy_ascending(NB_BATCH - 20, &last), "rest of the first");
	TEST_ASSERT_EQUAL(guest_poll(), 0, "no frame");
	TEST_ASSERT_SUCCESS(copy_ascending(NB_BATCH + 20, &last), "second and third");
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), 0, "all are used");
	return TEST_SUCCESS;
}

static int
test_detach_returns_what_gathered(void)
{
	uint16_t last_avail, last_used, id;
	uint32_t len;

	TEST_ASSERT_SUCCESS(open_recorded(), "open");
	TEST_ASSERT_SUCCESS(post(NB_BATCH), "in the queue");
	TEST_ASSERT_SUCCESS(post(NB_BATCH), "gathered");
	airlock_rxring_detach(guest.ring, &last_avail, &last_used);
	for (unsigned int i = 0; i < 2 * NB_BATCH; i++) {
		TEST_ASSERT(guest_take(&id, &len), "buffer %u", i);
		TEST_ASSERT_EQUAL(len, 0, "empty");
	}
	TEST_ASSERT_EQUAL(last_avail, last_used, "indexes");
	return guest_attach();
}

static int
test_offered_twice(void)
{
	struct vring_avail *avail;

	TEST_ASSERT_SUCCESS(open_recorded(), "open");
	TEST_ASSERT(guest_post_private(0, BYTES) >= 0 && guest_post_private(1, BYTES) >= 0, "post");
	avail = guest.vring.avail;
	avail->ring[(uint16_t)(avail->idx - 1) % SIZE] =
		avail->ring[(uint16_t)(avail->idx - 2) % SIZE];
	guest_poll();
	TEST_ASSERT(airlock_rxring_is_broken(guest.ring), "no ring can mean it");
	TEST_ASSERT_EQUAL(guest_poll(), 0, "it is stopped");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, close_all, fn)

static const struct unit_test_suite rxring_order_suite = {
	.suite_name = "rxring_order",
	.unit_test_cases =
		{
			CASE(test_ids_ascend),
			CASE(test_what_gathers_goes_round),
			CASE(test_detach_returns_what_gathered),
			CASE(test_offered_twice),
			TEST_CASES_END(),
		},
};

static int
test_rxring_order(void)
{
	return unit_test_suite_runner(&rxring_order_suite);
}

REGISTER_FAST_TEST(rxring_order_autotest, true, true, test_rxring_order)
