/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The record of an RX ring, and an engine that is killed. A child serves a split ring, step by step
 * under ptrace(2); whenever an instruction has changed the ring or the record, what memory holds at
 * that moment is copied, and another engine begins with the copy: each buffer that the guest posted
 * has to come back exactly once, and none that it did not.
 *
 * The guest posts less than its ring has entries, so that both rings hold all that ever was.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_errno.h>

#include "airlock_rxring.h"
#include "test.h"

#define SIZE	    32
#define NB_FRAMES   16
#define FRAME_BYTES 4096
#define WINDOW	    UINT64_C(0x7000000000)
#define MEMORY	    UINT64_C(0x100000)
#define MEMORY_ROOM (SIZE * UINT64_C(2048))

/* What outlives the engine. */
struct stage {
	struct vring_desc desc[SIZE] __rte_aligned(16);
	uint8_t avail[4 + 2 * SIZE + 2] __rte_aligned(16);
	uint8_t used[4 + 8 * SIZE + 2] __rte_aligned(16);
	struct airlock_rxring_record record __rte_aligned(64);
	uint8_t given[NB_FRAMES]; /* of the record */
};

static const struct airlock_page_partition all = {.name = "record", .nb_frames = NB_FRAMES};
static struct airlock_page_table *pages;
static uint8_t *pool;
static uint8_t *memory;
static struct stage *live, *before, *copy;
static uint32_t nb_moments;
static uint64_t owner = 7;

static struct vring_avail *
avail_of(struct stage *stage)
{
	return (struct vring_avail *)stage->avail;
}

static struct vring_used *
used_of(struct stage *stage)
{
	return (struct vring_used *)stage->used;
}

static void *
translate(void *arg, uint64_t addr, uint64_t *len)
{
	if (addr < MEMORY || addr - MEMORY >= MEMORY_ROOM)
		return NULL;
	*len = RTE_MIN(*len, MEMORY + MEMORY_ROOM - addr);
	return memory + (addr - MEMORY);
}

/* As rte_vhost has it: both indexes are the used ring's. */
static struct airlock_rxring *
serve(struct stage *stage)
{
	const struct airlock_rxring_window window = {.guest_addr = WINDOW,
		.bytes = NB_FRAMES * FRAME_BYTES,
		.nb_frames = NB_FRAMES,
		.owner = owner};
	const struct airlock_rxring_vring vring = {
		.size = SIZE,
		.desc = stage->desc,
		.avail = avail_of(stage),
		.used = used_of(stage),
		.features = RTE_BIT64(VIRTIO_F_VERSION_1) | RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF),
		.last_avail = used_of(stage)->idx,
		.last_used = used_of(stage)->idx,
		.translate = translate,
	};
	struct airlock_rxring *ring = airlock_rxring_create(pages);

	if (ring == NULL)
		return NULL;
	airlock_rxring_set_record(ring, &stage->record, &all);
	if (airlock_rxring_set_window(ring, &window) == 0 &&
		airlock_rxring_attach(ring, &vring) == 0)
		return ring;
	airlock_rxring_destroy(ring);
	return NULL;
}

