/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A card that does DMA where it should not, where cards are strict: QEMU's edu (edu.h), in the
 * EAL's own VFIO container, as a card is. It reaches frames that no VM has. One that a VM has it
 * neither reads nor writes, which is a fault in the kernel's log; when that one is FREE, it reaches
 * it again.
 *
 * For the lab: on a machine without such a device, bound to vfio-pci, all is skipped.
 */

#include <unistd.h>

#include <linux/vfio.h>

#include <rte_cycles.h>
#include <rte_vfio.h>

#include <airlock_card.h>

#include "dmatable_env.h"
#include "edu.h"
#include "test.h"

static struct dmatable_env env;
static struct window_stub stub;
static uint32_t frames[4]; /* LEASED */
static struct rte_mbuf *posted; /* in the card's hands */
static char name[32];
static bool is_card; /* the EAL has edu */
static struct edu edu;

/* As the EAL does with a card that it probes. */
static int
probe(void)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int fd = -1;

	TEST_ASSERT_SUCCESS(rte_vfio_setup_device(EDU_PCI_DEVICES, name, &fd, &info), "VFIO");
	is_card = true;
	return edu_open(&edu, fd);
}

static int
setup(void)
{
	int ret;

	stub = (struct window_stub){.sock = -1, .uffd = -1};
	posted = NULL;
	is_card = false;
	edu_init(&edu);
	if (!edu_find(name, sizeof(name)))
		return TEST_SKIPPED;
	ret = dmatable_env_init_strict(&env);
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_SUCCESS(probe(), "probe");
	TEST_ASSERT_SUCCESS(airlock_card_attach(env.pages->card), "attach");
	TEST_ASSERT_SUCCESS(
		dmatable_env_open_window(&env, &stub, frames, RTE_DIM(frames)), "window");
	posted = rte_pktmbuf_alloc(airlock_pool_mempool(env.pool, 0));
	TEST_ASSERT_NOT_NULL(posted, "mbuf");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	int fd = edu.fd;

	rte_pktmbuf_free(posted);
	window_stub_fini(&stub);
	dmatable_env_fini(&env);
	/* The EAL closes it. */
	edu.fd = -1;
	edu_close(&edu);
	if (is_card)
		rte_vfio_release_device(EDU_PCI_DEVICES, name, fd);
}

/* IOVA is the address. */
static uint64_t
iova(uint32_t frame)
{
	return (uintptr_t)dmatable_env_addr(&env, frame);
}

static uint32_t
posted_frame(void)
{
	return airlock_page_frame(env.pages, posted->buf_addr);
}

static void
fill(uint32_t frame, int value)
{
	memset(dmatable_env_addr(&env, frame), value, AIRLOCK_PAGE_SIZE);
}

/* Bytes of a frame from its first on that are this one. */
static uint32_t
nb_bytes_of(uint32_t frame, int value)
{
	const char *at = dmatable_env_addr(&env, frame);
	uint32_t n = 0;

	while (n < AIRLOCK_PAGE_SIZE && at[n] == value)
		n++;
	return n;
}

/* It reads the frame, and writes to it. It has 'p' in its buffer afterwards. */
static int
check_reached(uint32_t frame, const char *what)
{
	/* Of earlier tries, there may be more than were waited for. */
	edu_nb_faults(&edu, iova(frame));
	fill(frame, 'p');
	edu_read(&edu, iova(frame));
	fill(frame, '.');
	edu_write(&edu, iova(frame));
	TEST_ASSERT_EQUAL(nb_bytes_of(frame, 'p'), EDU_COPY_BYTES, "%s frame is copied", what);
	TEST_ASSERT_EQUAL(edu_nb_faults(&edu, iova(frame)), 0, "no fault at the %s frame", what);
	return TEST_SUCCESS;
}

/* Neither written nor read, and the kernel says so for each. */
static int
check_out_of_reach(uint32_t frame, const char *what)
{
	fill(frame, 'x');
	rte_delay_us_sleep(EDU_FAULT_PAUSE_US);
	edu_write(&edu, iova(frame));
	TEST_ASSERT_EQUAL(
		nb_bytes_of(frame, 'x'), AIRLOCK_PAGE_SIZE, "%s frame was written to", what);
	TEST_ASSERT(edu_has_fault(&edu, iova(frame)), "a fault at the %s frame", what);
	rte_delay_us_sleep(EDU_FAULT_PAUSE_US);
	edu_read(&edu, iova(frame));
	TEST_ASSERT(edu_has_fault(&edu, iova(frame)), "a fault at the %s frame", what);
	fill(posted_frame(), '.');
	edu_write(&edu, iova(posted_frame()));
	TEST_ASSERT_EQUAL(nb_bytes_of(posted_frame(), 'x'), 0, "%s frame was read", what);
	TEST_ASSERT(nb_bytes_of(posted_frame(), '.') == 0, "the card still works");
	return TEST_SUCCESS;
}

