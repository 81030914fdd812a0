/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The cards' side of the pool, where it is strict: a frame is in the cards' domain, or a VM's, and
 * in both at no time. The domain here is an array.
 */

#include <stdatomic.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "airlock_card.h"
#include "dark_reader.h"
#include "dmatable_env.h"
#include "test.h"

static struct {
	_Atomic bool alive;
	_Atomic int map_error; /* of the next calls */
	_Atomic bool begins; /* anew, just after the next call to map */
	_Atomic uint32_t nb_maps;
	_Atomic uint32_t nb_unmaps;
	_Atomic uint32_t nb_faults; /* calls that the kernel would refuse though a card is there */
	_Atomic uint8_t mapped[ENV_FRAMES];
	_Atomic bool slow; /* unmapping, so slow that a waiting vCPU would go on */
	_Atomic int read; /* by the vCPU, at the end of that; -1: it waits */
} domain;

static struct dmatable_env env;
static struct window_stub stub;
static struct dark_reader vcpu;
static struct airlock_card *card;
static uint32_t frames[8];

static uint32_t
frame_at(uintptr_t addr)
{
	return airlock_page_frame(env.pages, (void *)addr);
}

static int
domain_open(void **arg)
{
	*arg = &domain;
	return domain.alive ? 0 : -ENODEV;
}

static void
domain_close(void *arg)
{
}

static int
domain_map(void *arg, uintptr_t addr, uint64_t bytes)
{
	uint32_t frame = frame_at(addr);

	domain.nb_maps++;
	if (!domain.alive) {
		domain.alive = atomic_exchange(&domain.begins, false);
		return -EINVAL;
	}
	if (domain.map_error != 0)
		return domain.map_error;
	if (frame >= ENV_FRAMES || bytes != env.pages->frame.bytes ||
		atomic_exchange(&domain.mapped[frame], 1) != 0) {
		domain.nb_faults++;
		return -EEXIST;
	}
	return 0;
}

static int
domain_unmap(void *arg, uintptr_t addr, uint64_t bytes)
{
	uint32_t first = frame_at(addr), nb_frames = bytes / env.pages->frame.bytes;

	domain.nb_unmaps++;
	if (domain.slow) {
		rte_delay_us_sleep(100000);
		domain.read = dark_reader_value(&vcpu);
	}
	if (!domain.alive)
		return -EINVAL;
	for (uint32_t i = 0; i < nb_frames; i++)
		domain.nb_faults += atomic_exchange(&domain.mapped[first + i], 0) == 0;
	return 0;
}

static bool
domain_is_alive(void *arg)
{
	return domain.alive;
}

static const struct airlock_card_ops domain_ops = {
	.name = "test",
	.open = domain_open,
	.close = domain_close,
	.map = domain_map,
	.unmap = domain_unmap,
	.is_alive = domain_is_alive,
};

/* The last card leaves. */
static void
domain_end(void)
{
	domain.alive = false;
	for (uint32_t i = 0; i < ENV_FRAMES; i++)
		domain.mapped[i] = 0;
}

static uint32_t
nb_mapped(void)
{
	uint32_t nb = 0;

	for (uint32_t i = 0; i < ENV_FRAMES; i++)
		nb += domain.mapped[i];
	return nb;
}

static int
setup(void)
{
	int ret;

	memset(&domain, 0, sizeof(domain));
	domain.alive = true;
	stub = (struct window_stub){.sock = -1, .uffd = -1};
	airlock_card_use(&domain_ops);
	ret = dmatable_env_init_strict(&env);
	if (ret != TEST_SUCCESS)
		return ret;
	card = env.pages->card;
	TEST_ASSERT_SUCCESS(airlock_card_attach(card), "attach");
	TEST_ASSERT_SUCCESS(
		dmatable_env_open_window(&env, &stub, frames, RTE_DIM(frames)), "window");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	window_stub_fini(&stub);
	dmatable_env_fini(&env);
	airlock_card_use(NULL);
}

static struct airlock_card_stats
stats_now(void)
{
	struct airlock_card_stats stats;

	airlock_card_stats(card, &stats);
	return stats;
}

/* All frames, mapped in one run. */
static int
map_all(void)
{
	struct airlock_run run = {.first_frame = frames[0], .nb_frames = RTE_DIM(frames)};

	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, &run, 1), 1, "map");
	return TEST_SUCCESS;
}

/* The VM gives all back, and they are FREE. */
static int
give_all(void)
{
	airlock_dmatable_unmap(env.table, frames, RTE_DIM(frames));
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "back");
	return TEST_SUCCESS;
}

static int
check_whole(void)
{
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	TEST_ASSERT_EQUAL(nb_mapped(), ENV_FRAMES - 1, "all but the header are the cards'");
	TEST_ASSERT_EQUAL(stats_now().nb_has, ENV_FRAMES - 1, "and are known to be");
	TEST_ASSERT_EQUAL(domain.nb_faults, 0, "calls for what is not so");
	return TEST_SUCCESS;
}

