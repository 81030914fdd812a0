/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The agent against an airlockd that this test plays: what is visible in the window, and when.
 */

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "test_window_agent.h"

static int
test_window_is_dark_and_handed_over(void)
{
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "visible before anything is mapped");
	TEST_ASSERT_EQUAL(peer.hello.head.type, AIRLOCK_WINDOW_HELLO, "type");
	TEST_ASSERT_EQUAL(peer.hello.head.bytes, sizeof(peer.hello), "length");
	TEST_ASSERT_EQUAL(peer.hello.version, AIRLOCK_WINDOW_VERSION, "version");
	TEST_ASSERT_EQUAL(peer.hello.in_process, 0, "a VMM");
	TEST_ASSERT_EQUAL(peer.hello.base, (uintptr_t)peer.window, "base");
	TEST_ASSERT_EQUAL(peer.hello.bytes, PEER_BYTES, "bytes");
	return TEST_SUCCESS;
}

static int
test_unmap_hides_just_those_pages(void)
{
	TEST_ASSERT_SUCCESS(peer_map(&peer, 3, 8), "map");
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 8, "mapped");
	TEST_ASSERT_EQUAL(peer.window[3 * 4096], 4, "what is in page 3");
	TEST_ASSERT_SUCCESS(peer_unmap(&peer, 4, 5), "send");
	TEST_ASSERT_SUCCESS(peer_take_answer(&peer, 1), "answer");
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 3, "still mapped");
	TEST_ASSERT_EQUAL(peer.window[10 * 4096], 11, "what is in page 10");
	TEST_ASSERT_SUCCESS(peer_map(&peer, 4, 5), "map again");
	TEST_ASSERT_EQUAL(peer.window[8 * 4096], 9, "what is in page 8");
	return TEST_SUCCESS;
}

static int
test_many_unmaps_are_answered_in_order(void)
{
	const unsigned int nb = 60;

	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, nb), "map");
	for (unsigned int i = 0; i < nb; i++)
		TEST_ASSERT_SUCCESS(peer_unmap(&peer, i, 1), "send %u", i);
	for (unsigned int i = 0; i < nb; i++)
		TEST_ASSERT_SUCCESS(peer_take_answer(&peer, i + 1), "answer %u", i);
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "all are dark");
	return TEST_SUCCESS;
}

static int
test_largest_unmap(void)
{
	struct {
		struct airlock_window_unmap unmap;
		struct airlock_window_run runs[AIRLOCK_WINDOW_MAX_RUNS];
	} message = {
		.unmap =
			{
				.head = {.type = AIRLOCK_WINDOW_UNMAP, .bytes = sizeof(message)},
				.id = 7,
				.nb_runs = AIRLOCK_WINDOW_MAX_RUNS,
			},
	};

	for (unsigned int i = 0; i < AIRLOCK_WINDOW_MAX_RUNS; i++)
		message.runs[i] = (struct airlock_window_run){i % PEER_PAGES, 1};
	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, PEER_PAGES), "map");
	TEST_ASSERT_SUCCESS(peer_send(&peer, &message, sizeof(message)), "send");
	TEST_ASSERT_SUCCESS(peer_take_answer(&peer, 7), "answer");
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "all are dark");
	return TEST_SUCCESS;
}

/* UFFDIO_CONTINUE_MODE_WP came with Linux 6.4. */
static bool
kernel_maps_read_only(void)
{
	int version, patch_level;
	struct utsname name;

	return uname(&name) == 0 && sscanf(name.release, "%d.%d", &version, &patch_level) == 2 &&
		(version > 6 || (version == 6 && patch_level >= 4));
}

