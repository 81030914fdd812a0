/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's file: made, found again, refused. What lies in it is tested in test_page.c and
 * test_mempool.c.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "pool_file.h"
#include "pool_fixture.h"

#define NB_PAGES FIXTURE_PAGES
/* Of a file alone, which is opened again and again for so long. */
#define FILE_BYTES (16 * AIRLOCK_PAGE_SIZE)
#define OPENS_MS   3000

/* 0, or the rte_errno of a failure. */
static int
try_create(const struct airlock_pool_conf *conf)
{
	rte_errno = 0;
	fixture.pool = airlock_pool_create(conf);
	return fixture.pool != NULL ? 0 : rte_errno;
}

static int
test_file_is_made_with_the_pools_size_and_goes_with_it(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	struct airlock_pool_stats stats;
	struct stat st;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", fixture.path);
	TEST_ASSERT_SUCCESS(stat(fixture.path, &st), "%s", fixture.path);
	TEST_ASSERT_EQUAL(st.st_size, NB_PAGES * AIRLOCK_PAGE_SIZE, "size");
	TEST_ASSERT_EQUAL(st.st_mode & 0777, 0600, "packets are nobody else's to read");
	TEST_ASSERT(st.st_blocks * 512 >= st.st_size, "no page is missing: %jd blocks",
		(intmax_t)st.st_blocks);
	airlock_pool_stats(fixture.pool, &stats);
	TEST_ASSERT_EQUAL(stats.nb_pages, NB_PAGES, "pages");
	TEST_ASSERT_EQUAL(stats.frame_pages, 1, "pages of a frame");
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_FREE], NB_PAGES, "all free");
	TEST_ASSERT_EQUAL(stats.violations, 0, "none yet");
	airlock_pool_destroy(fixture.pool, false);
	fixture.pool = NULL;
	TEST_ASSERT(stat(fixture.path, &st) < 0 && errno == ENOENT, "%s is left", fixture.path);
	return TEST_SUCCESS;
}

static int
test_kept_file_is_found_again_as_the_same_inode(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	struct stat before, after;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", fixture.path);
	TEST_ASSERT_SUCCESS(stat(fixture.path, &before), "%s", fixture.path);
	airlock_pool_destroy(fixture.pool, true);
	fixture.pool = NULL;
	TEST_ASSERT_EQUAL(try_create(&conf), 0, "again");
	TEST_ASSERT_SUCCESS(stat(fixture.path, &after), "%s", fixture.path);
	TEST_ASSERT_EQUAL(after.st_ino, before.st_ino, "a mapping of the old file still counts");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(fixture.pool, NULL), "as good as new");
	return TEST_SUCCESS;
}

static int
test_file_of_another_size_is_refused_and_left_alone(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	struct stat st;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", fixture.path);
	airlock_pool_destroy(fixture.pool, true);
	conf.nb_pages *= 2;
	TEST_ASSERT_EQUAL(try_create(&conf), EFBIG, "larger");
	TEST_ASSERT_SUCCESS(stat(fixture.path, &st), "%s", fixture.path);
	TEST_ASSERT_EQUAL(st.st_size, NB_PAGES * AIRLOCK_PAGE_SIZE, "size");
	return TEST_SUCCESS;
}

static int
test_locked_file_is_busy(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	int fd, locked;

	fd = open(fixture.path, O_RDWR | O_CREAT, 0600);
	TEST_ASSERT(fd >= 0, "%s", fixture.path);
	locked = flock(fd, LOCK_EX | LOCK_NB);
	TEST_ASSERT_SUCCESS(locked, "%s", fixture.path);
	TEST_ASSERT_EQUAL(try_create(&conf), EBUSY, "another has it");
	close(fd);
	TEST_ASSERT_EQUAL(try_create(&conf), 0, "the other has gone");
	fd = open(fixture.path, O_RDWR);
	locked = flock(fd, LOCK_EX | LOCK_NB);
	close(fd);
	TEST_ASSERT_EQUAL(locked, -1, "now the pool has it");
	return TEST_SUCCESS;
}

static _Atomic bool others_stop;

