/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VMM that tells rte_vhost of the pool as memory of its guest: rte_vhost must not keep it mapped,
 * and a VM that is not to have a window is refused. The test speaks vhost-user itself.
 */

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_log.h>

#include "airlock_vnic.h"
#include "test.h"

#define BYTES	      (UINT64_C(1) << 20)
#define GET_FEATURES  1
#define SET_MEM_TABLE 5
#define VERSION	      1

struct head {
	uint32_t request;
	uint32_t flags;
	uint32_t bytes;
};

struct table {
	struct head head;
	uint32_t nb_regions;
	uint32_t padding;
	struct {
		uint64_t guest_addr;
		uint64_t bytes;
		uint64_t vmm_addr;
		uint64_t offset;
	} regions[2];
} __rte_packed;

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
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;

	rte_log_set_level_regexp("lib.vhost.*", RTE_LOG_EMERG);
	rte_log_set_level_regexp("airlock.*", RTE_LOG_EMERG);
	for (unsigned int i = 0; i < 2; i++) {
		files[i] = memfd_create("shield", MFD_CLOEXEC);
		TEST_ASSERT(files[i] >= 0 && ftruncate(files[i], BYTES) == 0, "memfd");
	}
	TEST_ASSERT_SUCCESS(fstat(files[1], &st), "pool");
	area = aligned_alloc(AIRLOCK_PAGE_SIZE, BYTES);
	pages = airlock_page_table_create(area, 256, 1, &all, 1);
	TEST_ASSERT_NOT_NULL(pages, "%s", rte_strerror(rte_errno));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/airlock-shield-%d", getpid());
	conf.path = addr.sun_path;
	conf.pages = pages;
	conf.pool_dev = st.st_dev;
	conf.pool_ino = st.st_ino;
	vnic = airlock_vnic_create(&conf);
	TEST_ASSERT_NOT_NULL(vnic, "%s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(airlock_vnic_start(vnic), "start");
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	TEST_ASSERT_SUCCESS(
		connect(client, (struct sockaddr *)&addr, sizeof(addr)), "%s", addr.sun_path);
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
	struct table table = {
		.head = {.request = SET_MEM_TABLE, .flags = VERSION},
		.nb_regions = nb_regions,
		.regions = {{0, BYTES, 0x10000000, 0}, {0x100000000, BYTES, 0x20000000, 0}},
	};
	struct iovec iov = {.iov_base = &table};
	char control[CMSG_SPACE(sizeof(files))] = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(nb_regions * sizeof(int)),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	table.head.bytes = 8 + nb_regions * sizeof(table.regions[0]);
	iov.iov_len = sizeof(table.head) + table.head.bytes;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(nb_regions * sizeof(int));
	memcpy(CMSG_DATA(cmsg), files, nb_regions * sizeof(int));
	return sendmsg(client, &msg, 0) == (ssize_t)iov.iov_len ? 0 : -errno;
}

/* Messages are handled in order: an answer says that all before it are done. */
static bool
answers(void)
{
	struct head head = {.request = GET_FEATURES, .flags = VERSION};
	uint8_t answer[sizeof(head) + sizeof(uint64_t)];

	return send(client, &head, sizeof(head), MSG_NOSIGNAL) == (ssize_t)sizeof(head) &&
		recv(client, answer, sizeof(answer), MSG_WAITALL) == (ssize_t)sizeof(answer);
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
	TEST_ASSERT(answers(), "the VM stays");
	TEST_ASSERT_EQUAL(count_mappings(files[0]), 1, "ordinary memory");
	TEST_ASSERT_EQUAL(count_mappings(files[1]), 0, "the pool");
	TEST_ASSERT_EQUAL(nb_refused(), 0, "refused");
	/* The same table again, which rte_vhost does not map anew, and then another. */
	TEST_ASSERT_SUCCESS(send_table(2), "table");
	TEST_ASSERT_SUCCESS(send_table(1), "table");
	TEST_ASSERT_SUCCESS(send_table(2), "table");
	TEST_ASSERT(answers(), "the VM stays");
	TEST_ASSERT_EQUAL(count_mappings(files[1]), 0, "the pool");
	return TEST_SUCCESS;
}

static int
test_a_vm_without_a_window_must_not_have_the_pool(void)
{
	TEST_ASSERT_SUCCESS(open_vnic(false), "open");
	TEST_ASSERT_SUCCESS(send_table(1), "table");
	TEST_ASSERT(answers(), "ordinary memory is fine");
	TEST_ASSERT_EQUAL(nb_refused(), 0, "refused");
	TEST_ASSERT_SUCCESS(send_table(2), "table");
	TEST_ASSERT(!answers(), "the connection is closed");
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
