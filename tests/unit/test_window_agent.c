/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The agent against an airlockd that this test plays: what is visible in the window, and when.
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "window_peer.h"

static struct window_peer peer;

static int
setup(void)
{
	return peer_open(&peer) == 0 ? TEST_SUCCESS : TEST_FAILED;
}

static void
teardown(void)
{
	peer_close(&peer);
}

/* Most cases start with an agent that serves. */
static int
setup_served(void)
{
	int ret;

	TEST_ASSERT_SUCCESS(peer_open(&peer), "no pool");
	/* As if the VMM had used it: serving has to hide all of it. */
	for (unsigned int i = 0; i < PEER_PAGES; i++)
		TEST_ASSERT_EQUAL(peer.window[i * 4096], i + 1, "page %u before", i);
	ret = peer_serve(&peer);
	if (ret == -EPERM || ret == -ENOTSUP) {
		printf("no userfaultfd with minor faults for this process\n");
		return TEST_SKIPPED;
	}
	TEST_ASSERT_SUCCESS(ret, "the agent does not serve");
	return TEST_SUCCESS;
}

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

/* @return how a child ended that ran a function */
static int
run_child(int (*child)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(child());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int
child_has_nothing(void)
{
	unsigned char resident;

	if (mincore(peer.window, 4096, &resident) == 0 || errno != ENOMEM)
		return 1;
	if (airlock_window_agent_serve(peer.agent, peer.pool, PEER_BYTES, false) != -EBUSY)
		return 2;
	airlock_window_agent_close(peer.agent);
	return 0;
}

static int
test_child_has_no_window(void)
{
	TEST_ASSERT_SUCCESS(run_child(child_has_nothing), "child");
	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, 4), "map");
	TEST_ASSERT_SUCCESS(peer_unmap(&peer, 0, 4), "the parent's agent has gone");
	TEST_ASSERT_SUCCESS(peer_take_answer(&peer, 1), "answer");
	return TEST_SUCCESS;
}

static int alive[2];

/* A VMM that forks a helper and is killed; the helper lives on. */
static int
child_serves_and_forks(void)
{
	char byte;

	peer.agent = airlock_window_agent_open_known(peer.path, &peer.welcome, peer_log);
	if (airlock_window_agent_serve(peer.agent, peer.pool, PEER_BYTES, false) < 0)
		return 1;
	while (peer_nb_logged("airlockd serves") == 0)
		usleep(1000);
	if (fork() == 0) {
		close(alive[1]);
		_exit(read(alive[0], &byte, 1) == 0 ? 0 : 1);
	}
	kill(getpid(), SIGKILL);
	return 1;
}

static int
test_death_shows_despite_a_child(void)
{
	int status;
	char byte;
	pid_t pid;

	airlock_window_agent_close_unmapped(peer.agent);
	peer.agent = NULL;
	peer_hang_up(&peer);
	TEST_ASSERT_SUCCESS(pipe(alive), "pipe");
	pid = fork();
	if (pid == 0)
		_exit(child_serves_and_forks());
	TEST_ASSERT_SUCCESS(peer_accept(&peer), "accept");
	TEST_ASSERT_SUCCESS(peer_take_hello(&peer), "hello");
	TEST_ASSERT_EQUAL(waitpid(pid, &status, 0), pid, "wait");
	TEST_ASSERT_EQUAL(peer_receive(&peer, &byte, 1), 0, "the connection lives on");
	close(alive[0]);
	close(alive[1]);
	return TEST_SUCCESS;
}

/* Plays airlockd for airlock_window_agent_open(), which waits for it. */
static void *
answer_one(void *message)
{
	const struct airlock_window_head *head = message;

	while (peer.sock < 0)
		peer.sock = accept4(peer.listener, NULL, NULL, SOCK_CLOEXEC);
	peer_send(&peer, message, head->bytes);
	return NULL;
}

static int
open_against(void *message)
{
	pthread_t thread;
	int err;

	airlock_window_agent_close_unmapped(peer.agent);
	peer_hang_up(&peer);
	if (pthread_create(&thread, NULL, answer_one, message) != 0)
		return -ENOMEM;
	peer.agent = airlock_window_agent_open(peer.path, 0, peer_log);
	err = peer.agent == NULL ? -errno : 0;
	pthread_join(thread, NULL);
	return err;
}

static int
test_open_learns_the_pool(void)
{
	const struct airlock_window_welcome *pool;
	char byte;

	TEST_ASSERT_SUCCESS(open_against(&peer.welcome), "open");
	pool = airlock_window_agent_pool(peer.agent);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(pool, &peer.welcome, sizeof(*pool), "what was told");
	TEST_ASSERT_EQUAL(peer_receive(&peer, &byte, 1), 0, "stays connected without a window");
	return TEST_SUCCESS;
}

