/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM's DMA table with a device beside the window: a frame is mapped in both or in neither, and
 * comes back when it is dark in both. The window is real, the device's container is the test's.
 */

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "dmatable_env.h"
#include "test.h"
#include "vfio_fake.h"

#define N      16
#define DEVICE "0000:00:05.0"

static struct dmatable_env env;
static struct window_stub stub;
static uint32_t frames[N];

static int
setup_for(enum airlock_iommu iommu)
{
	int ret;

	stub = (struct window_stub){.sock = -1, .uffd = -1};
	vfio_fake_init();
	ret = dmatable_env_init_device(&env, DEVICE, iommu);
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_SUCCESS(dmatable_env_open_window(&env, &stub, frames, N), "window");
	TEST_ASSERT_EQUAL(frames[N - 1] - frames[0], N - 1, "the pool gives neighbours");
	return TEST_SUCCESS;
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
	window_stub_fini(&stub);
	dmatable_env_fini(&env);
	vfio_fake_fini();
}

static bool
device_sees(uint32_t frame)
{
	const uint64_t offset = dmatable_env_offset(&env, frame);
	const uint32_t last = env.pages->frame.bytes - 1;
	uint64_t addr = vfio_fake_translate(offset);

	return addr != 0 && addr == (uintptr_t)dmatable_env_addr(&env, frame) &&
		vfio_fake_translate(offset + last) == addr + last;
}

static uint32_t
device_sees_of(uint32_t first, uint32_t n)
{
	uint32_t nb_seen = 0;

	for (uint32_t i = first; i < first + n; i++)
		nb_seen += device_sees(frames[i]);
	return nb_seen;
}

static uint16_t
map(uint32_t first, uint32_t n)
{
	struct airlock_run run = {.first_frame = frames[first], .nb_frames = n};

	return airlock_dmatable_map(env.table, 0, &run, 1);
}

static enum airlock_page_state
state(uint32_t i)
{
	return airlock_page_state_get(env.pages, frames[i]);
}

static int
test_run_is_mapped_in_both(void)
{
	TEST_ASSERT_EQUAL(device_sees_of(0, N), 0, "absent until leased");
	TEST_ASSERT_EQUAL(map(0, N), 1, "map");
	TEST_ASSERT_EQUAL(vfio_fake.nb_maps, 1, "one mapping");
	TEST_ASSERT_EQUAL(device_sees_of(0, N), N, "the device");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "the VMM");
	TEST_ASSERT(dmatable_env_stats(&env).device, "there is a device");
	airlock_dmatable_unmap(env.table, frames, N);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	TEST_ASSERT_EQUAL(vfio_fake_nb_mappings(), 0, "absent again");
	TEST_ASSERT_EQUAL(vfio_fake.nb_unmaps, 1, "by one call");
	return TEST_SUCCESS;
}

/* Batched: a frame is not given on before the device has lost it, whoever holds its neighbour. */
static int
test_frame_is_held_back_until_the_device_has_lost_it(void)
{
	TEST_ASSERT_EQUAL(map(0, N), 1, "map");
	airlock_dmatable_unmap(env.table, frames, N - 1);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).held_back == N - 1), "held back");
	TEST_ASSERT_EQUAL(airlock_dmatable_held(env.table), N, "and counted as the VM's");
	for (uint32_t i = 0; i < N - 1; i++)
		TEST_ASSERT_EQUAL(state(i), AIRLOCK_PAGE_UNMAPPING, "frame %u", i);
	TEST_ASSERT_EQUAL(device_sees_of(0, N), N, "it has all of the run still");

	airlock_dmatable_unmap(env.table, &frames[N - 1], 1);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	TEST_ASSERT_EQUAL(vfio_fake_nb_mappings(), 0, "the device");
	TEST_ASSERT_EQUAL(airlock_dmatable_held(env.table), 0, "held");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).held_back, 0, "held back");
	return TEST_SUCCESS;
}