/* As the page that tells a guest in a VM how the pool is cut. */
static int
test_page_can_be_mapped_read_only(void)
{
	uint64_t entry;

	if (!kernel_maps_read_only()) {
		printf("the kernel does not map read-only\n");
		return TEST_SKIPPED;
	}
	for (unsigned int i = 0; i < 2; i++) {
		TEST_ASSERT_SUCCESS(peer_map_read_only(&peer, 9, 1), "map");
		entry = peer_pagemap(&peer, 9);
		TEST_ASSERT_EQUAL(entry >> 63, 1, "not visible");
		TEST_ASSERT_EQUAL(entry >> 57 & 1, 1, "not write-protected");
		TEST_ASSERT_EQUAL(peer.window[9 * 4096], 10, "what is in page 9");
		TEST_ASSERT_SUCCESS(peer_unmap(&peer, 9, 1), "send");
		TEST_ASSERT_SUCCESS(peer_take_answer(&peer, i + 1), "answer");
		TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "visible");
	}
	TEST_ASSERT_SUCCESS(peer_map(&peer, 9, 1), "map for writing");
	peer.window[9 * 4096] = 99;
	TEST_ASSERT_EQUAL(peer.pool[9 * 4096], 99, "written");
	return TEST_SUCCESS;
}

static int
test_window_is_dark_while_airlockd_is_gone(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		TEST_ASSERT_SUCCESS(peer_map(&peer, 0, PEER_PAGES), "map");
		TEST_ASSERT(peer_has_logged("airlockd serves the window"), "not said");
		peer_die(&peer);
		TEST_ASSERT(peer_is_dark(&peer), "visible, round %u", i);
		TEST_ASSERT(peer_has_logged("airlockd has gone"), "not said");
		TEST_ASSERT_SUCCESS(peer_listen(&peer), "listen again");
		TEST_ASSERT_SUCCESS(peer_accept(&peer), "does not come back");
		TEST_ASSERT_SUCCESS(peer_take_hello(&peer), "no hello");
		TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "visible at hello");
	}
	return TEST_SUCCESS;
}

static void *
touch(void *page)
{
	_Atomic uint8_t *byte = page;

	return (void *)(uintptr_t)*byte;
}

static int
take_fault(uint64_t *address)
{
	struct uffd_msg fault;
	int i;

	for (i = 0; i < 1000 && read(peer.uffd, &fault, sizeof(fault)) != sizeof(fault); i++)
		usleep(10000);
	*address = fault.arg.pagefault.address & ~4095ULL;
	return i < 1000 && fault.event == UFFD_EVENT_PAGEFAULT ? 0 : -1;
}

/* The first airlockd has read of the fault and takes that knowledge with it. */
static int
test_stalled_reader_outlives_airlockd(void)
{
	const uintptr_t page = (uintptr_t)peer.window + 5 * 4096;
	pthread_t reader;
	uint64_t address;
	void *seen;

	TEST_ASSERT_SUCCESS(pthread_create(&reader, NULL, touch, (void *)page), "thread");
	TEST_ASSERT_SUCCESS(take_fault(&address), "no fault");
	TEST_ASSERT_EQUAL(address, page, "where");
	peer_die(&peer);
	TEST_ASSERT(peer_is_dark(&peer), "visible");
	TEST_ASSERT_SUCCESS(peer_listen(&peer), "listen again");
	TEST_ASSERT_SUCCESS(peer_accept(&peer), "does not come back");
	TEST_ASSERT_SUCCESS(peer_take_hello(&peer), "no hello");
	TEST_ASSERT_SUCCESS(take_fault(&address), "the new airlockd hears of no fault");
	TEST_ASSERT_EQUAL(address, page, "where");
	TEST_ASSERT_SUCCESS(peer_map(&peer, 5, 1), "map");
	TEST_ASSERT_SUCCESS(pthread_join(reader, &seen), "join");
	TEST_ASSERT_EQUAL((uintptr_t)seen, 6, "what the reader saw");
	return TEST_SUCCESS;
}

/* As an lcore does that has not seen yet that the connection has ended. */
static int
test_page_mapped_too_late_is_hidden_before_hello(void)
{
	int uffd;

	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, 4), "map");
	uffd = dup(peer.uffd);
	peer_hang_up(&peer);
	TEST_ASSERT(peer_is_dark(&peer), "visible");
	peer.uffd = uffd;
	TEST_ASSERT_SUCCESS(peer_map(&peer, 6, 1), "map late");
	peer.uffd = -1;
	close(uffd);
	TEST_ASSERT_SUCCESS(peer_accept(&peer), "does not come back");
	TEST_ASSERT_SUCCESS(peer_take_hello(&peer), "no hello");
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "visible at hello");
	return TEST_SUCCESS;
}

