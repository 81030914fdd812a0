/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The agent against an airlockd that sends nonsense, has another pool or refuses, and against
 * windows that it cannot serve.
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "test_window_agent.h"

/* The agent hangs up, the window is dark, and a new connection works. */
static int
check_broken_off(const char *what)
{
	char byte;

	TEST_ASSERT_EQUAL(peer_receive(&peer, &byte, 1), 0, "%s: the agent does not hang up", what);
	TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "%s: visible", what);
	peer_hang_up(&peer);
	TEST_ASSERT_SUCCESS(peer_accept(&peer), "%s: does not connect again", what);
	TEST_ASSERT_SUCCESS(peer_take_hello(&peer), "%s: no hello again", what);
	return TEST_SUCCESS;
}

struct bad_unmap {
	struct airlock_window_unmap unmap;
	struct airlock_window_run runs[2];
};

static const struct {
	const char *what;
	uint32_t type, head_bytes, nb_runs;
	struct airlock_window_run runs[2];
	uint32_t sent;
} bad[] = {
	{"no head", AIRLOCK_WINDOW_UNMAP, 32, 1, {{0, 1}}, 4},
	{"a head alone", AIRLOCK_WINDOW_UNMAP, 8, 1, {{0, 1}}, 8},
	{"cut short", AIRLOCK_WINDOW_UNMAP, 32, 1, {{0, 1}}, 28},
	{"cut short, as it says", AIRLOCK_WINDOW_UNMAP, 28, 1, {{0, 1}}, 28},
	{"longer than it says", AIRLOCK_WINDOW_UNMAP, 32, 1, {{0, 1}, {1, 1}}, 40},
	{"shorter than it says", AIRLOCK_WINDOW_UNMAP, 40, 1, {{0, 1}}, 32},
	{"more runs than there are", AIRLOCK_WINDOW_UNMAP, 32, 2, {{0, 1}}, 32},
	{"fewer runs than there are", AIRLOCK_WINDOW_UNMAP, 40, 1, {{0, 1}, {1, 1}}, 40},
	{"no runs", AIRLOCK_WINDOW_UNMAP, 24, 0, {{0, 0}}, 24},
	{"too many runs", AIRLOCK_WINDOW_UNMAP, 32, UINT32_MAX, {{0, 1}}, 32},
	{"an empty run", AIRLOCK_WINDOW_UNMAP, 32, 1, {{5, 0}}, 32},
	{"a run behind the window", AIRLOCK_WINDOW_UNMAP, 32, 1, {{PEER_PAGES, 1}}, 32},
	{"a run over the end", AIRLOCK_WINDOW_UNMAP, 32, 1, {{PEER_PAGES - 1, 2}}, 32},
	{"a run that wraps", AIRLOCK_WINDOW_UNMAP, 32, 1, {{1, UINT32_MAX}}, 32},
	{"the second run bad", AIRLOCK_WINDOW_UNMAP, 40, 2, {{0, 1}, {UINT32_MAX, 2}}, 40},
	{"a type of the agent's", AIRLOCK_WINDOW_UNMAPPED, 24, 0, {{0, 0}}, 24},
	{"no type", 0, 32, 1, {{0, 1}}, 32},
	{"a type that is not", 99, 32, 1, {{0, 1}}, 32},
};

static int
test_bad_messages_darken_the_window(void)
{
	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		struct bad_unmap message = {
			.unmap =
				{
					.head = {.type = bad[i].type, .bytes = bad[i].head_bytes},
					.id = 1,
					.nb_runs = bad[i].nb_runs,
				},
			.runs = {bad[i].runs[0], bad[i].runs[1]},
		};

		TEST_ASSERT_SUCCESS(peer_map(&peer, 0, 4), "map");
		TEST_ASSERT_SUCCESS(peer_send(&peer, &message, bad[i].sent), "send");
		TEST_ASSERT_SUCCESS(check_broken_off(bad[i].what), "see above");
	}
	return TEST_SUCCESS;
}

static int
test_oversized_and_repeated_messages(void)
{
	static uint8_t big[65536];
	struct airlock_window_head head = {.type = AIRLOCK_WINDOW_UNMAP, .bytes = sizeof(big)};

	memcpy(big, &head, sizeof(head));
	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, 4), "map");
	TEST_ASSERT_SUCCESS(peer_send(&peer, big, sizeof(big)), "send");
	TEST_ASSERT_SUCCESS(check_broken_off("64 KiB"), "see above");
	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, 4), "map");
	TEST_ASSERT_SUCCESS(peer_send(&peer, &peer.welcome, sizeof(peer.welcome)), "send");
	TEST_ASSERT_SUCCESS(check_broken_off("a second welcome"), "see above");
	return TEST_SUCCESS;
}

