/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's file: made, found again, refused. What lies in it is tested in test_page.c and
 * test_mempool.c.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>

#include "airlock_pool.h"
#include "test.h"

#define NB_PAGES 1024

static char path[64];
static struct airlock_pool *pool;

static int
setup(void)
{
	snprintf(path, sizeof(path), "/dev/shm/airlock-test-%d", getpid());
	unlink(path);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	airlock_pool_destroy(pool, false);
	pool = NULL;
	unlink(path);
}

static struct airlock_pool_conf
good_conf(void)
{
	return (struct airlock_pool_conf){
		.name = "test_pool",
		.path = path,
		.nb_pages = NB_PAGES,
		.frame_pages = 1,
		.socket_id = SOCKET_ID_ANY,
	};
}

/* 0, or the rte_errno of a failure. */
static int
try_create(const struct airlock_pool_conf *conf)
{
	rte_errno = 0;
	pool = airlock_pool_create(conf);
	return pool != NULL ? 0 : rte_errno;
}

static int
test_file_is_made_with_the_pools_size_and_goes_with_it(void)
{
	struct airlock_pool_conf conf = good_conf();
	struct airlock_pool_stats stats;
	struct stat st;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", path);
	TEST_ASSERT_SUCCESS(stat(path, &st), "%s", path);
	TEST_ASSERT_EQUAL(st.st_size, NB_PAGES * AIRLOCK_PAGE_SIZE, "size");
	TEST_ASSERT_EQUAL(st.st_mode & 0777, 0600, "packets are nobody else's to read");
	TEST_ASSERT(st.st_blocks * 512 >= st.st_size, "no page is missing: %jd blocks",
		(intmax_t)st.st_blocks);
	airlock_pool_stats(pool, &stats);
	TEST_ASSERT_EQUAL(stats.nb_pages, NB_PAGES, "pages");
	TEST_ASSERT_EQUAL(stats.frame_pages, 1, "pages of a frame");
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_FREE], NB_PAGES, "all free");
	TEST_ASSERT_EQUAL(stats.violations, 0, "none yet");
	airlock_pool_destroy(pool, false);
	pool = NULL;
	TEST_ASSERT(stat(path, &st) < 0 && errno == ENOENT, "%s is left", path);
	return TEST_SUCCESS;
}

static int
test_kept_file_is_found_again_as_the_same_inode(void)
{
	struct airlock_pool_conf conf = good_conf();
	struct stat before, after;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", path);
	TEST_ASSERT_SUCCESS(stat(path, &before), "%s", path);
	airlock_pool_destroy(pool, true);
	pool = NULL;
	TEST_ASSERT_EQUAL(try_create(&conf), 0, "again");
	TEST_ASSERT_SUCCESS(stat(path, &after), "%s", path);
	TEST_ASSERT_EQUAL(after.st_ino, before.st_ino, "a mapping of the old file still counts");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(pool, NULL), "as good as new");
	return TEST_SUCCESS;
}

static int
test_file_of_another_size_is_refused_and_left_alone(void)
{
	struct airlock_pool_conf conf = good_conf();
	struct stat st;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", path);
	airlock_pool_destroy(pool, true);
	conf.nb_pages *= 2;
	TEST_ASSERT_EQUAL(try_create(&conf), EFBIG, "larger");
	TEST_ASSERT_SUCCESS(stat(path, &st), "%s", path);
	TEST_ASSERT_EQUAL(st.st_size, NB_PAGES * AIRLOCK_PAGE_SIZE, "size");
	return TEST_SUCCESS;
}