static int
test_cards_have_all_but_the_header(void)
{
	TEST_ASSERT_EQUAL(nb_mapped(), ENV_FRAMES - 1, "mapped");
	TEST_ASSERT_EQUAL(domain.mapped[ENV_FRAMES - 1], 0, "the header is not");
	TEST_ASSERT_SUCCESS(airlock_card_attach(card), "a second card comes");
	TEST_ASSERT_EQUAL(domain.nb_maps, ENV_FRAMES - 1, "nothing is mapped twice");
	return TEST_SUCCESS;
}

static int
test_cards_lose_what_a_vm_gets_and_have_it_again_before_it_is_free(void)
{
	TEST_ASSERT_SUCCESS(map_all(), "map");
	TEST_ASSERT_EQUAL(nb_mapped(), ENV_FRAMES - 1 - RTE_DIM(frames), "less");
	for (unsigned int i = 0; i < RTE_DIM(frames); i++) {
		TEST_ASSERT_EQUAL(domain.mapped[frames[i]], 0, "frame %u", i);
		TEST_ASSERT(!airlock_card_has(card, frames[i]), "frame %u", i);
	}
	TEST_ASSERT_EQUAL(domain.nb_unmaps, 1, "neighbours go by one call");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(env.pool, NULL), "verify");
	TEST_ASSERT_SUCCESS(give_all(), "back");
	TEST_ASSERT_EQUAL(stats_now().taken, RTE_DIM(frames), "taken");
	TEST_ASSERT_EQUAL(stats_now().given, RTE_DIM(frames), "given");
	return check_whole();
}

/* Until the agent has answered the VM may have it. */
static int
test_cards_do_not_get_what_is_not_dark_yet(void)
{
	TEST_ASSERT_SUCCESS(map_all(), "map");
	airlock_dmatable_unmap(env.table, frames, RTE_DIM(frames));
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).unmap_requests == 1), "asked");
	TEST_ASSERT_EQUAL(nb_mapped(), ENV_FRAMES - 1 - RTE_DIM(frames), "not yet");
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "back");
	return check_whole();
}

static int
test_verify_finds_a_frame_on_both_sides(void)
{
	struct airlock_pool_report report;

	/* Leased, and not taken away. */
	TEST_ASSERT_EQUAL(airlock_pool_verify(env.pool, &report), -EBADMSG, "LEASED");
	TEST_ASSERT_EQUAL(report.nb_card_wrong, RTE_DIM(frames), "those that are leased");
	TEST_ASSERT_EQUAL(report.card_page, frames[0] * env.pages->frame.pages, "the first");
	TEST_ASSERT_EQUAL(report.card_state, AIRLOCK_PAGE_LEASED, "its state");
	TEST_ASSERT(report.card_has, "the cards have it");
	TEST_ASSERT_SUCCESS(map_all(), "map");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(env.pool, &report), "clean");
	/* Handed out, and not mapped. */
	airlock_page_word_set(env.pages, frames[3], AIRLOCK_PAGE_CARD);
	TEST_ASSERT_EQUAL(airlock_pool_verify(env.pool, &report), -EBADMSG, "CARD");
	TEST_ASSERT_EQUAL(report.nb_card_wrong, 1, "one");
	TEST_ASSERT_EQUAL(report.card_page, frames[3] * env.pages->frame.pages, "this one");
	TEST_ASSERT_EQUAL(report.card_state, AIRLOCK_PAGE_CARD, "its state");
	TEST_ASSERT(!report.card_has, "the cards do not have it");
	airlock_page_word_set(
		env.pages, frames[3], airlock_page_word(AIRLOCK_PAGE_LEASED, env.place.tag));
	TEST_ASSERT_SUCCESS(give_all(), "back");
	return check_whole();
}

/* What is the VM's and is waited for, the unmap thread maps; but not while the cards have it. */
static int
test_vcpu_waits_until_cards_have_lost_its_frame(void)
{
	const char *at = stub.base + dmatable_env_offset(&env, frames[2]);

	memset(dmatable_env_addr(&env, frames[2]), 'v', 1);
	TEST_ASSERT_SUCCESS(dark_reader_start(&vcpu, at), "vCPU");
	rte_delay_us_sleep(100000);
	TEST_ASSERT_EQUAL(dark_reader_value(&vcpu), -1, "it is leased, and the cards' still");
	domain.slow = true;
	TEST_ASSERT_SUCCESS(map_all(), "map");
	domain.slow = false;
	TEST_ASSERT_EQUAL(domain.read, -1, "while it is taken");
	TEST_ASSERT(dmatable_wait(dark_reader_value(&vcpu) == 'v'), "its packet");
	dark_reader_join(&vcpu);
	TEST_ASSERT_SUCCESS(give_all(), "back");
	return check_whole();
}

static int
test_last_card_goes_and_comes_back(void)
{
	TEST_ASSERT_SUCCESS(map_all(), "map");
	domain_end();
	airlock_card_detach(card);
	TEST_ASSERT(!airlock_card_is_attached(card), "gone");
	TEST_ASSERT_EQUAL(stats_now().nb_has, 0, "has nothing");
	/* What comes back meanwhile waits for a card, as all the rest. */
	TEST_ASSERT_SUCCESS(give_all(), "back");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	TEST_ASSERT_EQUAL(stats_now().nb_stuck, 0, "nothing is lost");
	domain.alive = true;
	TEST_ASSERT_SUCCESS(airlock_card_attach(card), "attach");
	return check_whole();
}