/* An airlockd that starts punches all pages out of the file before it makes them anew. */
static int
test_reader_of_a_hole_stalls(void)
{
	const uintptr_t page = (uintptr_t)peer.window + 7 * 4096;
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	pthread_t reader;
	uint64_t address;
	void *seen;

	TEST_ASSERT_SUCCESS(fallocate(peer.pool_fd, mode, 7 * 4096, 4096), "punch");
	TEST_ASSERT_SUCCESS(pthread_create(&reader, NULL, touch, (void *)page), "thread");
	TEST_ASSERT_SUCCESS(take_fault(&address), "no fault");
	TEST_ASSERT_EQUAL(address, page, "where");
	memset(peer.pool + 7 * 4096, 77, 4096);
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "the page in the hole is visible");
	TEST_ASSERT_SUCCESS(peer_map(&peer, 7, 1), "map");
	TEST_ASSERT_SUCCESS(pthread_join(reader, &seen), "join");
	TEST_ASSERT_EQUAL((uintptr_t)seen, 77, "what the reader saw");
	return TEST_SUCCESS;
}

/* Finds a line of smaps about the window. @return whether its mapping has the flag */
static bool
window_has_flag(const char *flag)
{
	char line[512], start[32];
	bool inside = false, has = false;
	FILE *smaps = fopen("/proc/self/smaps", "re");

	snprintf(start, sizeof(start), "%" PRIxPTR "-", (uintptr_t)peer.window);
	while (smaps != NULL && fgets(line, sizeof(line), smaps) != NULL) {
		if (strncmp(line, start, strlen(start)) == 0)
			inside = true;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			has = strstr(line, flag) != NULL;
			break;
		}
	}
	if (smaps != NULL)
		fclose(smaps);
	return has;
}

static int
test_closed_window_stays_dark(void)
{
	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, PEER_PAGES), "map");
	airlock_window_agent_close(peer.agent);
	peer.agent = NULL;
	peer_die(&peer);
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "visible");
	TEST_ASSERT(window_has_flag(" ui"), "not registered for minor faults any more");
	TEST_ASSERT(window_has_flag(" dc"), "children get the window");
	return TEST_SUCCESS;
}

static int
test_window_to_be_unmapped_is_replaced(void)
{
	int descriptors[2];

	TEST_ASSERT_SUCCESS(pipe(descriptors), "pipe");
	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, PEER_PAGES), "map");
	airlock_window_agent_close_unmapped(peer.agent);
	peer.agent = NULL;
	TEST_ASSERT_EQUAL(write(descriptors[1], peer.window, 1), -1, "can be read");
	TEST_ASSERT_EQUAL(errno, EFAULT, "why not");
	TEST_ASSERT(!window_has_flag(" ui"), "still registered");
	close(descriptors[0]);
	close(descriptors[1]);
	return TEST_SUCCESS;
}

static const struct unit_test_suite window_agent_suite = {
	.suite_name = "window agent",
	.unit_test_cases =
		{
			SERVED(test_window_is_dark_and_handed_over),
			SERVED(test_unmap_hides_just_those_pages),
			SERVED(test_many_unmaps_are_answered_in_order),
			SERVED(test_largest_unmap),
			SERVED(test_page_can_be_mapped_read_only),
			SERVED(test_window_is_dark_while_airlockd_is_gone),
			SERVED(test_stalled_reader_outlives_airlockd),
			SERVED(test_page_mapped_too_late_is_hidden_before_hello),
			SERVED(test_reader_of_a_hole_stalls),
			SERVED(test_closed_window_stays_dark),
			SERVED(test_window_to_be_unmapped_is_replaced),
			TEST_CASES_END(),
		},
};

static int
test_window_agent(void)
{
	return unit_test_suite_runner(&window_agent_suite);
}

REGISTER_FAST_TEST(window_agent_autotest, true, true, test_window_agent)