static int
test_locked_file_is_busy(void)
{
	struct airlock_pool_conf conf = good_conf();
	int fd, locked;

	fd = open(path, O_RDWR | O_CREAT, 0600);
	TEST_ASSERT(fd >= 0, "%s", path);
	locked = flock(fd, LOCK_EX | LOCK_NB);
	TEST_ASSERT_SUCCESS(locked, "%s", path);
	TEST_ASSERT_EQUAL(try_create(&conf), EBUSY, "another has it");
	close(fd);
	TEST_ASSERT_EQUAL(try_create(&conf), 0, "the other has gone");
	fd = open(path, O_RDWR);
	locked = flock(fd, LOCK_EX | LOCK_NB);
	close(fd);
	TEST_ASSERT_EQUAL(locked, -1, "now the pool has it");
	return TEST_SUCCESS;
}

static int
test_values_out_of_range_are_refused(void)
{
	const struct {
		uint32_t nb_pages, frame_pages;
	} bad[] = {
		{0, 1},
		{AIRLOCK_POOL_MIN_PAGES - 1, 1},
		{AIRLOCK_POOL_MAX_PAGES + 1, 1},
		{UINT32_MAX, 1},
		{NB_PAGES, 0},
		{NB_PAGES, 3},
		{NB_PAGES, 16},
		{NB_PAGES + 2, 4},
	};
	struct airlock_pool_conf conf = good_conf();
	struct stat st;

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		conf.nb_pages = bad[i].nb_pages;
		conf.frame_pages = bad[i].frame_pages;
		TEST_ASSERT_EQUAL(try_create(&conf), EINVAL, "%u pages in frames of %u",
			conf.nb_pages, conf.frame_pages);
		TEST_ASSERT(stat(path, &st) < 0, "no file is made");
	}
	return TEST_SUCCESS;
}

static int
test_path_that_cannot_be_a_file_is_refused(void)
{
	struct airlock_pool_conf conf = good_conf();

	conf.path = "/dev/shm/airlock-test-no-such-directory/pool";
	TEST_ASSERT_EQUAL(try_create(&conf), ENOENT, "no such directory");
	conf.path = "/dev/shm";
	TEST_ASSERT_EQUAL(try_create(&conf), EISDIR, "a directory");
	TEST_ASSERT_SUCCESS(symlink("/dev/null", path), "%s", path);
	conf.path = path;
	TEST_ASSERT_EQUAL(try_create(&conf), ELOOP, "a link leads who knows where");
	return TEST_SUCCESS;
}

static int
test_failed_creation_leaves_no_file(void)
{
	struct airlock_pool_conf conf = good_conf();
	char other_path[80];
	struct airlock_pool *other;
	struct stat st;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", path);
	snprintf(other_path, sizeof(other_path), "%s-other", path);
	conf.path = other_path;
	other = airlock_pool_create(&conf);
	TEST_ASSERT_NULL(other, "two mempools of one name");
	TEST_ASSERT_EQUAL(rte_errno, EEXIST, "two mempools of one name");
	if (stat(other_path, &st) == 0) {
		unlink(other_path);
		TEST_ASSERT(false, "%s is left", other_path);
	}
	TEST_ASSERT_SUCCESS(airlock_pool_verify(pool, NULL), "the first is as it was");
	return TEST_SUCCESS;
}

static int
test_destroying_no_pool_is_nothing(void)
{
	airlock_pool_destroy(NULL, false);
	airlock_page_table_destroy(NULL);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static const struct unit_test_suite pool_suite = {
	.suite_name = "pool",
	.unit_test_cases =
		{
			CASE(test_file_is_made_with_the_pools_size_and_goes_with_it),
			CASE(test_kept_file_is_found_again_as_the_same_inode),
			CASE(test_file_of_another_size_is_refused_and_left_alone),
			CASE(test_locked_file_is_busy),
			CASE(test_values_out_of_range_are_refused),
			CASE(test_path_that_cannot_be_a_file_is_refused),
			CASE(test_failed_creation_leaves_no_file),
			CASE(test_destroying_no_pool_is_nothing),
			TEST_CASES_END(),
		},
};

static int
test_pool(void)
{
	return unit_test_suite_runner(&pool_suite);
}

REGISTER_FAST_TEST(pool_autotest, true, true, test_pool)
