/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A virtual NIC against a front end by hand: messages while the VM is up, at moments at which an
 * lcore is just looking, and a second connection. The test plays the lcore.
 */

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "airlock_vnic.h"
#include "front_end.h"
#include "test.h"

#define MEMORY_BYTES (UINT64_C(1) << 20)
#define VMM_ADDR     UINT64_C(0x10000000)
#define RING_SIZE    16
#define BUFFER_ADDR  0x10000
#define BUFFER_BYTES 2048
#define NB_FRAMES    256
#define DEADLINE_MS  5000

/* A ring's parts, in guest memory: those of ring i begin so many bytes behind those of ring 0. */
#define RING_BYTES 0x3000
#define DESC_AT	   0x1000
#define AVAIL_AT   0x2000
#define USED_AT	   0x3000

static struct airlock_page_table *pages;
static struct airlock_vnic *vnic;
static struct rte_mempool *mbufs;
static char path[64];
static void *area;
static int client = -1, memory_fd = -1, kick_fd = -1, call_fd = -1;
static uint8_t *memory;

/* What rte_vhost's thread found. */
static _Atomic unsigned int nb_quiesced;
static _Atomic bool looked;

static void
event(struct airlock_vnic *nic, bool up, void *arg)
{
}

/* An lcore that comes now is one that is not waited for any more. */
static void
quiesce(struct airlock_vnic *nic, void *arg)
{
	atomic_fetch_add(&nb_quiesced, 1);
	if (airlock_vnic_is_too_long(nic, 0))
		atomic_store(&looked, true);
}