/* The VMM has it, and the device has not. */
static int
map_in_vmm_alone(uint32_t i)
{
	struct uffdio_continue range = {
		.range.start = (uintptr_t)stub.base + dmatable_env_offset(&env, frames[i]),
		.range.len = env.pages->frame.bytes,
	};

	return ioctl(stub.uffd, UFFDIO_CONTINUE, &range);
}

static int
hide_from_vmm(uint32_t i)
{
	return madvise(stub.base + dmatable_env_offset(&env, frames[i]), env.pages->frame.bytes,
		MADV_DONTNEED);
}

/* One frame differs, in the device's table alone. */
static int
check_device_fault(uint32_t i, enum airlock_page_state expected, bool present)
{
	struct airlock_dmatable_fault fault;

	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, &fault), (int)env.pages->frame.pages,
		"one frame");
	TEST_ASSERT(fault.device, "of the device's table");
	TEST_ASSERT_EQUAL(fault.page, frames[i] * env.pages->frame.pages, "which one");
	TEST_ASSERT_EQUAL(fault.state, expected, "its state");
	TEST_ASSERT_EQUAL(fault.present, present, "what the device's table says");
	return TEST_SUCCESS;
}

static int
test_verify_finds_what_the_device_has_and_should_not_or_lacks(void)
{
	uint32_t leased = airlock_page_word(AIRLOCK_PAGE_LEASED, env.place.tag);
	struct airlock_dmatable_fault fault;

	TEST_ASSERT_EQUAL(map(1, N - 1), 1, "map");
	/* Leased, and in neither: the VMM's is named. */
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, &fault),
		2 * (int)env.pages->frame.pages, "in both tables");
	TEST_ASSERT(!fault.device && fault.page == frames[0] * env.pages->frame.pages, "the VMM's");
	TEST_ASSERT_SUCCESS(map_in_vmm_alone(0), "continue");
	TEST_ASSERT_SUCCESS(check_device_fault(0, AIRLOCK_PAGE_LEASED, false), "lacks");

	TEST_ASSERT_SUCCESS(hide_from_vmm(0), "hide");
	airlock_page_word_set(env.pages, frames[0], AIRLOCK_PAGE_HOST);
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "right again");
	TEST_ASSERT_SUCCESS(hide_from_vmm(5), "hide");
	airlock_page_word_set(env.pages, frames[5], AIRLOCK_PAGE_HOST);
	TEST_ASSERT_SUCCESS(check_device_fault(5, AIRLOCK_PAGE_HOST, true), "has");
	airlock_page_word_set(env.pages, frames[0], leased);
	airlock_page_word_set(env.pages, frames[5], leased);
	airlock_dmatable_unmap(env.table, frames, N);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

/* It reaches nothing any more, whatever was mapped. */
static int
test_verify_does_not_look_at_a_device_that_was_let_go(void)
{
	uint64_t one = 1;

	TEST_ASSERT_EQUAL(map(0, N), 1, "map");
	TEST_ASSERT_EQUAL(write(vfio_fake.request_fd, &one, sizeof(one)), sizeof(one), "request");
	TEST_ASSERT(dmatable_wait(!dmatable_env_stats(&env).device), "let go");
	vfio_fake.gone = true;
	TEST_ASSERT_SUCCESS(hide_from_vmm(0), "hide");
	airlock_page_word_set(env.pages, frames[0], AIRLOCK_PAGE_HOST);
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "nothing to find");
	airlock_page_word_set(
		env.pages, frames[0], airlock_page_word(AIRLOCK_PAGE_LEASED, env.place.tag));
	airlock_dmatable_unmap(env.table, frames, N);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

/* Strict: it is gone before the agent was asked. */
static int
test_strict_takes_a_frame_before_the_agent_does(void)
{
	TEST_ASSERT_EQUAL(map(0, N), 1, "map");
	airlock_dmatable_unmap(env.table, &frames[3], 1);
	TEST_ASSERT(dmatable_wait(!device_sees(frames[3])), "the device");
	TEST_ASSERT_EQUAL(device_sees_of(0, N), N - 1, "and no other");
	TEST_ASSERT_EQUAL(state(3), AIRLOCK_PAGE_UNMAPPING, "the agent has not answered");
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(state(3) == AIRLOCK_PAGE_FREE), "back, whatever its neighbours");
	airlock_dmatable_unmap_all(env.table);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static int
