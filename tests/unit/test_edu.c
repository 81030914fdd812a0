/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM's device against the IOMMU: QEMU's edu (edu.h) reaches what is mapped for its VM, and
 * nothing else: the kernel logs a fault with the address for every other try, and memory is as it
 * was.
 *
 * For the lab: on a machine without such a device, bound to vfio-pci, all is skipped.
 */

#include <unistd.h>

#include <rte_cycles.h>

#include "dmatable_env.h"
#include "edu.h"
#include "test.h"

static struct dmatable_env env;
static struct window_stub stub;
static uint32_t frames[4];
static struct edu edu;

/* A frame's place for the device. */
static uint64_t
iova(uint32_t frame)
{
	return (uint64_t)frame * AIRLOCK_PAGE_SIZE;
}

static int
setup_for(enum airlock_iommu iommu)
{
	char name[32];
	int ret;

	stub = (struct window_stub){.sock = -1, .uffd = -1};
	edu_init(&edu);
	if (!edu_find(name, sizeof(name)))
		return TEST_SKIPPED;
	ret = dmatable_env_init_device(&env, name, iommu);
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_SUCCESS(
		dmatable_env_open_window(&env, &stub, frames, RTE_DIM(frames)), "window");
	return edu_open(&edu, dmatable_env_take_device(&env, name, sizeof(name)));
}

static int
setup(void)
{
	return setup_for(AIRLOCK_IOMMU_BATCHED);
}

static int
setup_strict(void)
{
	return setup_for(AIRLOCK_IOMMU_STRICT);
}

static void
teardown(void)
{
	edu_close(&edu);
	window_stub_fini(&stub);
	dmatable_env_fini(&env);
}

static void
fill(uint32_t frame, int value)
{
	memset(dmatable_env_addr(&env, frame), value, AIRLOCK_PAGE_SIZE);
}

/* The frame is full of it. */
static bool
is_full_of(uint32_t frame, int value)
{
	const char *at = dmatable_env_addr(&env, frame);

	for (uint32_t i = 0; i < AIRLOCK_PAGE_SIZE; i++) {
		if (at[i] != value)
			return false;
	}
	return true;
}

/* frames[0] and [1] are mapped for the VM, neighbours in one run. */
static int
map_two(void)
{
	struct airlock_run run = {.first_frame = frames[0], .nb_frames = 2};

	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, &run, 1), 1, "map");
	fill(frames[0], 'p');
	fill(frames[1], '.');
	return TEST_SUCCESS;
}

/* The device works, and has 'p' in its buffer. */
static int
check_works(void)
{
	const char *copied = dmatable_env_addr(&env, frames[1]);

	edu_read(&edu, iova(frames[0]));
	edu_write(&edu, iova(frames[1]));
	for (int i = 0; i < EDU_COPY_BYTES; i++)
		TEST_ASSERT_EQUAL(copied[i], 'p', "byte %d", i);
	TEST_ASSERT_EQUAL(copied[EDU_COPY_BYTES], '.', "no more");
	TEST_ASSERT_EQUAL(edu_nb_faults(&edu, iova(frames[0])), 0, "no fault");
	return TEST_SUCCESS;
}

/* Neither written nor read, and the kernel says so. */
static int
check_dark(uint32_t frame, const char *what)
{
	fill(frame, 'x');
	rte_delay_us_sleep(EDU_FAULT_PAUSE_US);
	edu_write(&edu, iova(frame));
	TEST_ASSERT(is_full_of(frame, 'x'), "%s frame was written to", what);
	TEST_ASSERT(edu_has_fault(&edu, iova(frame)), "a fault at the %s frame", what);
	return TEST_SUCCESS;
}

static int
check_unread(uint32_t frame, const char *what)
{
	const char *copied = dmatable_env_addr(&env, frames[1]);

	fill(frame, 'x');
	rte_delay_us_sleep(EDU_FAULT_PAUSE_US);
	edu_read(&edu, iova(frame));
	TEST_ASSERT(edu_has_fault(&edu, iova(frame)), "a fault at the %s frame", what);
	edu_write(&edu, iova(frames[1]));
	for (int i = 0; i < EDU_COPY_BYTES; i++)
		TEST_ASSERT(copied[i] != 'x', "%s frame was read", what);
	return TEST_SUCCESS;
}

static int
test_device_reaches_what_its_vm_has(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	return TEST_SUCCESS;
}

static int
test_device_reaches_no_other_frame(void)
{
	uint32_t other = airlock_page_new_tag(env.pages), nobodys = frames[3] + 1;

	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	TEST_ASSERT_EQUAL(
		airlock_page_state_get(env.pages, nobodys), AIRLOCK_PAGE_FREE, "a free frame");
	TEST_ASSERT_SUCCESS(check_dark(nobodys, "free"), "free");
	TEST_ASSERT_SUCCESS(check_unread(nobodys, "free"), "free");
	airlock_page_word_set(env.pages, frames[2], airlock_page_word(AIRLOCK_PAGE_LEASED, other));
	TEST_ASSERT_SUCCESS(check_dark(frames[2], "another VM's"), "another VM's");
	TEST_ASSERT_SUCCESS(check_unread(frames[2], "another VM's"), "another VM's");
	airlock_page_word_set(
		env.pages, frames[2], airlock_page_word(AIRLOCK_PAGE_LEASED, env.place.tag));
	TEST_ASSERT_SUCCESS(check_dark(ENV_FRAMES - 1, "header"), "header");
	return TEST_SUCCESS;
}

static int
test_device_loses_what_its_vm_gives_back(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	airlock_dmatable_unmap(env.table, frames, 2);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(
		dmatable_wait(airlock_page_state_get(env.pages, frames[1]) == AIRLOCK_PAGE_FREE),
		"back");
	TEST_ASSERT_SUCCESS(check_dark(frames[1], "released"), "released");
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "released"), "released");
	return TEST_SUCCESS;
}

/* Strict: alone, and before the agent has answered. */
static int
test_device_loses_one_frame_of_a_run(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	airlock_dmatable_unmap(env.table, &frames[0], 1);
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).unmap_requests == 1), "asked");
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "released"), "released");
	edu_write(&edu, iova(frames[1]));
	TEST_ASSERT_EQUAL(edu_nb_faults(&edu, iova(frames[1])), 0, "its neighbour is reached");
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	return TEST_SUCCESS;
}

static int
test_device_loses_all_with_the_window(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(env.downs == 1), "the window went");
	/* The others have never been mapped, and are back. */
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).quarantined == 2), "quarantine");
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "lost"), "lost");
	return TEST_SUCCESS;
}

/* Whoever has the device still. */
static int
test_device_loses_all_with_its_vm(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	airlock_dmatable_destroy(env.table);
	env.table = NULL;
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "lost"), "lost");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "edu",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_device_reaches_what_its_vm_has),
			TEST_CASE_ST(setup_strict, teardown, test_device_reaches_what_its_vm_has),
			TEST_CASE_ST(setup, teardown, test_device_reaches_no_other_frame),
			TEST_CASE_ST(setup_strict, teardown, test_device_reaches_no_other_frame),
			TEST_CASE_ST(setup, teardown, test_device_loses_what_its_vm_gives_back),
			TEST_CASE_ST(setup_strict, teardown, test_device_loses_one_frame_of_a_run),
			TEST_CASE_ST(setup, teardown, test_device_loses_all_with_the_window),
			TEST_CASE_ST(setup, teardown, test_device_loses_all_with_its_vm),
			TEST_CASES_END(),
		},
};

static int
test_edu(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(edu_autotest, true, true, test_edu);
