/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * DMA table driver "vfio" over a container of the test's: what is mapped by one call, what goes by
 * one, and what must wait for what.
 */

#include <stdlib.h>

#include <airlock_dmatable_driver.h>

#include "test.h"
#include "vfio_fake.h"

#define NB_FRAMES 256
#define BASE	  UINT64_C(0x7f0000000000)
#define DEVICE	  "0000:00:05.0"

static const struct airlock_dmatable_device_ops *ops;
static struct airlock_page_table pages = {.base = BASE, .nb_frames = NB_FRAMES};
static uint32_t frame_pages;
static void *space;
static bool is_dark[NB_FRAMES];

static int
setup_for(bool strict)
{
	pages.frame = airlock_frame_size(frame_pages);
	vfio_fake_init();
	memset(is_dark, 0, sizeof(is_dark));
	ops = airlock_dmatable_device_driver();
	TEST_ASSERT_NOT_NULL(ops, "driver");
	TEST_ASSERT_SUCCESS(ops->open(DEVICE, &pages, strict, &space), "open");
	return TEST_SUCCESS;
}

static int
setup(void)
{
	return setup_for(false);
}

static int
setup_strict(void)
{
	return setup_for(true);
}

static void
teardown(void)
{
	if (space != NULL)
		ops->close(space);
	space = NULL;
	vfio_fake_fini();
}

static void
note_dark(void *arg, const struct airlock_run *run)
{
	for (uint32_t i = 0; i < run->nb_frames; i++)
		is_dark[run->first_frame + i] = true;
}

static void
take(uint32_t first, uint32_t nb)
{
	struct airlock_run run = {.first_frame = first, .nb_frames = nb};

	ops->unmap(space, &run, note_dark, NULL);
}

/* Frames of [first, first + nb) that were told to be dark, and that the device cannot reach. */
static uint32_t
nb_dark(uint32_t first, uint32_t nb)
{
	uint32_t n = 0;

	for (uint32_t frame = first; frame < first + nb; frame++)
		n += is_dark[frame] &&
			vfio_fake_translate(airlock_frame_offset(&pages.frame, frame)) == 0;
	return n;
}

static uint32_t
nb_reachable(uint32_t first, uint32_t nb)
{
	uint32_t n = 0;

	for (uint32_t frame = first; frame < first + nb; frame++) {
		uint64_t iova = airlock_frame_offset(&pages.frame, frame),
			 last = pages.frame.bytes - 1;

		n += vfio_fake_translate(iova) == BASE + iova &&
			vfio_fake_translate(iova + last) == BASE + iova + last;
	}
	return n;
}

static int
test_run_is_one_mapping_at_its_place_in_the_window(void)
{
	struct airlock_run runs[] = {{3, 5}, {100, 64}, {255, 1}};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, runs, 3, &error), 3, "map");
	TEST_ASSERT_EQUAL(vfio_fake.nb_maps, 3, "calls");
	TEST_ASSERT_EQUAL(nb_reachable(0, NB_FRAMES), 70, "those and no others");
	TEST_ASSERT_EQUAL(nb_reachable(3, 5) + nb_reachable(100, 64) + nb_reachable(255, 1), 70,
		"at their offsets");
	return TEST_SUCCESS;
}

static int
test_strict_maps_each_frame_alone(void)
{
	struct airlock_run run = {10, 8};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, &run, 1, &error), 1, "map");
	TEST_ASSERT_EQUAL(vfio_fake.nb_mappings, 8, "mappings");
	take(13, 1);
	TEST_ASSERT_EQUAL(nb_dark(13, 1), 1, "gone at once");
	TEST_ASSERT_EQUAL(nb_reachable(10, 8), 7, "and no other");
	take(10, 3);
	take(14, 4);
	TEST_ASSERT_EQUAL(nb_dark(10, 8), 8, "all");
	TEST_ASSERT_EQUAL(vfio_fake.nb_unmaps, 3, "neighbours by one call");
	return TEST_SUCCESS;
}

