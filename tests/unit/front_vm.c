/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM by hand in front of a virtual NIC, and an lcore at work on its rings.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "front_vm.h"
#include "test.h"

#define MEMORY_BYTES (UINT64_C(1) << 21)
#define BUFFER_ADDR  0x10000
#define BUFFER_BYTES 2048
#define NB_FRAMES    256
#define DEADLINE_MS  5000

/* A ring's parts, in guest memory: those of ring i begin so many bytes behind those of ring 0. */
#define RING_BYTES 0x3000
#define DESC_AT	   0x1000
#define AVAIL_AT   0x2000
#define USED_AT	   0x3000

struct front_vm front_vm = {.client = -1, .memory_fds = {-1, -1}, .kick_fd = -1, .call_fd = -1};
struct front_lcore front_lcore;

static struct airlock_page_table *pages;
static struct rte_mempool *mbufs;
static void *area;

static int
kick(struct airlock_vnic *nic, uint16_t queue_id, int fd, bool on, void *arg)
{
	return 0;
}

uint64_t
front_deadline_tsc(void)
{
	return rte_rdtsc() + rte_get_tsc_hz() / 1000 * DEADLINE_MS;
}

/* Until the lcore has gone round. */
static void
quiesce(struct airlock_vnic *nic, void *arg)
{
	const uint64_t rounds = atomic_load(&front_lcore.rounds), end_tsc = front_deadline_tsc();

	while (front_lcore.runs && atomic_load(&front_lcore.rounds) < rounds + 2) {
		if (rte_rdtsc() < end_tsc)
			continue;
		atomic_store(&front_lcore.stuck, true);
		return;
	}
}

static void
event(struct airlock_vnic *nic, bool up, void *arg)
{
	if (!up)
		quiesce(nic, arg);
}

static int
lcore_main(void *arg)
{
	struct rte_mbuf *m = arg;

	while (!atomic_load(&front_lcore.stop)) {
		if (front_lcore.copies)
			airlock_vnic_enqueue_burst(front_vm.vnic, 0, &m, 1);
		if (airlock_vnic_is_too_long(front_vm.vnic, 0))
			atomic_fetch_add(&front_lcore.nb_found, 1);
		airlock_vnic_arm(front_vm.vnic, 0);
		airlock_vnic_tx_pending(front_vm.vnic, 0);
		airlock_vnic_disarm(front_vm.vnic, 0);
		atomic_fetch_add(&front_lcore.rounds, 1);
	}
	return 0;
}

struct rte_mbuf *
front_vm_packet(void)
{
	struct rte_mbuf *m;

	if (mbufs == NULL)
		mbufs = rte_pktmbuf_pool_create("front", 63, 0, 0, BUFFER_BYTES, SOCKET_ID_ANY);
	m = mbufs != NULL ? rte_pktmbuf_alloc(mbufs) : NULL;
	if (m != NULL)
		rte_pktmbuf_append(m, 100);
	return m;
}

int
front_lcore_start(bool copies)
{
	struct rte_mbuf *m = front_vm_packet();
	unsigned int id;

	TEST_ASSERT_NOT_NULL(m, "no packet");
	memset(&front_lcore, 0, sizeof(front_lcore));
	front_lcore.copies = copies;
	front_lcore.runs = true;
	/* The last one: on another CPU than rte_vhost's thread, if there is one. */
	RTE_LCORE_FOREACH_WORKER (id)
		front_lcore.id = id;
	TEST_ASSERT_SUCCESS(rte_eal_remote_launch(lcore_main, m, front_lcore.id), "launch");
	return TEST_SUCCESS;
}

void
front_lcore_stop(void)
{
	if (!front_lcore.runs)
		return;
	atomic_store(&front_lcore.stop, true);
	rte_eal_wait_lcore(front_lcore.id);
	front_lcore.runs = false;
}