/* Other daemons that come and go. */
static void *
others_main(void *arg)
{
	while (!atomic_load(&others_stop)) {
		int fd = open(fixture.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlink(fixture.path);
		close(fd);
	}
	return NULL;
}

/* The file that is locked is the one that a VMM would find at the path. */
static int
open_beside_others(void)
{
	struct pool_file file;
	struct stat st;
	bool found;

	if (pool_file_open(&file, fixture.path, FILE_BYTES, SOCKET_ID_ANY) < 0)
		return TEST_SUCCESS;
	found = stat(fixture.path, &st) == 0 && st.st_ino == file.ino;
	pool_file_close(&file);
	TEST_ASSERT(found, "it has a file that was removed");
	return TEST_SUCCESS;
}

static int
test_file_that_another_removes_is_not_used(void)
{
	const uint64_t end_tsc = rte_rdtsc() + rte_get_tsc_hz() / 1000 * OPENS_MS;
	struct airlock_pool_conf conf = fixture_conf();
	int ret = TEST_SUCCESS;
	pthread_t others;

	TEST_ASSERT_NOT_NULL(conf.path, "path");
	atomic_store(&others_stop, false);
	TEST_ASSERT_SUCCESS(pthread_create(&others, NULL, others_main, NULL), "thread");
	while (ret == TEST_SUCCESS && rte_rdtsc() < end_tsc)
		ret = open_beside_others();
	atomic_store(&others_stop, true);
	pthread_join(others, NULL);
	return ret;
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
		{NB_PAGES, AIRLOCK_FRAME_MAX_PAGES + 1},
		{NB_PAGES, 32},
		{NB_PAGES, UINT32_MAX},
	};
	struct airlock_pool_conf conf = fixture_conf();
	struct stat st;

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		conf.nb_pages = bad[i].nb_pages;
		conf.frame_pages = bad[i].frame_pages;
		TEST_ASSERT_EQUAL(try_create(&conf), EINVAL, "%u pages in frames of %u",
			conf.nb_pages, conf.frame_pages);
		TEST_ASSERT(stat(fixture.path, &st) < 0, "no file is made");
	}
	return TEST_SUCCESS;
}

static int
test_path_that_cannot_be_a_file_is_refused(void)
{
	struct airlock_pool_conf conf = fixture_conf();

	conf.path = "/dev/shm/airlock-test-no-such-directory/pool";
	TEST_ASSERT_EQUAL(try_create(&conf), ENOENT, "no such directory");
	conf.path = "/dev/shm";
	TEST_ASSERT_EQUAL(try_create(&conf), EISDIR, "a directory");
	TEST_ASSERT_SUCCESS(symlink("/dev/null", fixture.path), "%s", fixture.path);
	conf.path = fixture.path;
	TEST_ASSERT_EQUAL(try_create(&conf), ELOOP, "a link leads who knows where");
	return TEST_SUCCESS;
}

static int
test_failed_creation_leaves_no_file(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	char other_path[80];
	struct airlock_pool *other;
	struct stat st;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", fixture.path);
	snprintf(other_path, sizeof(other_path), "%s-other", fixture.path);
	conf.path = other_path;
	other = airlock_pool_create(&conf);
	TEST_ASSERT_NULL(other, "two mempools of one name");
	TEST_ASSERT_EQUAL(rte_errno, EEXIST, "two mempools of one name");
	if (stat(other_path, &st) == 0) {
		unlink(other_path);
		TEST_ASSERT(false, "%s is left", other_path);
	}
	TEST_ASSERT_SUCCESS(airlock_pool_verify(fixture.pool, NULL), "the first is as it was");
	return TEST_SUCCESS;
}

static int
test_destroying_no_pool_is_nothing(void)
{
	airlock_pool_destroy(NULL, false);
	airlock_page_table_destroy(NULL);
	return TEST_SUCCESS;
}

/* The whole file, as a VMM has it mapped. For munmap(). */
static uint8_t *
map_file(int prot)
{
	int fd = open(fixture.path, O_RDWR);
	uint8_t *view;

	if (fd < 0)
		return NULL;
	view = mmap(NULL, (size_t)NB_PAGES * AIRLOCK_PAGE_SIZE, prot, MAP_SHARED, fd, 0);
	close(fd);
	return view != MAP_FAILED ? view : NULL;
}