static int
test_frame_waits_for_the_rest_of_its_mapping(void)
{
	struct airlock_run run = {10, 8};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, &run, 1, &error), 1, "map");
	take(12, 2);
	take(17, 1);
	take(10, 2);
	TEST_ASSERT_EQUAL(vfio_fake.nb_unmaps, 0, "14 to 16 are wanted");
	TEST_ASSERT_EQUAL(nb_reachable(10, 8), 8, "all are there");
	for (uint32_t i = 0; i < NB_FRAMES; i++)
		TEST_ASSERT(!is_dark[i], "frame %u", i);
	take(10, 8 - 1);
	TEST_ASSERT_EQUAL(vfio_fake.nb_unmaps, 1, "by one call");
	TEST_ASSERT_EQUAL(nb_dark(10, 8), 8, "those of earlier calls too");
	TEST_ASSERT(!is_dark[9] && !is_dark[18], "and no more");
	return TEST_SUCCESS;
}

static int
test_neighbouring_mappings_go_by_one_call(void)
{
	struct airlock_run runs[] = {{0, 4}, {4, 4}, {8, 1}, {20, 2}};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, runs, 4, &error), 4, "map");
	take(0, 30);
	TEST_ASSERT_EQUAL(vfio_fake.nb_unmaps, 1, "calls");
	TEST_ASSERT_EQUAL(nb_dark(0, 30), 30, "those that were never mapped too");
	TEST_ASSERT_EQUAL(ops->map(space, runs, 4, &error), 4, "and can be mapped again");
	take(4, 4);
	TEST_ASSERT_EQUAL(nb_reachable(0, 4) + nb_reachable(8, 1), 5, "neighbours stay");
	return TEST_SUCCESS;
}

static int
test_taking_a_frame_twice_counts_once(void)
{
	struct airlock_run run = {10, 3};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, &run, 1, &error), 1, "map");
	for (int i = 0; i < 3; i++)
		take(10, 1);
	TEST_ASSERT_EQUAL(nb_reachable(10, 3), 3, "the others are wanted");
	take(11, 2);
	TEST_ASSERT_EQUAL(nb_dark(10, 3), 3, "now");
	return TEST_SUCCESS;
}

static int
test_full_container_maps_what_it_can(void)
{
	struct airlock_run runs[] = {{0, 4}, {8, 4}, {16, 4}};
	int error = 0;

	vfio_fake.max_mappings = 2;
	TEST_ASSERT_EQUAL(ops->map(space, runs, 3, &error), 2, "two fit");
	TEST_ASSERT_EQUAL(error, -ENOSPC, "error");
	take(16, 4);
	TEST_ASSERT_EQUAL(nb_dark(16, 4), 4, "it never was there");
	take(0, 4);
	TEST_ASSERT_EQUAL(ops->map(space, &runs[2], 1, &error), 1, "room again");
	return TEST_SUCCESS;
}

static int
test_part_of_a_run_that_was_mapped_goes_as_any_other(void)
{
	struct airlock_run run = {16, 8};
	int error = 0;

	vfio_fake.max_mappings = 5;
	TEST_ASSERT_EQUAL(ops->map(space, &run, 1, &error), 0, "not all of it");
	TEST_ASSERT_EQUAL(error, -ENOSPC, "error");
	take(16, 8);
	TEST_ASSERT_EQUAL(nb_dark(16, 8), 8, "all");
	TEST_ASSERT_EQUAL(vfio_fake.nb_mappings, 0, "nothing is left");
	return TEST_SUCCESS;
}

static int
test_frame_that_cannot_be_unmapped_is_not_dark(void)
{
	struct airlock_run runs[] = {{10, 3}, {20, 3}};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, runs, 2, &error), 2, "map");
	vfio_fake.unmap_error = -EIO;
	take(10, 3);
	TEST_ASSERT(!is_dark[10] && !is_dark[11] && !is_dark[12], "it is there");
	TEST_ASSERT_EQUAL(ops->unmap_all(space), -EIO, "all");
	vfio_fake.unmap_error = 0;
	take(11, 1);
	TEST_ASSERT_EQUAL(nb_dark(10, 3), 3, "tried again");
	TEST_ASSERT_SUCCESS(ops->unmap_all(space), "all");
	TEST_ASSERT_EQUAL(vfio_fake.nb_mappings, 0, "nothing is left");
	return TEST_SUCCESS;
}