/* A frame, or a private buffer with the id's number. */
static void
post(uint16_t id, bool is_frame, uint16_t frame)
{
	struct vring_avail *avail = avail_of(live);

	live->desc[id] = (struct vring_desc){
		.addr = is_frame ? WINDOW + frame * FRAME_BYTES + AIRLOCK_RXRING_FRAME_OFFSET
				 : MEMORY + id * 2048,
		.len = is_frame ? FRAME_BYTES - AIRLOCK_RXRING_FRAME_OFFSET : 2048,
		.flags = VRING_DESC_F_WRITE,
	};
	avail->ring[avail->idx % SIZE] = id;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

static struct rte_mbuf
packet(uint32_t frame)
{
	return (struct rte_mbuf){
		.buf_addr = pool + frame * FRAME_BYTES,
		.data_off = RTE_PKTMBUF_HEADROOM,
		.nb_segs = 1,
		.data_len = 60,
		.pkt_len = 60,
	};
}

static void
put(struct airlock_rxring *ring, uint32_t frame)
{
	struct rte_mbuf m = packet(frame);

	airlock_rxring_put_frame(ring, &m, frame);
}

/* What the child does: frames out of order, copies, ids and frames that come again. */
static void
play(struct airlock_rxring *ring)
{
	struct rte_mbuf m = packet(NB_FRAMES - 1);
	uint32_t frames[SIZE];

	for (uint16_t i = 0; i < 10; i++)
		post(i, i % 3 != 0, i);
	airlock_rxring_poll(ring, frames, SIZE);
	put(ring, 7);
	put(ring, 2);
	airlock_rxring_put_copy(ring, &m);
	airlock_rxring_publish(ring);
	post(2, true, 11);
	post(7, false, 0);
	airlock_rxring_poll(ring, frames, SIZE);
	put(ring, 11);
	put(ring, 5);
	airlock_rxring_publish(ring);
	for (uint16_t i = 12; i < 16; i++)
		post(i, false, 0);
	post(5, true, 2);
	airlock_rxring_poll(ring, frames, 3);
	airlock_rxring_put_copy(ring, &m);
	airlock_rxring_put_copy(ring, &m);
	put(ring, 1);
	airlock_rxring_publish(ring);
	airlock_rxring_poll(ring, frames, SIZE);
}

/* Times that each id was offered, less the times that it came back. */
static void
count_ids(struct stage *stage, int counts[SIZE])
{
	memset(counts, 0, SIZE * sizeof(counts[0]));
	for (uint16_t i = 0; i < avail_of(stage)->idx; i++)
		counts[avail_of(stage)->ring[i]]++;
	for (uint16_t i = 0; i < used_of(stage)->idx; i++)
		counts[used_of(stage)->ring[i].id]--;
}

/* The engine has stopped here; another one goes on. */
static int
recover(void)
{
	struct airlock_rxring *ring;
	uint32_t frames[SIZE];
	uint16_t last_avail, last_used;
	int counts[SIZE];

	*copy = *live;
	ring = serve(copy);
	TEST_ASSERT_NOT_NULL(ring, "moment %u", nb_moments);
	airlock_rxring_poll(ring, frames, SIZE);
	TEST_ASSERT(!airlock_rxring_is_broken(ring), "moment %u", nb_moments);
	airlock_rxring_detach(ring, &last_avail, &last_used);
	airlock_rxring_destroy(ring);
	TEST_ASSERT_EQUAL(last_used, avail_of(copy)->idx, "moment %u: all are back", nb_moments);
	count_ids(copy, counts);
	for (unsigned int id = 0; id < SIZE; id++) {
		TEST_ASSERT_EQUAL(counts[id], 0, "moment %u: id %u", nb_moments, id);
		TEST_ASSERT_EQUAL(
			copy->record.outstanding[id], 0, "moment %u: id %u", nb_moments, id);
	}
	nb_moments++;
	return TEST_SUCCESS;
}

/* A frame whose packet the guest can see is given. */
static int
check_given(void)
{
	for (uint16_t i = 0; i < used_of(live)->idx; i++) {
		const struct vring_used_elem *elem = &used_of(live)->ring[i];
		uint64_t offset = live->desc[elem->id].addr - WINDOW;
		bool again = false;

		for (uint16_t k = 0; k < avail_of(live)->idx; k++)
			again |= k >= 10 && avail_of(live)->ring[k] == elem->id;
		if (elem->len == 0 || offset >= NB_FRAMES * FRAME_BYTES || again ||
			live->record.outstanding[elem->id] != 0 || elem->id == 2 || elem->id == 5 ||
			elem->id == 7)
			continue;
		TEST_ASSERT(live->given[offset / FRAME_BYTES], "moment %u: frame", nb_moments);
	}
	return TEST_SUCCESS;
}

static int
step_through(pid_t child)
{
	int status;

	TEST_ASSERT_EQUAL(waitpid(child, &status, 0), child, "stopped");
	while (WIFSTOPPED(status)) {
		if (memcmp(before, live, sizeof(*live)) != 0) {
			*before = *live;
			TEST_ASSERT_SUCCESS(check_given(), "given");
			TEST_ASSERT_SUCCESS(recover(), "recover");
		}
		TEST_ASSERT_SUCCESS(
			ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), "step: %s", strerror(errno));
		TEST_ASSERT_EQUAL(waitpid(child, &status, 0), child, "stepped");
	}
	TEST_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child: status %d", status);
	return TEST_SUCCESS;
}

static void *
shared(size_t bytes)
{
	void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return area != MAP_FAILED ? area : NULL;
}