static int
test_open_refuses_what_is_no_airlockd(void)
{
	struct airlock_window_welcome welcome = peer.welcome;

	welcome.version++;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "version");
	TEST_ASSERT_EQUAL(peer_nb_logged("speaks version 2"), 1, "not said");
	welcome = peer.welcome;
	welcome.head.type = AIRLOCK_WINDOW_HELLO;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "type");
	welcome = peer.welcome;
	welcome.head.bytes = 12;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "cut short");
	welcome = peer.welcome;
	welcome.layout.frame_shift = 11;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "half a page");
	welcome = peer.welcome;
	welcome.layout.pool_bytes += 1;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "size");
	welcome = peer.welcome;
	welcome.layout.nb_partitions = AIRLOCK_WINDOW_MAX_PARTITIONS + 1;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "partitions");
	welcome = peer.welcome;
	welcome.layout.partitions[0].nb_frames = PEER_PAGES + 1;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "partition");
	return TEST_SUCCESS;
}

static int
test_open_fails_without_airlockd(void)
{
	struct airlock_window_refused refused = {
		.head = {.type = AIRLOCK_WINDOW_REFUSED, .bytes = sizeof(refused)},
		.text = "not today",
	};
	char long_path[200];

	TEST_ASSERT_EQUAL(open_against(&refused), -ECONNREFUSED, "refused");
	TEST_ASSERT_EQUAL(peer_nb_logged("airlockd refuses: not today"), 1, "not said");
	peer_die(&peer);
	TEST_ASSERT_NULL(airlock_window_agent_open(peer.path, 150, peer_log), "nobody there");
	TEST_ASSERT_EQUAL(errno, ETIMEDOUT, "nobody there");
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	TEST_ASSERT_NULL(airlock_window_agent_open(long_path, 0, peer_log), "long path");
	TEST_ASSERT_EQUAL(errno, ENAMETOOLONG, "long path");
	return TEST_SUCCESS;
}

static bool
anybody_may_use_userfaultfd(void)
{
	char setting = '1';
	int fd;

	if (access("/dev/userfaultfd", R_OK | W_OK) == 0)
		return true;
	fd = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &setting, 1) != 1)
		setting = '1';
	close(fd);
	return setting != '0';
}

static int
child_without_permission(void)
{
	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
		anybody_may_use_userfaultfd())
		return TEST_SKIPPED;
	peer.agent = airlock_window_agent_open_known(peer.path, &peer.welcome, peer_log);
	if (airlock_window_agent_serve(peer.agent, peer.window, PEER_BYTES, false) != -EPERM)
		return 1;
	return peer_nb_logged("vm.unprivileged_userfaultfd=1") == 1 &&
			peer_nb_logged("/dev/userfaultfd") == 1 &&
			peer_nb_logged("CAP_SYS_PTRACE") == 1
		? 0
		: 2;
}

static int
test_missing_permission_says_what_to_change(void)
{
	int ret = run_child(child_without_permission);

	if (ret == TEST_SKIPPED) {
		printf("every user may use userfaultfd here, or users cannot be changed\n");
		return TEST_SKIPPED;
	}
	TEST_ASSERT_SUCCESS(ret, "1: no EPERM; 2: not said");
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

#define SERVED(test) TEST_CASE_ST(setup_served, teardown, test)
#define ALONE(test)  TEST_CASE_ST(setup, teardown, test)

static const struct unit_test_suite window_agent_suite = {
	.suite_name = "window agent",
	.unit_test_cases =
		{
			SERVED(test_window_is_dark_and_handed_over),
			SERVED(test_unmap_hides_just_those_pages),
			SERVED(test_many_unmaps_are_answered_in_order),
			SERVED(test_largest_unmap),
			SERVED(test_page_can_be_mapped_read_only),
			SERVED(test_bad_messages_darken_the_window),
			SERVED(test_oversized_and_repeated_messages),
			SERVED(test_window_is_dark_while_airlockd_is_gone),
			SERVED(test_stalled_reader_outlives_airlockd),
			SERVED(test_page_mapped_too_late_is_hidden_before_hello),
			SERVED(test_reader_of_a_hole_stalls),
			SERVED(test_another_pool_gets_no_window),
			SERVED(test_refusals_are_said_once),
			SERVED(test_closed_window_stays_dark),
			SERVED(test_window_to_be_unmapped_is_replaced),
			SERVED(test_one_window_of_the_right_size),
			SERVED(test_child_has_no_window),
			SERVED(test_disk_file_is_refused),
			SERVED(test_death_shows_despite_a_child),
			ALONE(test_open_learns_the_pool),
			ALONE(test_open_refuses_what_is_no_airlockd),
			ALONE(test_open_fails_without_airlockd),
			ALONE(test_missing_permission_says_what_to_change),
			TEST_CASES_END(),
		},
};

static int
test_window_agent(void)
{
	return unit_test_suite_runner(&window_agent_suite);
}

REGISTER_FAST_TEST(window_agent_autotest, true, true, test_window_agent)