test_run_that_the_device_does_not_get_is_not_the_vms(void)
{
	struct airlock_run runs[] = {{frames[0], 2}, {frames[4], 2}, {frames[8], 2}};

	vfio_fake.max_mappings = 1;
	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, runs, 3), 1, "the first");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).map_errors, 1, "error");
	/* In the VMM neither: it would differ from leased. */
	for (uint32_t i = 0; i < N; i++) {
		if (i >= 2)
			airlock_dmatable_unmap(env.table, &frames[i], 1);
	}
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "only the first is there");
	TEST_ASSERT_EQUAL(device_sees_of(0, N), 2, "the device has the first");
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "the others are back");
	TEST_ASSERT_EQUAL(state(0), AIRLOCK_PAGE_LEASED, "the first is not");
	airlock_dmatable_unmap(env.table, frames, 2);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

/* The VMM's mapping goes between the two: the device has a run that the VMM refuses. */
static int
test_run_that_only_the_device_got_is_taken_back(void)
{
	char *hole = stub.base + dmatable_env_offset(&env, frames[8]);
	struct airlock_run runs[] = {{frames[0], 8}, {frames[8], 8}};

	TEST_ASSERT(mmap(hole, 8 * env.pages->frame.bytes, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hole,
		"hole");
	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, runs, 2), 1, "the first");
	TEST_ASSERT_EQUAL(device_sees_of(8, 8), 8, "the device has the other");
	airlock_dmatable_unmap(env.table, &frames[8], 8);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(state(8) == AIRLOCK_PAGE_FREE), "back");
	TEST_ASSERT_EQUAL(device_sees_of(8, 8), 0, "the device has lost it");
	TEST_ASSERT_EQUAL(device_sees_of(0, 8), 8, "and not the first");
	airlock_dmatable_unmap(env.table, frames, 8);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static int
test_lost_window_takes_all_from_the_device_at_once(void)
{
	TEST_ASSERT_EQUAL(map(0, N), 1, "map");
	airlock_dmatable_unmap(env.table, frames, N / 2);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).held_back == N / 2), "held back");
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(env.downs == 1), "the window went");
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).quarantined == N / 2), "quarantine");
	TEST_ASSERT_EQUAL(vfio_fake_nb_mappings(), 0, "the device");
	TEST_ASSERT_EQUAL(state(0), AIRLOCK_PAGE_FREE, "what was held back is back");
	TEST_ASSERT_EQUAL(state(N - 1), AIRLOCK_PAGE_UNMAPPING, "what the VMM may see is not");
	window_stub_hide(&stub);
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static int
test_what_the_device_may_have_is_kept_for_good(void)
{
	TEST_ASSERT_EQUAL(map(0, N), 1, "map");
	vfio_fake.unmap_error = -EIO;
	airlock_dmatable_unmap(env.table, frames, N);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).held_back == N), "held back");
	window_stub_hide(&stub);
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).quarantined == N), "dark to the VMM");
	rte_delay_us_sleep(300000);
	for (uint32_t i = 0; i < N; i++)
		TEST_ASSERT_EQUAL(state(i), AIRLOCK_PAGE_UNMAPPING, "frame %u", i);
	airlock_dmatable_destroy(env.table);
	env.table = NULL;
	TEST_ASSERT_EQUAL(airlock_dmatable_forget(env.pool), N, "said in the end");
	return TEST_SUCCESS;
}

