/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The RX ring engine under random use by a guest that keeps to the rules, each step held against a
 * model that knows only which buffers are posted and in which order. Guests that do not keep to
 * them are in test_rxring_hostile.c.
 *
 * The seed is fixed, so a run can be had again.
 */

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_cycles.h>

#include "test_rxring_random.h"

#define NB_STEPS      20000
#define PRIVATE_BYTES 512
#define NB_PRIVATE    4096
#define MAX_EXPECTED  (2 * GUEST_MAX_SIZE)

/* A buffer that is to come back next. */
struct expected {
	uint16_t id;
	uint32_t len;
	const uint8_t *bytes; /* to be looked at; NULL: none */
	uint32_t bytes_len;
	uint32_t seed;
	uint32_t offset;
};

struct model {
	uint16_t posted[GUEST_MAX_SIZE]; /* ids that the engine has not seen yet, in order */
	uint16_t nb_posted;
	uint16_t private[GUEST_MAX_SIZE]; /* ids that it has, in order */
	uint16_t nb_private;
	int frames[GUEST_FRAMES]; /* id, or -1 */
	struct expected used[MAX_EXPECTED];
	uint16_t nb_used;
	uint32_t next_private;
	uint64_t seed;
};

static struct model model;

static void
expect(uint16_t id, uint32_t len)
{
	model.used[model.nb_used++] = (struct expected){.id = id, .len = len};
}

static int
frame_of(uint64_t addr)
{
	return addr >= GUEST_WINDOW ? (int)((addr - GUEST_WINDOW) / GUEST_FRAME_BYTES) : -1;
}

static void
step_post(void)
{
	uint32_t kind = pick(8), frame = GUEST_FIRST_FRAME + pick(GUEST_FRAMES - GUEST_FIRST_FRAME);
	int id;

	if (kind == 0)
		id = guest_post_chain(GUEST_MEMORY, PRIVATE_BYTES, 2 + pick(4));
	else if (kind == 1)
		id = guest_post(GUEST_WINDOW + pick(GUEST_FRAMES * GUEST_FRAME_BYTES),
			pick(GUEST_FRAME_BYTES + 904));
	else if (kind < 5)
		id = guest_post_frame(frame);
	else
		id = guest_post_private(model.next_private++ % NB_PRIVATE, PRIVATE_BYTES);
	if (id >= 0)
		model.posted[model.nb_posted++] = id;
}

/* What the engine has to do with a buffer that it sees. Returns whether it is a frame. */
static bool
model_take(uint16_t id)
{
	const struct guest_buffer *buffer = &guest.buffers[id];
	int frame = frame_of(buffer->addr);

	if (buffer->chain) {
		expect(id, 0);
		return false;
	}
	if (frame < 0) {
		model.private[model.nb_private++] = id;
		return false;
	}
	if ((buffer->addr - GUEST_WINDOW) % GUEST_FRAME_BYTES != AIRLOCK_RXRING_FRAME_OFFSET ||
		buffer->len < GUEST_POSTED_BYTES || frame < GUEST_FIRST_FRAME ||
		model.frames[frame] >= 0) {
		expect(id, 0);
		return false;
	}
	model.frames[frame] = id;
	return true;
}

static int
step_poll(void)
{
	uint32_t frames[GUEST_MAX_SIZE];
	uint16_t max = pick(20), n, seen = 0, nb_frames = 0, nb_descs = 0;

	n = airlock_rxring_poll(guest.ring, frames, max);
	/* A chain that was begun is looked at as a whole. */
	for (; seen < model.nb_posted && nb_descs < max; seen++) {
		uint16_t id = model.posted[seen];

		nb_descs += guest.buffers[id].nb_descs;
		if (!model_take(id))
			continue;
		TEST_ASSERT(nb_frames < n, "a frame is missing");
		TEST_ASSERT_EQUAL(frames[nb_frames++], frame_of(guest.buffers[id].addr), "frame");
	}
	TEST_ASSERT_EQUAL(n, nb_frames, "frames");
	model.nb_posted -= seen;
	memmove(model.posted, &model.posted[seen], model.nb_posted * sizeof(model.posted[0]));
	TEST_ASSERT_EQUAL(airlock_rxring_nb_private(guest.ring), model.nb_private, "private");
	return TEST_SUCCESS;
}

static void
model_copy(uint32_t len)
{
	uint32_t hdr_len = 12, offset = 0;
	uint16_t n = 0;

	while (offset < len || n == 0) {
		uint32_t part = RTE_MIN(len - offset, PRIVATE_BYTES - hdr_len);
		uint16_t id = model.private[n++];

		model.used[model.nb_used++] = (struct expected){
			.id = id,
			.len = hdr_len + part,
			.bytes = guest_at(guest.buffers[id].addr) + hdr_len,
			.bytes_len = part,
			.seed = model.seed,
			.offset = offset,
		};
		offset += part;
		hdr_len = 0;
	}
	model.nb_private -= n;
	memmove(model.private, &model.private[n], model.nb_private * sizeof(model.private[0]));
}