static int
open_vnic(bool window)
{
	struct airlock_page_partition all = {.name = "front", .nb_frames = NB_FRAMES};
	struct airlock_vnic_conf conf = {
		.name = "front",
		.path = path,
		.server = true,
		.nb_queues = 1,
		.event = event,
		.window = window,
		.quiesce = quiesce,
		.pool_ino = 1, /* nobody's: messages are looked at */
	};

	rte_log_set_level_regexp("lib.vhost.*", RTE_LOG_EMERG);
	rte_log_set_level_regexp("airlock.*", RTE_LOG_EMERG);
	atomic_store(&nb_quiesced, 0);
	atomic_store(&looked, false);
	area = aligned_alloc(AIRLOCK_PAGE_SIZE, NB_FRAMES * AIRLOCK_PAGE_SIZE);
	pages = airlock_page_table_create(area, NB_FRAMES, AIRLOCK_PAGE_SHIFT, &all, 1);
	TEST_ASSERT_NOT_NULL(pages, "%s", rte_strerror(rte_errno));
	conf.pages = pages;
	snprintf(path, sizeof(path), "/tmp/airlock-front-%d", getpid());
	vnic = airlock_vnic_create(&conf);
	TEST_ASSERT_NOT_NULL(vnic, "%s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(airlock_vnic_start(vnic), "start");
	client = front_connect(path);
	TEST_ASSERT(client >= 0, "%s: %s", path, strerror(-client));
	return TEST_SUCCESS;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_vnic(void)
{
	close_fd(&client);
	airlock_vnic_destroy(vnic);
	vnic = NULL;
	airlock_page_table_destroy(pages);
	pages = NULL;
	rte_mempool_free(mbufs);
	mbufs = NULL;
	free(area);
	area = NULL;
	if (memory != NULL)
		munmap(memory, MEMORY_BYTES);
	memory = NULL;
	close_fd(&memory_fd);
	close_fd(&kick_fd);
	close_fd(&call_fd);
}

static int
send_memory(void)
{
	struct front_table table = {.nb_regions = 1, .regions = {{0, MEMORY_BYTES, VMM_ADDR, 0}}};

	return front_send_table(client, &table, &memory_fd);
}

static int
send_fd(enum front_request request, uint64_t vring_id, int fd)
{
	return front_send(client, request, &vring_id, sizeof(vring_id), &fd, 1);
}

static int
send_ring(uint32_t vring_id)
{
	const uint64_t start = VMM_ADDR + vring_id * RING_BYTES;
	const uint32_t size[] = {vring_id, RING_SIZE}, base[] = {vring_id, 0};
	const struct {
		uint32_t vring_id;
		uint32_t flags;
		uint64_t desc;
		uint64_t used;
		uint64_t avail;
		uint64_t log;
	} addr = {vring_id, 0, start + DESC_AT, start + USED_AT, start + AVAIL_AT, 0};

	TEST_ASSERT_SUCCESS(
		front_send(client, FRONT_SET_VRING_NUM, size, sizeof(size), NULL, 0), "size");
	TEST_ASSERT_SUCCESS(
		front_send(client, FRONT_SET_VRING_BASE, base, sizeof(base), NULL, 0), "base");
	TEST_ASSERT_SUCCESS(
		front_send(client, FRONT_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), "address");
	TEST_ASSERT_SUCCESS(send_fd(FRONT_SET_VRING_CALL, vring_id, call_fd), "call");
	TEST_ASSERT_SUCCESS(send_fd(FRONT_SET_VRING_KICK, vring_id, kick_fd), "kick");
	return TEST_SUCCESS;
}

/* A guest without mergeable buffers, that has posted one in its RX ring. */
static int
come_up(void)
{
	const uint64_t features = RTE_BIT64(VIRTIO_F_VERSION_1);
	struct vring_desc *desc;
	struct vring_avail *avail;

	memory_fd = memfd_create("front", MFD_CLOEXEC);
	TEST_ASSERT(memory_fd >= 0 && ftruncate(memory_fd, MEMORY_BYTES) == 0, "memfd");
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	TEST_ASSERT(memory != MAP_FAILED, "mmap");
	kick_fd = eventfd(0, EFD_CLOEXEC);
	call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	desc = (void *)(memory + DESC_AT);
	avail = (void *)(memory + AVAIL_AT);
	desc[0] = (struct vring_desc){BUFFER_ADDR, BUFFER_BYTES, VRING_DESC_F_WRITE, 0};
	avail->idx = 1;
	TEST_ASSERT_SUCCESS(front_send(client, FRONT_SET_OWNER, NULL, 0, NULL, 0), "owner");
	TEST_ASSERT_SUCCESS(
		front_send(client, FRONT_SET_FEATURES, &features, sizeof(features), NULL, 0),
		"features");
	TEST_ASSERT_SUCCESS(send_memory(), "memory");
	TEST_ASSERT_SUCCESS(send_ring(0), "RX ring");
	TEST_ASSERT_SUCCESS(send_ring(1), "TX ring");
	TEST_ASSERT(front_answers(client), "the VM stays");
	TEST_ASSERT(airlock_vnic_is_up(vnic), "up");
	return TEST_SUCCESS;
}

/* Until the end of the one before is noticed. */
static bool
can_connect_again(void)
{
	const uint64_t end_tsc = rte_rdtsc() + rte_get_tsc_hz() / 1000 * DEADLINE_MS;
	bool can = false;

	while (!can && rte_rdtsc() < end_tsc) {
		close_fd(&client);
		client = front_connect(path);
		can = client >= 0 && front_answers(client);
	}
	return can;
}

static int
test_second_connection_is_refused(void)
{
	int second;

	TEST_ASSERT_SUCCESS(open_vnic(false), "open");
	TEST_ASSERT(front_answers(client), "the first, whose device is not up yet");
	second = front_connect(path);
	TEST_ASSERT(second >= 0, "connect");
	TEST_ASSERT(!front_answers(second), "the second is closed");
	close(second);
	TEST_ASSERT_SUCCESS(come_up(), "the first");
	TEST_ASSERT(can_connect_again(), "when the first is gone");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, close_vnic, fn)

static const struct unit_test_suite vnic_front_suite = {
	.suite_name = "vnic_front",
	.unit_test_cases =
		{
			CASE(test_second_connection_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_vnic_front(void)
{
	return unit_test_suite_runner(&vnic_front_suite);
}

REGISTER_FAST_TEST(vnic_front_autotest, true, true, test_vnic_front)