static int
test_device_is_to_be_had_from_its_socket(void)
{
	uint64_t one = 1, count = 0;
	char name[64];
	int fd;

	for (int i = 0; i < 2; i++) {
		fd = dmatable_env_take_device(&env, name, sizeof(name));
		TEST_ASSERT(fd >= 0, "a descriptor, time %d", i);
		TEST_ASSERT(strcmp(name, DEVICE) == 0, "'%s'", name);
		TEST_ASSERT_EQUAL(write(fd, &one, sizeof(one)), 8, "write");
		close(fd);
	}
	TEST_ASSERT_EQUAL(read(vfio_fake.fd, &count, sizeof(count)), 8, "read");
	TEST_ASSERT_EQUAL(count, 2, "it is the device");
	airlock_dmatable_stop(env.table, 0);
	TEST_ASSERT(access(env.device_path, F_OK) < 0, "the socket is gone");
	return TEST_SUCCESS;
}

static int
test_vm_goes_on_without_a_device_that_is_taken_out(void)
{
	uint64_t one = 1;
	char name[64];

	TEST_ASSERT_EQUAL(map(0, 8), 1, "map");
	TEST_ASSERT_EQUAL(write(vfio_fake.request_fd, &one, sizeof(one)), 8, "request");
	TEST_ASSERT(dmatable_wait(!dmatable_env_stats(&env).device), "let go");
	TEST_ASSERT_EQUAL(vfio_fake.fd, -1, "closed");
	TEST_ASSERT(dmatable_env_take_device(&env, name, sizeof(name)) < 0, "and not to be had");
	/* As the kernel does when the last descriptor is closed. */
	vfio_fake.gone = true;
	vfio_fake.nb_mappings = 0;
	TEST_ASSERT_EQUAL(map(8, 8), 1, "in the VMM alone");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "the VMM");
	airlock_dmatable_unmap(env.table, frames, N);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static void
no_event(struct airlock_dmatable *table, const struct airlock_window_place *place, void *arg)
{
}

static int
test_device_that_cannot_be_had_makes_no_table(void)
{
	struct airlock_dmatable_conf conf = {.name = "vm1",
		.path = "/dev/shm/airlock-none",
		.pool = env.pool,
		.device = "0000:00:06.0",
		.device_path = "/dev/shm/airlock-none.device",
		.event = no_event};
	char why[64];

	TEST_ASSERT_SUCCESS(airlock_dmatable_check_device(conf.device, why, sizeof(why)), "good");
	vfio_fake.open_error = -EBUSY;
	TEST_ASSERT_EQUAL(
		airlock_dmatable_check_device(conf.device, why, sizeof(why)), -EINVAL, "bad");
	TEST_ASSERT(airlock_dmatable_create(&conf) == NULL, "create");
	TEST_ASSERT_EQUAL(rte_errno, EBUSY, "errno");
	conf.device_path = NULL;
	TEST_ASSERT(airlock_dmatable_create(&conf) == NULL, "create");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "errno");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "dmatable_device",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_run_is_mapped_in_both),
			TEST_CASE_ST(setup, teardown,
				test_frame_is_held_back_until_the_device_has_lost_it),
			TEST_CASE_ST(setup, teardown,
				test_verify_finds_what_the_device_has_and_should_not_or_lacks),
			TEST_CASE_ST(setup, teardown,
				test_verify_does_not_look_at_a_device_that_was_let_go),
			TEST_CASE_ST(setup_strict, teardown,
				test_strict_takes_a_frame_before_the_agent_does),
			TEST_CASE_ST(setup, teardown,
				test_run_that_the_device_does_not_get_is_not_the_vms),
			TEST_CASE_ST(
				setup, teardown, test_run_that_only_the_device_got_is_taken_back),
			TEST_CASE_ST(setup, teardown,
				test_lost_window_takes_all_from_the_device_at_once),
			TEST_CASE_ST(
				setup, teardown, test_what_the_device_may_have_is_kept_for_good),
			TEST_CASE_ST(setup, teardown, test_device_is_to_be_had_from_its_socket),
			TEST_CASE_ST(setup, teardown,
				test_vm_goes_on_without_a_device_that_is_taken_out),
			TEST_CASE_ST(
				setup, teardown, test_device_that_cannot_be_had_makes_no_table),
			TEST_CASES_END(),
		},
};

static int
test_dmatable_device(void)
{
	return dmatable_env_run(&suite);
}

REGISTER_FAST_TEST(dmatable_device_autotest, true, true, test_dmatable_device);
