/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The costs of remap and copy: what is made of measured figures, and that measuring leaves the pool
 * as it found it. The figures themselves are the host's affair.
 */

#include <dirent.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "airlock_cost.h"
#include "test.h"
#include "test_cost.h"

#define NB_PAGES 1024

static char path[64];
static struct airlock_pool *pool;

static int
create(const char *directory)
{
	struct airlock_pool_conf conf = {
		.name = "test_cost",
		.path = path,
		.nb_pages = NB_PAGES,
		.frame_pages = 1,
		.socket_id = SOCKET_ID_ANY,
	};

	snprintf(path, sizeof(path), "%s/airlock-test-cost-%d", directory, getpid());
	unlink(path);
	pool = airlock_pool_create(&conf);
	TEST_ASSERT_NOT_NULL(pool, "%s: %s", path, rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

static int
setup(void)
{
	return create("/dev/shm");
}

static void
teardown(void)
{
	airlock_pool_destroy(pool, false);
	pool = NULL;
}

static int
test_between_measured_runs_lies_their_line(void)
{
	const struct airlock_cost cost = made_up();

	TEST_ASSERT(airlock_cost_map_page(&cost, 1) == 300, "measured");
	TEST_ASSERT(airlock_cost_map_page(&cost, 4) == 150, "measured");
	TEST_ASSERT(airlock_cost_map_page(&cost, 3) == 500.0 / 3, "half way from 2 to 4");
	TEST_ASSERT(airlock_cost_map_page(&cost, 64) == 60, "measured");
	TEST_ASSERT(airlock_cost_map_page(&cost, 1000) == 60, "beyond: no cheaper");
	TEST_ASSERT(airlock_cost_unmap_page(&cost, 32) == 37.5, "measured");
	TEST_ASSERT(airlock_cost_unmap_page(&cost, 0.5) == 900, "no run is shorter than a page");
	return TEST_SUCCESS;
}

static int
test_copy_is_the_mean_of_warm_and_cold(void)
{
	const struct airlock_cost cost = made_up();

	TEST_ASSERT(airlock_cost_copy(&cost, 64) == 12, "measured");
	TEST_ASSERT(airlock_cost_copy(&cost, 14) == 12, "a short one costs no less");
	TEST_ASSERT(airlock_cost_copy(&cost, 1514) == 100, "measured");
	TEST_ASSERT(airlock_cost_copy(&cost, 160) == 18, "half way from 64 to 256");
	TEST_ASSERT(airlock_cost_copy(&cost, 16384) == 1100, "measured");
	TEST_ASSERT(airlock_cost_copy(&cost, 16384 + 7384) == 1600, "as from 9000 to 16384");
	return TEST_SUCCESS;
}

static int
test_threshold_is_where_both_cost_the_same(void)
{
	struct airlock_cost cost = made_up();
	uint32_t bytes;

	/* 80 ns a page; a copy of 256 bytes is 24, of 1514 is 100: 80 at 1182.9. */
	bytes = airlock_cost_threshold(&cost, 64, FRAME, 0);
	TEST_ASSERT_EQUAL(bytes, 1183, "no scrub");
	/* The bytes that a packet leaves over of its frame cost 0.02 ns each. */
	bytes = airlock_cost_threshold(&cost, 64, FRAME, 1);
	TEST_ASSERT(bytes > 1514 && bytes < 4096, "with scrub: %u", bytes);
	TEST_ASSERT(airlock_cost_copy(&cost, bytes) >= 80 + 0.02 * (FRAME - bytes), "at it");
	TEST_ASSERT(airlock_cost_copy(&cost, bytes - 1) < 80 + 0.02 * (FRAME - bytes + 1),
		"one byte below it");
	TEST_ASSERT_EQUAL(airlock_cost_threshold(&cost, 1, FRAME, 0), UINT32_MAX, "1200 ns");
	/* A frame of eight pages is a run of eight, whatever the caller says. */
	bytes = airlock_cost_threshold(&cost, 8, 8 * FRAME, 0);
	TEST_ASSERT(bytes > 5 * FRAME && bytes < 8 * FRAME, "a large frame: %u", bytes);
	TEST_ASSERT_EQUAL(airlock_cost_threshold(&cost, 1, 8 * FRAME, 0), bytes, "no shorter run");
	memset(&cost.map_ns, 0, sizeof(cost.map_ns));
	memset(&cost.unmap_ns, 0, sizeof(cost.unmap_ns));
	TEST_ASSERT_EQUAL(airlock_cost_threshold(&cost, 64, FRAME, 0), UINT32_MAX, "not known");
	return TEST_SUCCESS;
}

/* Whatever was measured: longer runs never ask for longer packets, more scrub or frame never for
 * shorter ones. */
static int
check_monotone(const struct airlock_cost *cost, uint32_t frame_bytes)
{
	uint32_t last, now;

	for (unsigned int scrub = 0; scrub <= 4; scrub++) {
		last = UINT32_MAX;
		for (double run = 1; run < 100; run += 0.25) {
			now = airlock_cost_threshold(cost, run, frame_bytes, scrub / 4.0);
			TEST_ASSERT(now <= last, "runs of %.2f: %u after %u", run, now, last);
			last = now;
		}
	}
	for (double run = 1; run < 100; run *= 1.5) {
		last = 0;
		for (unsigned int scrub = 0; scrub <= 100; scrub++) {
			now = airlock_cost_threshold(cost, run, frame_bytes, scrub / 100.0);
			TEST_ASSERT(now >= last, "scrub %u %%: %u after %u", scrub, now, last);
			last = now;
		}
		TEST_ASSERT(last == UINT32_MAX || last <= frame_bytes - RTE_PKTMBUF_HEADROOM,
			"no packet has %u bytes", last);
	}
	return TEST_SUCCESS;
}

static int
test_threshold_is_monotone(void)
{
	struct airlock_cost cost = made_up();

	for (uint32_t frame_bytes = FRAME; frame_bytes <= 8 * FRAME; frame_bytes += FRAME)
		TEST_ASSERT_SUCCESS(check_monotone(&cost, frame_bytes), "%u", frame_bytes);
	/* Noise: runs that would cost less in all, and more by the page; copies that cost less. */
	for (unsigned int seed = 1; seed <= 20; seed++) {
		srand(seed);
		for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++) {
			cost.map_ns[i] = 1 + rand() % 2000;
			cost.unmap_ns[i] = 1 + rand() % 3000;
		}
		for (unsigned int i = 0; i < AIRLOCK_COST_SIZES; i++) {
			cost.copy_warm_ns[i] = rand() % 2000;
			cost.copy_cold_ns[i] = rand() % 2000;
		}
		airlock_cost_smooth(&cost);
		TEST_ASSERT_SUCCESS(check_monotone(&cost, FRAME), "seed %u", seed);
		TEST_ASSERT_SUCCESS(check_monotone(&cost, 4 * FRAME), "seed %u", seed);
	}
	return TEST_SUCCESS;
}

static int
test_smoothing_leaves_plausible_figures_alone(void)
{
	const struct airlock_cost before = made_up();
	struct airlock_cost cost = before;

	airlock_cost_smooth(&cost);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(&cost, &before, sizeof(cost), "nothing to smooth");
	cost.copy_cold_ns[2] = 1;
	cost.map_ns[3] = 5000;
	airlock_cost_smooth(&cost);
	TEST_ASSERT(cost.copy_cold_ns[2] == 40, "as the warm one and the shorter one");
	TEST_ASSERT(cost.map_ns[3] == 1200, "8 pages no more than twice 4");
	return TEST_SUCCESS;
}

static unsigned int
count_lines_with(const char *file_name, const char *word)
{
	unsigned int n = 0;
	char line[512];
	FILE *file = fopen(file_name, "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		n += strstr(line, word) != NULL;
	if (file != NULL)
		fclose(file);
	return n;
}

static unsigned int
count_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

static int
check_figures(const struct airlock_cost *cost)
{
	struct airlock_cost smooth = *cost;

	for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++) {
		TEST_ASSERT(cost->map_ns[i] > 0, "map %u pages", 1u << i);
		TEST_ASSERT(cost->unmap_ns[i] > 0, "unmap %u pages", 1u << i);
	}
	for (unsigned int i = 0; i < AIRLOCK_COST_SIZES; i++)
		TEST_ASSERT(cost->copy_warm_ns[i] > 0, "copy %u bytes", airlock_cost_sizes[i]);
	TEST_ASSERT(cost->scrub_byte_ns > 0, "scrub");
	airlock_cost_smooth(&smooth);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(cost, &smooth, sizeof(smooth), "smooth already");
	return TEST_SUCCESS;
}

static int
test_measuring_leaves_the_pool_as_it_was(void)
{
	const uint8_t *bytes = airlock_page_addr(airlock_pool_table(pool), 0);
	unsigned int nb_maps = count_lines_with("/proc/self/maps", path), nb_fds = count_fds();
	struct airlock_cost cost;
	size_t nb_wrong = 0;

	TEST_ASSERT(nb_maps > 0, "the pool is mapped");
	TEST_ASSERT_SUCCESS(airlock_cost_measure(pool, &cost), "as root");
	airlock_cost_print(&cost, stdout);
	TEST_ASSERT_SUCCESS(check_figures(&cost), "figures");
	TEST_ASSERT_EQUAL(count_lines_with("/proc/self/maps", path), nb_maps, "mappings");
	TEST_ASSERT_EQUAL(count_fds(), nb_fds, "descriptors");
	for (size_t i = 0; i < (size_t)NB_PAGES * AIRLOCK_PAGE_SIZE; i++)
		nb_wrong += bytes[i] != 0;
	TEST_ASSERT_EQUAL(nb_wrong, 0, "bytes that are not zero");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(pool, NULL), "the pool");
	return TEST_SUCCESS;
}