static enum airlock_page_state
state(uint32_t frame)
{
	return airlock_page_state_get(env.pages, frame);
}

/* n frames, neighbours in one run. */
static int
map(uint32_t first, uint32_t n)
{
	struct airlock_run run = {.first_frame = frames[first], .nb_frames = n};

	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, &run, 1), 1, "map");
	return TEST_SUCCESS;
}

static int
test_card_reaches_what_no_vm_has(void)
{
	uint32_t nobodys = frames[RTE_DIM(frames) - 1] + 100;

	TEST_ASSERT_EQUAL(state(posted_frame()), AIRLOCK_PAGE_CARD, "posted");
	TEST_ASSERT_SUCCESS(check_reached(posted_frame(), "posted"), "posted");
	TEST_ASSERT_EQUAL(state(nobodys), AIRLOCK_PAGE_FREE, "free");
	TEST_ASSERT_SUCCESS(check_reached(nobodys, "free"), "free");
	TEST_ASSERT_SUCCESS(check_out_of_reach(ENV_FRAMES - 1, "header"), "header");
	return TEST_SUCCESS;
}

static int
test_card_does_not_reach_what_a_vm_has(void)
{
	TEST_ASSERT_SUCCESS(map(0, RTE_DIM(frames)), "map");
	TEST_ASSERT_SUCCESS(check_reached(posted_frame(), "posted"), "posted");
	TEST_ASSERT_SUCCESS(check_out_of_reach(frames[0], "leased"), "first");
	TEST_ASSERT_SUCCESS(check_out_of_reach(frames[1], "leased"), "second");
	TEST_ASSERT_SUCCESS(check_reached(posted_frame(), "posted"), "posted");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "the VM has them");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(env.pool, NULL), "and the card the others");
	return TEST_SUCCESS;
}

/* One of two, so that the other one shows that it was no matter of time. */
static int
test_card_reaches_it_again_when_it_is_free(void)
{
	TEST_ASSERT_SUCCESS(map(0, 2), "map");
	TEST_ASSERT_SUCCESS(check_reached(posted_frame(), "posted"), "posted");
	TEST_ASSERT_SUCCESS(check_out_of_reach(frames[0], "leased"), "leased");
	airlock_dmatable_unmap(env.table, &frames[0], 1);
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).unmap_requests == 1), "asked");
	TEST_ASSERT_EQUAL(state(frames[0]), AIRLOCK_PAGE_UNMAPPING, "not dark yet");
	TEST_ASSERT_SUCCESS(check_out_of_reach(frames[0], "unmapping"), "unmapping");
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(state(frames[0]) == AIRLOCK_PAGE_FREE), "back");
	TEST_ASSERT_SUCCESS(check_reached(frames[0], "given back"), "free");
	TEST_ASSERT_SUCCESS(check_out_of_reach(frames[1], "neighbouring"), "leased");
	return TEST_SUCCESS;
}

/* Nobody answers for it: not before it is seen to be dark. */
static int
test_card_does_not_reach_what_a_lost_window_may_have(void)
{
	TEST_ASSERT_SUCCESS(map(0, 1), "map");
	TEST_ASSERT_SUCCESS(check_reached(posted_frame(), "posted"), "posted");
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(env.downs == 1), "the window went");
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).quarantined == 1), "quarantine");
	TEST_ASSERT_SUCCESS(check_out_of_reach(frames[0], "lost"), "lost");
	window_stub_hide(&stub);
	TEST_ASSERT(dmatable_wait(state(frames[0]) == AIRLOCK_PAGE_FREE), "back");
	TEST_ASSERT_SUCCESS(check_reached(frames[0], "given back"), "free");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "edu as a card",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_card_reaches_what_no_vm_has),
			TEST_CASE_ST(setup, teardown, test_card_does_not_reach_what_a_vm_has),
			TEST_CASE_ST(setup, teardown, test_card_reaches_it_again_when_it_is_free),
			TEST_CASE_ST(setup, teardown,
				test_card_does_not_reach_what_a_lost_window_may_have),
			TEST_CASES_END(),
		},
};

static int
test_edu_card(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(edu_card_autotest, true, true, test_edu_card);