static int
setup(void)
{
	pool = shared(NB_FRAMES * FRAME_BYTES);
	memory = shared(MEMORY_ROOM);
	live = shared(sizeof(*live));
	before = shared(sizeof(*before));
	copy = shared(sizeof(*copy));
	TEST_ASSERT(
		pool != NULL && memory != NULL && live != NULL && before != NULL && copy != NULL,
		"memory");
	pages = airlock_page_table_create(pool, NB_FRAMES, 1, &all, 1);
	TEST_ASSERT_NOT_NULL(pages, "%s", rte_strerror(rte_errno));
	nb_moments = 0;
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	airlock_page_table_destroy(pages);
	pages = NULL;
	munmap(pool, NB_FRAMES * FRAME_BYTES);
	munmap(memory, MEMORY_ROOM);
	munmap(live, sizeof(*live));
	munmap(before, sizeof(*before));
	munmap(copy, sizeof(*copy));
}

static int
test_killed_at_any_instruction(void)
{
	struct airlock_rxring *ring = serve(live);
	pid_t child;
	int ret;

	TEST_ASSERT_NOT_NULL(ring, "engine");
	*before = *live;
	child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		raise(SIGSTOP);
		play(ring);
		_exit(0);
	}
	TEST_ASSERT(child > 0, "%s", strerror(errno));
	ret = step_through(child);
	if (ret != TEST_SUCCESS) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	airlock_rxring_destroy(ring);
	TEST_ASSERT_SUCCESS(ret, "step through");
	TEST_ASSERT(nb_moments > 100, "%u moments", nb_moments);
	return TEST_SUCCESS;
}

/* What a record says of another guest's ring is not believed. */
static int
test_a_record_of_another_ring_is_not_used(void)
{
	struct airlock_rxring *ring = serve(live);
	uint32_t frames[SIZE];

	TEST_ASSERT_NOT_NULL(ring, "engine");
	play(ring);
	airlock_rxring_destroy(ring);
	*copy = *live;
	/* The id that is outstanding longest has another buffer. */
	copy->desc[4].addr += FRAME_BYTES;
	ring = serve(copy);
	TEST_ASSERT_NOT_NULL(ring, "engine");
	TEST_ASSERT_EQUAL(copy->record.avail_idx, used_of(copy)->idx, "where rte_vhost says");
	for (unsigned int id = 0; id < SIZE; id++)
		TEST_ASSERT_EQUAL(copy->record.outstanding[id], 0, "id %u", id);
	airlock_rxring_destroy(ring);
	/* A guest that has only begun. */
	*copy = *live;
	avail_of(copy)->idx = 4;
	used_of(copy)->idx = 0;
	ring = serve(copy);
	TEST_ASSERT_NOT_NULL(ring, "engine");
	airlock_rxring_poll(ring, frames, SIZE);
	TEST_ASSERT_EQUAL(copy->record.avail_idx, 4, "all that it has posted");
	airlock_rxring_destroy(ring);
	return TEST_SUCCESS;
}

static unsigned int
nb_given(const struct airlock_rxring *ring)
{
	unsigned int nb = 0;

	for (uint32_t i = 0; i < NB_FRAMES; i++)
		nb += airlock_rxring_was_given(ring, i);
	return nb;
}

static int
test_what_an_earlier_process_was_given_is_forgotten(void)
{
	struct airlock_rxring *ring = serve(live);
	unsigned int nb;

	TEST_ASSERT_NOT_NULL(ring, "engine");
	play(ring);
	nb = nb_given(ring);
	TEST_ASSERT(nb > 0, "nothing was given");
	airlock_rxring_destroy(ring);
	ring = serve(live);
	TEST_ASSERT_NOT_NULL(ring, "engine");
	TEST_ASSERT_EQUAL(nb_given(ring), nb, "the same process again");
	airlock_rxring_destroy(ring);
	owner++;
	ring = serve(live);
	TEST_ASSERT_NOT_NULL(ring, "engine");
	TEST_ASSERT_EQUAL(nb_given(ring), 0, "another one");
	airlock_rxring_destroy(ring);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static const struct unit_test_suite rxring_record_suite = {
	.suite_name = "rxring_record",
	.unit_test_cases =
		{
			CASE(test_killed_at_any_instruction),
			CASE(test_a_record_of_another_ring_is_not_used),
			CASE(test_what_an_earlier_process_was_given_is_forgotten),
			TEST_CASES_END(),
		},
};

static int
test_rxring_record(void)
{
	return unit_test_suite_runner(&rxring_record_suite);
}

REGISTER_FAST_TEST(rxring_record_autotest, true, true, test_rxring_record)