/* Pages of a mapping that are in the page table, as /proc tells. */
static int
nb_present(const uint8_t *view)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;
	int nb = 0;

	for (size_t i = 0; fd >= 0 && i < NB_PAGES; i++) {
		off_t place = ((uintptr_t)view / AIRLOCK_PAGE_SIZE + i) * sizeof(entry);

		if (pread(fd, &entry, sizeof(entry), place) != sizeof(entry))
			nb = -1;
		else if (nb >= 0)
			nb += entry >> 63;
	}
	if (fd < 0)
		return -1;
	close(fd);
	return nb;
}

static size_t
nb_not_zero(const uint8_t *view)
{
	size_t nb = 0;

	for (size_t i = 0; i < (size_t)NB_PAGES * AIRLOCK_PAGE_SIZE; i++)
		nb += view[i] != 0;
	return nb;
}

static int
check_old_file(const struct airlock_pool_conf *conf, uint8_t *view)
{
	uint8_t *frame;

	memset(view, 0x5a, (size_t)NB_PAGES * AIRLOCK_PAGE_SIZE);
	TEST_ASSERT_EQUAL(
		nb_present(view), NB_PAGES, "the old pages are in the other's page table");
	TEST_ASSERT_EQUAL(try_create(conf), 0, "again");
	TEST_ASSERT_EQUAL(nb_present(view), 0, "none is there any more");
	frame = airlock_page_addr(airlock_pool_table(fixture.pool), 1);
	*frame = 1;
	TEST_ASSERT_EQUAL(view[AIRLOCK_PAGE_SIZE], 1, "both have the new pages");
	*frame = 0;
	TEST_ASSERT_EQUAL(nb_not_zero(view), 0, "nobody's bytes are left");
	return TEST_SUCCESS;
}

static int
test_old_file_is_dark_for_others_and_zero(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	uint8_t *view;
	int ret;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", fixture.path);
	airlock_pool_destroy(fixture.pool, true);
	fixture.pool = NULL;
	view = map_file(PROT_READ | PROT_WRITE);
	TEST_ASSERT_NOT_NULL(view, "%s", fixture.path);
	ret = check_old_file(&conf, view);
	munmap(view, (size_t)NB_PAGES * AIRLOCK_PAGE_SIZE);
	return ret;
}

static int
test_pool_tells_which_file_it_is(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	uint64_t dev, ino, bytes;
	struct stat st;

	TEST_ASSERT_EQUAL(try_create(&conf), 0, "%s", fixture.path);
	TEST_ASSERT_SUCCESS(stat(fixture.path, &st), "%s", fixture.path);
	airlock_pool_file(fixture.pool, &dev, &ino, &bytes);
	TEST_ASSERT_EQUAL(dev, st.st_dev, "device");
	TEST_ASSERT_EQUAL(ino, st.st_ino, "inode");
	TEST_ASSERT_EQUAL(bytes, st.st_size, "size");
	return TEST_SUCCESS;
}

static int
check_mbufs(uint32_t frame_pages)
{
	struct airlock_pool_conf conf = fixture_conf();
	const struct airlock_page_table *table;

	conf.frame_pages = frame_pages;
	conf.nb_partitions = 2;
	conf.header = true;
	TEST_ASSERT_SUCCESS(fixture_open(&conf), "%s", fixture.path);
	table = fixture.table;
	TEST_ASSERT_EQUAL(table->nb_frames, (NB_PAGES + frame_pages - 1) / frame_pages, "frames");
	for (uint32_t i = 0; i + 1 < table->nb_frames; i++) {
		TEST_ASSERT_NOT_NULL(table->mbufs[i], "frame %u", i);
		TEST_ASSERT_EQUAL((uintptr_t)table->mbufs[i]->buf_addr,
			table->base + (uintptr_t)i * frame_pages * AIRLOCK_PAGE_SIZE, "frame %u",
			i);
		TEST_ASSERT_EQUAL(
			airlock_page_frame(table, table->mbufs[i]->buf_addr), i, "frame %u", i);
	}
	TEST_ASSERT_NULL(table->mbufs[table->nb_frames - 1], "the header's");
	return TEST_SUCCESS;
}

