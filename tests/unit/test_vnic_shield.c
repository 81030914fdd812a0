/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VMM that tells rte_vhost of the pool as memory of its guest: rte_vhost must not keep it mapped,
 * and a VM that is not to have a window is refused. The test speaks vhost-user itself.
 */

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_log.h>

#include "airlock_vnic.h"
#include "front_end.h"
#include "test.h"

#define BYTES (UINT64_C(1) << 20)

static struct airlock_page_table *pages;
static struct airlock_vnic *vnic;
static int files[2] = {-1, -1}; /* ordinary memory, the pool */
static int client = -1;
static void *area;

static void
event(struct airlock_vnic *nic, bool up, void *arg)
{
}

static void
quiesce(struct airlock_vnic *nic, void *arg)
{
}

static uint64_t
inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* Mappings of a file in this process. */
static unsigned int
count_mappings(int fd)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t want = inode_of(fd), ino;
	unsigned int n = 0;
	char line[512];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		n += sscanf(line, "%*s %*s %*s %*s %" SCNu64, &ino) == 1 && ino == want;
	if (maps != NULL)
		fclose(maps);
	return n;
}

static int
open_vnic(bool window)
{
	struct airlock_page_partition all = {.name = "shield", .nb_frames = 256};
	struct airlock_vnic_conf conf = {
		.name = "shield",
		.server = true,
		.nb_queues = 1,
		.event = event,
		.window = window,
		.quiesce = quiesce,
	};
	char path[64];
	struct stat st;

	rte_log_set_level_regexp("lib.vhost.*", RTE_LOG_EMERG);
	rte_log_set_level_regexp("airlock.*", RTE_LOG_EMERG);
	for (unsigned int i = 0; i < 2; i++) {
		files[i] = memfd_create("shield", MFD_CLOEXEC);
		TEST_ASSERT(files[i] >= 0 && ftruncate(files[i], BYTES) == 0, "memfd");
	}
	TEST_ASSERT_SUCCESS(fstat(files[1], &st), "pool");
	area = aligned_alloc(AIRLOCK_PAGE_SIZE, BYTES);
	pages = airlock_page_table_create(area, 256, AIRLOCK_PAGE_SHIFT, &all, 1);
	TEST_ASSERT_NOT_NULL(pages, "%s", rte_strerror(rte_errno));
	snprintf(path, sizeof(path), "/tmp/airlock-shield-%d", getpid());
	conf.path = path;
	conf.pages = pages;
	conf.pool_dev = st.st_dev;
	conf.pool_ino = st.st_ino;
	vnic = airlock_vnic_create(&conf);
	TEST_ASSERT_NOT_NULL(vnic, "%s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(airlock_vnic_start(vnic), "start");
	client = front_connect(path);
	TEST_ASSERT(client >= 0, "%s: %s", path, strerror(-client));
	return TEST_SUCCESS;
}

static void
close_vnic(void)
{
	close(client);
	airlock_vnic_destroy(vnic);
	vnic = NULL;
	airlock_page_table_destroy(pages);
	pages = NULL;
	free(area);
	area = NULL;
	for (unsigned int i = 0; i < 2; i++)
		close(files[i]);
}

static int
send_table(uint32_t nb_regions)
{
	struct front_table table = {
		.nb_regions = nb_regions,
		.regions = {{0, BYTES, 0x10000000, 0}, {0x100000000, BYTES, 0x20000000, 0}},
	};

	return front_send_table(client, &table, files);
}

static uint64_t
nb_refused(void)
{
	return atomic_load_explicit(&vnic->nb_refused, memory_order_relaxed);
}

static int
test_the_pool_does_not_stay_mapped(void)
{
	TEST_ASSERT_SUCCESS(open_vnic(true), "open");
	TEST_ASSERT_SUCCESS(send_table(2), "table");
	TEST_ASSERT(front_answers(client), "the VM stays");
	TEST_ASSERT_EQUAL(count_mappings(files[0]), 1, "ordinary memory");
	TEST_ASSERT_EQUAL(count_mappings(files[1]), 0, "the pool");
	TEST_ASSERT_EQUAL(nb_refused(), 0, "refused");
	/* The same table again, which rte_vhost does not map anew, and then another. */
	TEST_ASSERT_SUCCESS(send_table(2), "table");
	TEST_ASSERT_SUCCESS(send_table(1), "table");
	TEST_ASSERT_SUCCESS(send_table(2), "table");
	TEST_ASSERT(front_answers(client), "the VM stays");
	TEST_ASSERT_EQUAL(count_mappings(files[1]), 0, "the pool");
	return TEST_SUCCESS;
}

static int
test_a_vm_without_a_window_must_not_have_the_pool(void)
{
	TEST_ASSERT_SUCCESS(open_vnic(false), "open");
	TEST_ASSERT_SUCCESS(send_table(1), "table");
	TEST_ASSERT(front_answers(client), "ordinary memory is fine");
	TEST_ASSERT_EQUAL(nb_refused(), 0, "refused");
	TEST_ASSERT_SUCCESS(send_table(2), "table");
	TEST_ASSERT(!front_answers(client), "the connection is closed");
	TEST_ASSERT_EQUAL(nb_refused(), 1, "refused");
	TEST_ASSERT_EQUAL(count_mappings(files[1]), 0, "the pool");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, close_vnic, fn)

static const struct unit_test_suite vnic_shield_suite = {
	.suite_name = "vnic_shield",
	.unit_test_cases =
		{
			CASE(test_the_pool_does_not_stay_mapped),
			CASE(test_a_vm_without_a_window_must_not_have_the_pool),
			TEST_CASES_END(),
		},
};

static int
test_vnic_shield(void)
{
	return unit_test_suite_runner(&vnic_shield_suite);
}

REGISTER_FAST_TEST(vnic_shield_autotest, true, true, test_vnic_shield)