static int
test_measuring_keeps_off_the_last_pages(void)
{
	uint8_t *last = airlock_page_addr(airlock_pool_table(pool), NB_PAGES - 1);
	struct airlock_cost cost;

	memset(last, 0x5a, AIRLOCK_PAGE_SIZE);
	TEST_ASSERT_SUCCESS(airlock_cost_measure(pool, &cost), "as root");
	for (unsigned int i = 0; i < AIRLOCK_PAGE_SIZE; i++)
		TEST_ASSERT_EQUAL(last[i], 0x5a, "byte %u", i);
	return TEST_SUCCESS;
}

/* Measure in a process to which userfaultfd(2) answers *err*. Returns what it got, or -1. */
static int
measure_without_userfaultfd(int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = RTE_DIM(code), .filter = code};
	struct airlock_cost cost, zero = {0};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		memset(&cost, 0xff, sizeof(cost));
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
			_exit(255);
		status = -airlock_cost_measure(pool, &cost);
		_exit(memcmp(&cost, &zero, sizeof(cost)) == 0 ? status : 254);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int
test_without_userfaultfd_it_says_so(void)
{
	TEST_ASSERT_EQUAL(measure_without_userfaultfd(EPERM), EPERM, "not permitted");
	TEST_ASSERT_EQUAL(measure_without_userfaultfd(ENOSYS), ENOTSUP, "an old kernel");
	return TEST_SUCCESS;
}