static int
test_every_frame_has_its_mbuf(void)
{
	for (uint32_t pages = 1; pages <= AIRLOCK_FRAME_MAX_PAGES; pages++) {
		TEST_ASSERT_SUCCESS(check_mbufs(pages), "frames of %u", pages);
		fixture_teardown();
	}
	return TEST_SUCCESS;
}

static int
test_header_is_the_last_frame_and_nobodys(void)
{
	struct airlock_pool_conf conf = fixture_conf();
	struct airlock_pool_stats stats;

	TEST_ASSERT_SUCCESS(fixture_open(&conf), "%s", fixture.path);
	TEST_ASSERT_NULL(airlock_pool_header(fixture.pool), "not asked for");
	fixture_teardown();
	conf = fixture_conf();
	conf.frame_pages = 4;
	conf.header = true;
	TEST_ASSERT_SUCCESS(fixture_open(&conf), "%s", fixture.path);
	TEST_ASSERT_EQUAL((uintptr_t)airlock_pool_header(fixture.pool),
		(uintptr_t)airlock_page_addr(fixture.table, 0) + (NB_PAGES - 1) * AIRLOCK_PAGE_SIZE,
		"address");
	airlock_pool_stats(fixture.pool, &stats);
	TEST_ASSERT_EQUAL(stats.header_pages, 4, "pages");
	return fixture_check_pages(NB_PAGES - 4, 0, 4);
}

/* Frames of every size, of which the file is a multiple or not, with and without a header. */
static int
check_end(uint32_t frame_pages, bool header)
{
	uint32_t nb_frames = (NB_PAGES - header) / frame_pages, rest;
	struct airlock_pool_conf conf = fixture_conf();
	struct airlock_pool_stats stats;
	uint64_t dev, ino, bytes;

	conf.frame_pages = frame_pages;
	conf.header = header;
	rest = NB_PAGES - nb_frames * frame_pages;
	TEST_ASSERT_SUCCESS(fixture_open(&conf), "%s", fixture.path);
	airlock_pool_file(fixture.pool, &dev, &ino, &bytes);
	TEST_ASSERT_EQUAL(bytes, NB_PAGES * AIRLOCK_PAGE_SIZE, "the file is as it was asked for");
	TEST_ASSERT_EQUAL(fixture.table->bytes, bytes, "the table, too");
	TEST_ASSERT_EQUAL(fixture.table->partitions[0].nb_frames, nb_frames, "whole frames");
	TEST_ASSERT_EQUAL(fixture.table->nb_frames, nb_frames + (rest != 0), "and one for the end");
	TEST_ASSERT_EQUAL(rte_mempool_avail_count(fixture.mempool), nb_frames, "in the mempool");
	airlock_pool_stats(fixture.pool, &stats);
	TEST_ASSERT_EQUAL(stats.frame_pages, frame_pages, "pages of a frame");
	TEST_ASSERT_EQUAL(stats.header_pages, rest, "pages in no mempool");
	TEST_ASSERT(rest >= header && rest <= frame_pages - !header, "no frame is wasted");
	if (rest != 0) {
		TEST_ASSERT_EQUAL(airlock_page_state_get(fixture.table, nb_frames),
			AIRLOCK_PAGE_HOST, "nobody's");
		TEST_ASSERT_NULL(fixture.table->mbufs[nb_frames], "nobody's");
	}
	if (header) {
		TEST_ASSERT_EQUAL(
			airlock_page_frame(fixture.table, airlock_pool_header(fixture.pool)),
			nb_frames, "the header is in the last one");
		memset(airlock_pool_header(fixture.pool), 1, AIRLOCK_PAGE_SIZE);
	}
	return fixture_check_pages(NB_PAGES - rest, 0, rest);
}

static int
test_end_that_is_no_frame_is_nobodys(void)
{
	for (uint32_t pages = 1; pages <= AIRLOCK_FRAME_MAX_PAGES; pages++) {
		TEST_ASSERT_SUCCESS(check_end(pages, false), "frames of %u", pages);
		fixture_teardown();
		TEST_ASSERT_SUCCESS(check_end(pages, true), "frames of %u, header", pages);
		fixture_teardown();
	}
	return TEST_SUCCESS;
}