static int
test_device_that_is_gone_reaches_nothing(void)
{
	struct airlock_run runs[] = {{10, 3}, {20, 3}};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, runs, 1, &error), 1, "map");
	vfio_fake.gone = true;
	vfio_fake.nb_mappings = 0;
	TEST_ASSERT_EQUAL(ops->map(space, &runs[1], 1, &error), 0, "no more");
	TEST_ASSERT_EQUAL(error, -EINVAL, "error");
	take(10, 3);
	TEST_ASSERT_EQUAL(nb_dark(10, 3), 3, "dark");
	TEST_ASSERT_SUCCESS(ops->unmap_all(space), "all");
	return TEST_SUCCESS;
}

static int
test_close_leaves_nothing_mapped(void)
{
	struct airlock_run run = {10, 3};
	int error = 0;

	TEST_ASSERT_EQUAL(ops->map(space, &run, 1, &error), 1, "map");
	ops->close(space);
	space = NULL;
	TEST_ASSERT_EQUAL(vfio_fake.nb_mappings, 0, "others may have the device still");
	TEST_ASSERT_EQUAL(vfio_fake.nb_closes, 1, "closed");
	vfio_fake.open_error = -EBUSY;
	TEST_ASSERT_EQUAL(ops->open(DEVICE, &pages, false, &space), -EBUSY, "open");
	return TEST_SUCCESS;
}

/* Random runs, against what the device can reach. */
static int
soak(void)
{
	static bool wanted[NB_FRAMES];
	int error = 0;

	memset(wanted, 0, sizeof(wanted));
	srand(1);
	for (int turn = 0; turn < 20000; turn++) {
		struct airlock_run run = {rand() % NB_FRAMES, 0};
		uint32_t most = 1 + rand() % 16;
		bool mapping = rand() % 2;

		while (run.nb_frames < most && run.first_frame + run.nb_frames < NB_FRAMES &&
			(!mapping || is_dark[run.first_frame + run.nb_frames]))
			run.nb_frames++;
		if (run.nb_frames == 0)
			continue;
		for (uint32_t i = 0; i < run.nb_frames; i++) {
			wanted[run.first_frame + i] = mapping;
			is_dark[run.first_frame + i] &= !mapping;
		}
		if (mapping)
			TEST_ASSERT_EQUAL(ops->map(space, &run, 1, &error), 1, "turn %d", turn);
		else
			take(run.first_frame, run.nb_frames);
		for (uint32_t i = 0; i < NB_FRAMES; i++) {
			bool there =
				vfio_fake_translate(airlock_frame_offset(&pages.frame, i)) != 0;

			TEST_ASSERT(there != is_dark[i], "turn %d, frame %u", turn, i);
			TEST_ASSERT(there || !wanted[i], "turn %d, frame %u", turn, i);
		}
	}
	return TEST_SUCCESS;
}

static int
test_random_runs_are_as_was_told(void)
{
	memset(is_dark, true, sizeof(is_dark));
	return soak();
}

static struct unit_test_suite suite = {
	.suite_name = "vfio",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown,
				test_run_is_one_mapping_at_its_place_in_the_window),
			TEST_CASE_ST(setup_strict, teardown, test_strict_maps_each_frame_alone),
			TEST_CASE_ST(setup, teardown, test_frame_waits_for_the_rest_of_its_mapping),
			TEST_CASE_ST(setup, teardown, test_neighbouring_mappings_go_by_one_call),
			TEST_CASE_ST(setup, teardown, test_taking_a_frame_twice_counts_once),
			TEST_CASE_ST(setup, teardown, test_full_container_maps_what_it_can),
			TEST_CASE_ST(setup_strict, teardown,
				test_part_of_a_run_that_was_mapped_goes_as_any_other),
			TEST_CASE_ST(
				setup, teardown, test_frame_that_cannot_be_unmapped_is_not_dark),
			TEST_CASE_ST(setup, teardown, test_device_that_is_gone_reaches_nothing),
			TEST_CASE_ST(setup, teardown, test_close_leaves_nothing_mapped),
			TEST_CASE_ST(setup, teardown, test_random_runs_are_as_was_told),
			TEST_CASE_ST(setup_strict, teardown, test_random_runs_are_as_was_told),
			TEST_CASES_END(),
		},
};

static int
test_vfio(void)
{
	for (frame_pages = 1; frame_pages <= 4; frame_pages++)
		TEST_ASSERT_SUCCESS(
			unit_test_suite_runner(&suite), "frames of %u pages", frame_pages);
	return TEST_SUCCESS;
}

REGISTER_FAST_TEST(vfio_autotest, true, true, test_vfio);