static int
test_another_pool_gets_no_window(void)
{
	const struct airlock_window_welcome right = peer.welcome;

	for (unsigned int i = 0; i < 3; i++) {
		TEST_ASSERT_SUCCESS(peer_map(&peer, 0, 4), "map");
		peer_hang_up(&peer);
		peer.welcome = right;
		peer.welcome.pool_ino += i == 0;
		peer.welcome.pool_dev += i == 1;
		peer.welcome.layout.pool_bytes += i == 2 ? 4096 : 0;
		TEST_ASSERT_SUCCESS(peer_accept(&peer), "accept");
		TEST_ASSERT_EQUAL(peer_take_hello(&peer), -ECONNRESET, "pool %u is accepted", i);
		TEST_ASSERT_EQUAL(peer_nb_mapped(&peer), 0, "visible");
		TEST_ASSERT(peer_has_logged("airlockd has another pool"), "not said");
		peer_hang_up(&peer);
		peer.welcome = right;
		TEST_ASSERT_SUCCESS(peer_accept(&peer), "accept");
		TEST_ASSERT_SUCCESS(peer_take_hello(&peer), "the right pool is refused");
	}
	return TEST_SUCCESS;
}

static int
refuse(const char *text)
{
	struct airlock_window_refused refused = {
		.head = {.type = AIRLOCK_WINDOW_REFUSED, .bytes = sizeof(refused)},
	};

	snprintf(refused.text, sizeof(refused.text), "%s", text);
	TEST_ASSERT_SUCCESS(peer_send(&peer, &refused, sizeof(refused)), "send");
	TEST_ASSERT_SUCCESS(check_broken_off(text), "see above");
	return TEST_SUCCESS;
}

static int
test_refusals_are_said_once(void)
{
	for (unsigned int i = 0; i < 4; i++)
		TEST_ASSERT_SUCCESS(refuse("has an agent\nalready"), "see above");
	TEST_ASSERT_EQUAL(peer_nb_logged("airlockd refuses: has an agent?already"), 1, "lines");
	TEST_ASSERT_SUCCESS(refuse("out of order"), "see above");
	TEST_ASSERT_EQUAL(peer_nb_logged("airlockd refuses: out of order"), 1, "lines");
	return TEST_SUCCESS;
}

static int
test_one_window_of_the_right_size(void)
{
	TEST_ASSERT_EQUAL(airlock_window_agent_serve(peer.agent, peer.pool, PEER_BYTES, false),
		-EBUSY, "a second window");
	airlock_window_agent_close_unmapped(peer.agent);
	peer.agent = airlock_window_agent_open_known(peer.path, &peer.welcome, peer_log);
	TEST_ASSERT_NOT_NULL(peer.agent, "open");
	TEST_ASSERT_EQUAL(
		airlock_window_agent_serve(peer.agent, peer.pool, PEER_BYTES - 4096, false),
		-EINVAL, "too small");
	TEST_ASSERT_EQUAL(airlock_window_agent_serve(peer.agent, peer.pool, PEER_BYTES * 2, false),
		-EINVAL, "too large");
	return TEST_SUCCESS;
}

static int
test_disk_file_is_refused(void)
{
	char path[] = "/var/tmp/airlock-test.XXXXXX";
	struct statfs fs;
	void *base;
	int fd;

	fd = mkstemp(path);
	TEST_ASSERT(fd >= 0, "no file in /var/tmp");
	unlink(path);
	TEST_ASSERT_SUCCESS(ftruncate(fd, PEER_BYTES) | fstatfs(fd, &fs), "file");
	base = mmap(NULL, PEER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	TEST_ASSERT(base != MAP_FAILED, "mmap");
	if (fs.f_type == TMPFS_MAGIC) {
		printf("/var/tmp is a tmpfs\n");
		return TEST_SKIPPED;
	}
	airlock_window_agent_close_unmapped(peer.agent);
	peer.agent = airlock_window_agent_open_known(peer.path, &peer.welcome, peer_log);
	TEST_ASSERT_EQUAL(airlock_window_agent_serve(peer.agent, base, PEER_BYTES, false), -ENOTSUP,
		"a file system without minor faults");
	TEST_ASSERT_EQUAL(peer_nb_logged("its file must be on a tmpfs"), 1, "not said");
	munmap(base, PEER_BYTES);
	return TEST_SUCCESS;
}

static const struct unit_test_suite window_agent_bad_suite = {
	.suite_name = "window agent, bad input",
	.unit_test_cases =
		{
			SERVED(test_bad_messages_darken_the_window),
			SERVED(test_oversized_and_repeated_messages),
			SERVED(test_another_pool_gets_no_window),
			SERVED(test_refusals_are_said_once),
			SERVED(test_one_window_of_the_right_size),
			SERVED(test_disk_file_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_window_agent_bad(void)
{
	return unit_test_suite_runner(&window_agent_bad_suite);
}

REGISTER_FAST_TEST(window_agent_bad_autotest, true, true, test_window_agent_bad)