static int
test_card_comes_back_while_a_frame_is_given(void)
{
	TEST_ASSERT_SUCCESS(map_all(), "map");
	domain_end();
	airlock_card_detach(card);
	domain.begins = true;
	TEST_ASSERT_SUCCESS(give_all(), "back");
	TEST_ASSERT_EQUAL(stats_now().nb_stuck, 0, "nothing is lost");
	TEST_ASSERT_EQUAL(nb_mapped(), RTE_DIM(frames), "those that were given");
	TEST_ASSERT_SUCCESS(airlock_card_attach(card), "attach");
	return check_whole();
}

/* The lcores do not know that it has gone, and nobody has told the rest. */
static int
test_frames_are_taken_from_a_card_that_has_just_gone(void)
{
	domain_end();
	TEST_ASSERT_SUCCESS(map_all(), "map");
	airlock_card_detach(card);
	domain.alive = true;
	TEST_ASSERT_SUCCESS(airlock_card_attach(card), "attach");
	TEST_ASSERT_EQUAL(nb_mapped(), ENV_FRAMES - 1 - RTE_DIM(frames), "not what the VM has");
	TEST_ASSERT_SUCCESS(give_all(), "back");
	return check_whole();
}

static int
test_another_card_that_goes_changes_nothing(void)
{
	TEST_ASSERT_SUCCESS(map_all(), "map");
	airlock_card_detach(card);
	TEST_ASSERT_EQUAL(stats_now().nb_has, ENV_FRAMES - 1 - RTE_DIM(frames), "as before");
	TEST_ASSERT_SUCCESS(give_all(), "back");
	return check_whole();
}

/* Better out of use than in a card's ring, where it would be a fault of the card's. */
static int
test_frame_that_cannot_be_mapped_again_is_not_used(void)
{
	struct airlock_pool_stats stats;

	TEST_ASSERT_SUCCESS(map_all(), "map");
	domain.map_error = -ENOSPC;
	airlock_dmatable_unmap(env.table, frames, RTE_DIM(frames));
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(dmatable_wait(stats_now().nb_stuck == RTE_DIM(frames)), "stuck");
	airlock_pool_stats(env.pool, &stats);
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_UNMAPPING], RTE_DIM(frames) * stats.frame_pages,
		"out of use");
	TEST_ASSERT_EQUAL(stats_now().errors, RTE_DIM(frames), "errors");
	TEST_ASSERT_EQUAL(domain.nb_faults, 0, "faults");
	return TEST_SUCCESS;
}

static int
test_domain_that_cannot_be_filled_is_an_error(void)
{
	domain_end();
	airlock_card_detach(card);
	domain.alive = true;
	domain.map_error = -ENOMEM;
	TEST_ASSERT_EQUAL(airlock_card_attach(card), -ENOMEM, "attach");
	domain.map_error = 0;
	TEST_ASSERT_SUCCESS(airlock_card_attach(card), "attach again");
	TEST_ASSERT_EQUAL(nb_mapped(), ENV_FRAMES - 1, "all");
	return TEST_SUCCESS;
}

static int
test_too_many_frames_are_refused(void)
{
	TEST_ASSERT(airlock_card_create(env.pages, 0) == NULL && rte_errno == EINVAL, "none");
	TEST_ASSERT(airlock_card_create(env.pages, AIRLOCK_CARD_MAX_FRAMES + 1) == NULL &&
			rte_errno == EINVAL,
		"too many");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "cards' side",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_cards_have_all_but_the_header),
			TEST_CASE_ST(setup, teardown,
				test_cards_lose_what_a_vm_gets_and_have_it_again_before_it_is_free),
			TEST_CASE_ST(setup, teardown, test_cards_do_not_get_what_is_not_dark_yet),
			TEST_CASE_ST(setup, teardown, test_verify_finds_a_frame_on_both_sides),
			TEST_CASE_ST(
				setup, teardown, test_vcpu_waits_until_cards_have_lost_its_frame),
			TEST_CASE_ST(setup, teardown, test_last_card_goes_and_comes_back),
			TEST_CASE_ST(setup, teardown, test_card_comes_back_while_a_frame_is_given),
			TEST_CASE_ST(setup, teardown,
				test_frames_are_taken_from_a_card_that_has_just_gone),
			TEST_CASE_ST(setup, teardown, test_another_card_that_goes_changes_nothing),
			TEST_CASE_ST(setup, teardown,
				test_frame_that_cannot_be_mapped_again_is_not_used),
			TEST_CASE_ST(
				setup, teardown, test_domain_that_cannot_be_filled_is_an_error),
			TEST_CASE_ST(setup, teardown, test_too_many_frames_are_refused),
			TEST_CASES_END(),
		},
};

static int
test_card(void)
{
	return dmatable_env_run(&suite);
}

REGISTER_FAST_TEST(card_autotest, true, true, test_card)