static int
test_file_without_minor_faults_is_refused(void)
{
	struct airlock_cost cost, zero = {0};
	struct statfs fs;

	if (statfs("/var/tmp", &fs) < 0 || fs.f_type == TMPFS_MAGIC)
		return TEST_SKIPPED;
	if (create("/var/tmp") < 0)
		return TEST_FAILED;
	TEST_ASSERT_EQUAL(airlock_cost_measure(pool, &cost), -ENOTSUP, "%s is no tmpfs", path);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(&cost, &zero, sizeof(cost), "nothing is known");
	return TEST_SUCCESS;
}

static const struct unit_test_suite cost_suite = {
	.suite_name = "cost",
	.unit_test_cases =
		{
			TEST_CASE(test_between_measured_runs_lies_their_line),
			TEST_CASE(test_copy_is_the_mean_of_warm_and_cold),
			TEST_CASE(test_threshold_is_where_both_cost_the_same),
			TEST_CASE(test_threshold_is_monotone),
			TEST_CASE(test_smoothing_leaves_plausible_figures_alone),
			TEST_CASE_ST(setup, teardown, test_measuring_leaves_the_pool_as_it_was),
			TEST_CASE_ST(setup, teardown, test_measuring_keeps_off_the_last_pages),
			TEST_CASE_ST(setup, teardown, test_without_userfaultfd_it_says_so),
			TEST_CASE_ST(NULL, teardown, test_file_without_minor_faults_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_cost(void)
{
	return unit_test_suite_runner(&cost_suite);
}

REGISTER_FAST_TEST(cost_autotest, true, true, test_cost)