int
front_vm_open(bool window)
{
	struct airlock_page_partition all = {.name = "front", .nb_frames = NB_FRAMES};
	struct airlock_vnic_conf conf = {
		.name = "front",
		.path = front_vm.path,
		.server = true,
		.nb_queues = 1,
		.event = event,
		.window = window,
		.quiesce = quiesce,
		.kick = kick,
		.pool_ino = 1, /* nobody's: messages are looked at */
	};

	rte_log_set_level_regexp("lib.vhost.*", RTE_LOG_EMERG);
	rte_log_set_level_regexp("airlock.*", RTE_LOG_EMERG);
	area = aligned_alloc(AIRLOCK_PAGE_SIZE, NB_FRAMES * AIRLOCK_PAGE_SIZE);
	pages = airlock_page_table_create(area, NB_FRAMES, AIRLOCK_PAGE_SHIFT, &all, 1);
	TEST_ASSERT_NOT_NULL(pages, "%s", rte_strerror(rte_errno));
	conf.pages = pages;
	snprintf(front_vm.path, sizeof(front_vm.path), "/tmp/airlock-front-%d", getpid());
	front_vm.vnic = airlock_vnic_create(&conf);
	TEST_ASSERT_NOT_NULL(front_vm.vnic, "%s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(airlock_vnic_start(front_vm.vnic), "start");
	front_vm.client = front_connect(front_vm.path);
	TEST_ASSERT(front_vm.client >= 0, "%s: %s", front_vm.path, strerror(-front_vm.client));
	return TEST_SUCCESS;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
front_vm_close(void)
{
	front_lcore_stop();
	close_fd(&front_vm.client);
	airlock_vnic_destroy(front_vm.vnic);
	front_vm.vnic = NULL;
	airlock_page_table_destroy(pages);
	pages = NULL;
	rte_mempool_free(mbufs);
	mbufs = NULL;
	free(area);
	area = NULL;
	close_fd(&front_vm.memory_fds[0]);
	close_fd(&front_vm.memory_fds[1]);
	close_fd(&front_vm.kick_fd);
	close_fd(&front_vm.call_fd);
}

/* A guest's memory, with a buffer posted in its RX ring. The two differ in size alone. */
static int
make_memory(unsigned int i, unsigned int flags)
{
	const struct vring_desc desc = {BUFFER_ADDR, BUFFER_BYTES, VRING_DESC_F_WRITE, 0};
	const uint16_t avail[] = {0, 1}; /* flags, index */
	uint8_t *memory;
	int fd;

	close_fd(&front_vm.memory_fds[i]);
	fd = front_vm.memory_fds[i] = memfd_create("front", MFD_CLOEXEC | flags);
	TEST_ASSERT(fd >= 0 && ftruncate(fd, (i + 1) * MEMORY_BYTES) == 0, "memfd");
	/* Huge pages cannot be written by write(2). */
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TEST_ASSERT(memory != MAP_FAILED, "memory: %s", strerror(errno));
	memcpy(memory + DESC_AT, &desc, sizeof(desc));
	memcpy(memory + AVAIL_AT, avail, sizeof(avail));
	munmap(memory, MEMORY_BYTES);
	return TEST_SUCCESS;
}

int
front_vm_send_memory(unsigned int i)
{
	struct front_table table = {
		.nb_regions = 1, .regions = {{0, (i + 1) * MEMORY_BYTES, FRONT_VMM_ADDR, 0}}};

	return front_send_table(front_vm.client, &table, &front_vm.memory_fds[i]);
}

int
front_vm_send_fd(enum front_request request, uint64_t vring_id, int fd)
{
	return front_send(front_vm.client, request, &vring_id, sizeof(vring_id), &fd, 1);
}

static int
send_ring(uint32_t vring_id)
{
	const uint64_t start = FRONT_VMM_ADDR + vring_id * RING_BYTES;
	const uint32_t size[] = {vring_id, FRONT_RING_SIZE}, base[] = {vring_id, 0};
	const struct {
		uint32_t vring_id;
		uint32_t flags;
		uint64_t desc;
		uint64_t used;
		uint64_t avail;
		uint64_t log;
	} addr = {vring_id, 0, start + DESC_AT, start + USED_AT, start + AVAIL_AT, 0};

	TEST_ASSERT_SUCCESS(
		front_send(front_vm.client, FRONT_SET_VRING_NUM, size, sizeof(size), NULL, 0),
		"size");
	TEST_ASSERT_SUCCESS(
		front_send(front_vm.client, FRONT_SET_VRING_BASE, base, sizeof(base), NULL, 0),
		"base");
	TEST_ASSERT_SUCCESS(
		front_send(front_vm.client, FRONT_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0),
		"address");
	TEST_ASSERT_SUCCESS(
		front_vm_send_fd(FRONT_SET_VRING_CALL, vring_id, front_vm.call_fd), "call");
	TEST_ASSERT_SUCCESS(
		front_vm_send_fd(FRONT_SET_VRING_KICK, vring_id, front_vm.kick_fd), "kick");
	return TEST_SUCCESS;
}

int
front_vm_come_up(uint64_t features, unsigned int memory_flags)
{
	features |= RTE_BIT64(VIRTIO_F_VERSION_1);

	for (unsigned int i = 0; i < RTE_DIM(front_vm.memory_fds); i++)
		TEST_ASSERT_SUCCESS(make_memory(i, memory_flags), "memory");
	close_fd(&front_vm.kick_fd);
	close_fd(&front_vm.call_fd);
	front_vm.kick_fd = eventfd(0, EFD_CLOEXEC);
	front_vm.call_fd = eventfd(0, EFD_CLOEXEC);
	TEST_ASSERT_SUCCESS(
		front_send(front_vm.client, FRONT_SET_OWNER, NULL, 0, NULL, 0), "owner");
	TEST_ASSERT_SUCCESS(front_send(front_vm.client, FRONT_SET_FEATURES, &features,
				    sizeof(features), NULL, 0),
		"features");
	TEST_ASSERT_SUCCESS(front_vm_send_memory(0), "memory");
	TEST_ASSERT_SUCCESS(send_ring(0), "RX ring");
	TEST_ASSERT_SUCCESS(send_ring(1), "TX ring");
	TEST_ASSERT(front_answers(front_vm.client), "the VM stays");
	TEST_ASSERT(airlock_vnic_is_up(front_vm.vnic), "up");
	return TEST_SUCCESS;
}

bool
front_vm_can_connect_again(void)
{
	const uint64_t end_tsc = front_deadline_tsc();
	bool can = false;

	while (!can && rte_rdtsc() < end_tsc) {
		close_fd(&front_vm.client);
		front_vm.client = front_connect(front_vm.path);
		can = front_vm.client >= 0 && front_answers(front_vm.client);
	}
	return can;
}