static int
test_partitions_have_no_more_frames_than_they_may(void)
{
	struct airlock_pool_conf conf = fixture_conf();

	conf.frame_pages = 3;
	conf.header = true;
	conf.partition_frames = 1024;
	TEST_ASSERT_SUCCESS(fixture_open(&conf), "%s", fixture.path);
	TEST_ASSERT_EQUAL(fixture.table->partitions[0].nb_frames, 1024, "one");
	TEST_ASSERT_SUCCESS(fixture_check_pages(3072, 0, 1024), "the rest is nobody's");
	fixture_teardown();
	conf = fixture_conf();
	conf.nb_partitions = 3;
	conf.partition_frames = 1024;
	TEST_ASSERT_SUCCESS(fixture_open(&conf), "%s", fixture.path);
	for (uint32_t i = 0; i < 3; i++)
		TEST_ASSERT_EQUAL(fixture.table->partitions[i].nb_frames, 1024, "partition %u", i);
	TEST_ASSERT_SUCCESS(fixture_check_pages(3072, 0, 1024), "the rest is nobody's");
	fixture_teardown();
	conf = fixture_conf();
	conf.partition_frames = UINT32_MAX;
	TEST_ASSERT_SUCCESS(fixture_open(&conf), "%s", fixture.path);
	return fixture_check_pages(NB_PAGES, 0, 0);
}

static int
test_partitions_that_do_not_fit_are_refused(void)
{
	static const char name25[] = "a_name_with_25_characters";
	struct airlock_pool_conf conf = fixture_conf();

	conf.nb_partitions = AIRLOCK_POOL_MAX_PARTITIONS;
	TEST_ASSERT_EQUAL(try_create(&conf), 0, "64 of 64 frames");
	TEST_ASSERT_EQUAL(airlock_pool_nb_partitions(fixture.pool), 64, "partitions");
	airlock_pool_destroy(fixture.pool, false);
	conf.header = true;
	TEST_ASSERT_EQUAL(try_create(&conf), EINVAL, "one frame is missing");
	conf.header = false;
	conf.nb_partitions = AIRLOCK_POOL_MAX_PARTITIONS + 1;
	TEST_ASSERT_EQUAL(try_create(&conf), EINVAL, "65");
	conf.nb_partitions = 1;
	conf.name = name25;
	TEST_ASSERT_EQUAL(try_create(&conf), 0, "25 characters");
	airlock_pool_destroy(fixture.pool, false);
	conf.nb_partitions = 2;
	TEST_ASSERT_EQUAL(try_create(&conf), EINVAL, "27 characters with its number");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, fixture_teardown, fn)

static const struct unit_test_suite pool_suite = {
	.suite_name = "pool",
	.unit_test_cases =
		{
			CASE(test_file_is_made_with_the_pools_size_and_goes_with_it),
			CASE(test_kept_file_is_found_again_as_the_same_inode),
			CASE(test_file_of_another_size_is_refused_and_left_alone),
			CASE(test_locked_file_is_busy),
			CASE(test_file_that_another_removes_is_not_used),
			CASE(test_values_out_of_range_are_refused),
			CASE(test_path_that_cannot_be_a_file_is_refused),
			CASE(test_failed_creation_leaves_no_file),
			CASE(test_destroying_no_pool_is_nothing),
			CASE(test_old_file_is_dark_for_others_and_zero),
			CASE(test_pool_tells_which_file_it_is),
			CASE(test_every_frame_has_its_mbuf),
			CASE(test_header_is_the_last_frame_and_nobodys),
			CASE(test_end_that_is_no_frame_is_nobodys),
			CASE(test_partitions_have_no_more_frames_than_they_may),
			CASE(test_partitions_that_do_not_fit_are_refused),
			TEST_CASES_END(),
		},
};

static int
test_pool(void)
{
	return unit_test_suite_runner(&pool_suite);
}

REGISTER_FAST_TEST(pool_autotest, true, true, test_pool)