static int
step_copy(void)
{
	uint32_t len = 60 + pick(pick(4) == 0 ? 3000 : 300);
	uint64_t room = (uint64_t)model.nb_private * PRIVATE_BYTES;
	struct rte_mbuf *m = guest_packet(len, ++model.seed, 1 + pick(3));
	int want = 0, ret;

	if (model.nb_private == 0)
		want = -ENOBUFS;
	else if (len + 12 > PRIVATE_BYTES && !guest.conf.mergeable)
		want = -EMSGSIZE;
	else if (len + 12 > room)
		want = -ENOBUFS;
	ret = airlock_rxring_put_copy(guest.ring, m);
	rte_pktmbuf_free(m);
	TEST_ASSERT_EQUAL(ret, want, "%u bytes, %u buffers", len, model.nb_private);
	if (ret == 0)
		model_copy(len);
	return TEST_SUCCESS;
}

static int
step_frame(void)
{
	uint32_t frame = pick(GUEST_FRAMES), len = 60 + pick(3000);
	struct rte_mbuf *m;

	TEST_ASSERT_EQUAL(airlock_rxring_has_frame(guest.ring, frame), model.frames[frame] >= 0,
		"frame %u", frame);
	if (model.frames[frame] < 0)
		return TEST_SUCCESS;
	m = guest_packet(len, ++model.seed, 1);
	TEST_ASSERT_SUCCESS(airlock_rxring_copy_to_frame(guest.ring, m, frame), "copy");
	rte_pktmbuf_free(m);
	model.used[model.nb_used++] = (struct expected){
		.id = model.frames[frame],
		.len = 12 + len,
		.bytes = guest_frame_at(frame, 128),
		.bytes_len = len,
		.seed = model.seed,
	};
	model.frames[frame] = -1;
	return TEST_SUCCESS;
}

static int
take_all(void)
{
	uint32_t len;
	uint16_t id;

	for (uint16_t i = 0; i < model.nb_used; i++) {
		const struct expected *want = &model.used[i];

		TEST_ASSERT(guest_take(&id, &len), "%u of %u", i, model.nb_used);
		TEST_ASSERT_EQUAL(id, want->id, "id");
		TEST_ASSERT_EQUAL(len, want->len, "length");
		if (want->bytes != NULL)
			TEST_ASSERT(guest_is_packet(
					    want->bytes, want->bytes_len, want->seed, want->offset),
				"bytes");
	}
	TEST_ASSERT(!guest_take(&id, &len), "more than was used");
	model.nb_used = 0;
	return TEST_SUCCESS;
}

static int
step_publish(void)
{
	airlock_rxring_publish(guest.ring);
	return take_all();
}

/* In the order of frames, then of private buffers, behind what was used already. */
static int
step_detach(void)
{
	uint16_t last_avail, last_used;

	airlock_rxring_detach(guest.ring, &last_avail, &last_used);
	for (uint32_t frame = 0; frame < GUEST_FRAMES; frame++) {
		if (model.frames[frame] >= 0)
			expect(model.frames[frame], 0);
		model.frames[frame] = -1;
	}
	for (uint16_t i = 0; i < model.nb_private; i++)
		expect(model.private[i], 0);
	model.nb_private = 0;
	TEST_ASSERT_SUCCESS(take_all(), "all of it");
	TEST_ASSERT_EQUAL(last_avail, last_used, "nothing is outstanding");
	guest.vring.last_avail = guest.vring.last_used = last_avail;
	return guest_attach();
}

static int
step(void)
{
	switch (pick(12)) {
	case 0:
	case 1:
	case 2:
		for (uint32_t n = pick(12); n > 0; n--)
			step_post();
		return TEST_SUCCESS;
	case 3:
	case 4:
	case 5:
		return step_poll();
	case 6:
	case 7:
		return step_copy();
	case 8:
	case 9:
		return step_frame();
	case 10:
		return pick(500) == 0 ? step_detach() : step_publish();
	default:
		return step_publish();
	}
}

static int
test_a_good_guest_against_a_model(void)
{
	for (unsigned int i = 0; i < RTE_DIM(variants); i++) {
		TEST_ASSERT_SUCCESS(guest_open(&variants[i]), "variant %u", i);
		memset(&model, 0, sizeof(model));
		memset(model.frames, 0xff, sizeof(model.frames));
		random_seed = i + 1;
		for (uint32_t n = 0; n < NB_STEPS; n++)
			TEST_ASSERT_SUCCESS(step(), "variant %u, step %u", i, n);
		TEST_ASSERT(airlock_rxring_is_usable(guest.ring), "not broken");
		guest_close();
	}
	return TEST_SUCCESS;
}

static const struct unit_test_suite rxring_random_suite = {
	.suite_name = "rxring_random",
	.unit_test_cases =
		{
			CASE(test_a_good_guest_against_a_model),
			TEST_CASES_END(),
		},
};

static int
test_rxring_random(void)
{
	return unit_test_suite_runner(&rxring_random_suite);
}

REGISTER_FAST_TEST(rxring_random_autotest, true, true, test_rxring_random)
