/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A virtual NIC against a front end by hand: messages while the VM is up and an lcore is at work on
 * its rings, and a second connection. A worker lcore of the test plays the lcore.
 */

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

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
#define NB_MESSAGES  500

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
static int client = -1, memory_fds[2] = {-1, -1}, kick_fd = -1, call_fd = -1;

static struct {
	unsigned int id;
	bool runs;
	bool copies; /* into the RX ring, too; else it only looks */
	_Atomic bool stop;
	_Atomic uint64_t rounds;
	_Atomic uint64_t nb_found; /* buffers that a look has found */
	_Atomic bool stuck; /* it was waited for in vain */
} lcore;

static void
event(struct airlock_vnic *nic, bool up, void *arg)
{
}

static int
kick(struct airlock_vnic *nic, uint16_t queue_id, int fd, bool on, void *arg)
{
	return 0;
}

static uint64_t
deadline_tsc(void)
{
	return rte_rdtsc() + rte_get_tsc_hz() / 1000 * DEADLINE_MS;
}

/* Until the lcore has gone round. */
static void
quiesce(struct airlock_vnic *nic, void *arg)
{
	const uint64_t rounds = atomic_load(&lcore.rounds), end_tsc = deadline_tsc();

	while (lcore.runs && atomic_load(&lcore.rounds) < rounds + 2) {
		if (rte_rdtsc() < end_tsc)
			continue;
		atomic_store(&lcore.stuck, true);
		return;
	}
}

static int
lcore_main(void *arg)
{
	struct rte_mbuf *m = arg;

	while (!atomic_load(&lcore.stop)) {
		if (lcore.copies)
			airlock_vnic_enqueue_burst(vnic, 0, &m, 1);
		if (airlock_vnic_is_too_long(vnic, 0))
			atomic_fetch_add(&lcore.nb_found, 1);
		airlock_vnic_arm(vnic, 0);
		airlock_vnic_tx_pending(vnic, 0);
		airlock_vnic_disarm(vnic, 0);
		atomic_fetch_add(&lcore.rounds, 1);
	}
	return 0;
}

static struct rte_mbuf *
make_packet(void)
{
	struct rte_mbuf *m;

	mbufs = rte_pktmbuf_pool_create("front", 63, 0, 0, BUFFER_BYTES, SOCKET_ID_ANY);
	m = mbufs != NULL ? rte_pktmbuf_alloc(mbufs) : NULL;
	if (m != NULL)
		rte_pktmbuf_append(m, 100);
	return m;
}

static int
start_lcore(bool copies)
{
	struct rte_mbuf *m = make_packet();
	unsigned int id;

	TEST_ASSERT_NOT_NULL(m, "no packet");
	memset(&lcore, 0, sizeof(lcore));
	lcore.copies = copies;
	lcore.runs = true;
	/* The last one: on another CPU than rte_vhost's thread, if there is one. */
	RTE_LCORE_FOREACH_WORKER (id)
		lcore.id = id;
	TEST_ASSERT_SUCCESS(rte_eal_remote_launch(lcore_main, m, lcore.id), "launch");
	return TEST_SUCCESS;
}

static void
stop_lcore(void)
{
	if (!lcore.runs)
		return;
	atomic_store(&lcore.stop, true);
	rte_eal_wait_lcore(lcore.id);
	lcore.runs = false;
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
		.kick = kick,
		.pool_ino = 1, /* nobody's: messages are looked at */
	};

	rte_log_set_level_regexp("lib.vhost.*", RTE_LOG_EMERG);
	rte_log_set_level_regexp("airlock.*", RTE_LOG_EMERG);
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
	stop_lcore();
	close_fd(&client);
	airlock_vnic_destroy(vnic);
	vnic = NULL;
	airlock_page_table_destroy(pages);
	pages = NULL;
	rte_mempool_free(mbufs);
	mbufs = NULL;
	free(area);
	area = NULL;
	close_fd(&memory_fds[0]);
	close_fd(&memory_fds[1]);
	close_fd(&kick_fd);
	close_fd(&call_fd);
}

/* A guest's memory, with a buffer posted in its RX ring. The two differ in size alone. */
static int
make_memory(unsigned int i)
{
	const struct vring_desc desc = {BUFFER_ADDR, BUFFER_BYTES, VRING_DESC_F_WRITE, 0};
	const uint16_t avail[] = {0, 1}; /* flags, index */
	int fd = memory_fds[i] = memfd_create("front", MFD_CLOEXEC);

	TEST_ASSERT(fd >= 0 && ftruncate(fd, (i + 1) * MEMORY_BYTES) == 0, "memfd");
	TEST_ASSERT_EQUAL(pwrite(fd, &desc, sizeof(desc), DESC_AT), sizeof(desc), "descriptor");
	TEST_ASSERT_EQUAL(pwrite(fd, avail, sizeof(avail), AVAIL_AT), sizeof(avail), "index");
	return TEST_SUCCESS;
}

static int
send_memory(unsigned int i)
{
	struct front_table table = {
		.nb_regions = 1, .regions = {{0, (i + 1) * MEMORY_BYTES, VMM_ADDR, 0}}};

	return front_send_table(client, &table, &memory_fds[i]);
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

/* A guest without mergeable buffers. */
static int
come_up(void)
{
	const uint64_t features = RTE_BIT64(VIRTIO_F_VERSION_1);

	for (unsigned int i = 0; i < RTE_DIM(memory_fds); i++)
		TEST_ASSERT_SUCCESS(make_memory(i), "memory");
	kick_fd = eventfd(0, EFD_CLOEXEC);
	call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	TEST_ASSERT_SUCCESS(front_send(client, FRONT_SET_OWNER, NULL, 0, NULL, 0), "owner");
	TEST_ASSERT_SUCCESS(
		front_send(client, FRONT_SET_FEATURES, &features, sizeof(features), NULL, 0),
		"features");
	TEST_ASSERT_SUCCESS(send_memory(0), "memory");
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
	const uint64_t end_tsc = deadline_tsc();
	bool can = false;

	while (!can && rte_rdtsc() < end_tsc) {
		close_fd(&client);
		client = front_connect(path);
		can = client >= 0 && front_answers(client);
	}
	return can;
}

static int
test_latest_connection_counts_until_one_is_up(void)
{
	int other;

	TEST_ASSERT_SUCCESS(open_vnic(false), "open");
	other = client;
	TEST_ASSERT(front_answers(other), "the first, whose device is not up yet");
	client = front_connect(path);
	TEST_ASSERT(client >= 0 && front_answers(client), "the second");
	TEST_ASSERT(!front_answers(other), "the first is closed");
	close(other);
	TEST_ASSERT_SUCCESS(come_up(), "the second");
	other = front_connect(path);
	TEST_ASSERT(other >= 0 && !front_answers(other), "the third is closed");
	close(other);
	TEST_ASSERT(airlock_vnic_is_up(vnic) && front_answers(client), "the second stays");
	TEST_ASSERT(can_connect_again(), "when it is gone");
	return TEST_SUCCESS;
}

static int
test_no_lcore_is_waited_for_that_waits_for_a_ring(void)
{
	TEST_ASSERT_SUCCESS(open_vnic(false), "open");
	TEST_ASSERT_SUCCESS(come_up(), "up");
	TEST_ASSERT_SUCCESS(start_lcore(true), "lcore");
	for (unsigned int i = 0; i < NB_MESSAGES && !atomic_load(&lcore.stuck); i++) {
		TEST_ASSERT_SUCCESS(send_fd(FRONT_SET_VRING_CALL, 1, call_fd), "call");
		TEST_ASSERT_SUCCESS(send_fd(FRONT_SET_VRING_KICK, 1, kick_fd), "kick");
		TEST_ASSERT_SUCCESS(send_memory(0), "the same memory");
		TEST_ASSERT(front_answers(client), "the VM stays");
	}
	TEST_ASSERT(!atomic_load(&lcore.stuck), "the lcore waits for rte_vhost, and that for it");
	return TEST_SUCCESS;
}

static int
test_rings_are_left_alone_while_memory_changes(void)
{
	TEST_ASSERT_SUCCESS(open_vnic(false), "open");
	TEST_ASSERT_SUCCESS(come_up(), "up");
	TEST_ASSERT_SUCCESS(start_lcore(false), "lcore");
	for (unsigned int i = 0; i < NB_MESSAGES; i++) {
		TEST_ASSERT_SUCCESS(send_memory(i % 2), "memory");
		TEST_ASSERT(front_answers(client), "the VM stays");
	}
	stop_lcore();
	TEST_ASSERT(atomic_load(&lcore.nb_found) > 0, "it has looked");
	TEST_ASSERT(airlock_vnic_is_too_long(vnic, 0), "and may look still");
	return TEST_SUCCESS;
}

static int
test_guest_is_told_by_its_new_eventfd(void)
{
	struct airlock_rxring *ring;
	uint32_t frames[RING_SIZE];
	struct rte_mbuf *m;
	eventfd_t count;

	TEST_ASSERT_SUCCESS(open_vnic(true), "open");
	TEST_ASSERT_SUCCESS(come_up(), "up");
	ring = airlock_vnic_rxring(vnic, 0);
	TEST_ASSERT_NOT_NULL(ring, "the ring is served");
	airlock_rxring_poll(ring, frames, RTE_DIM(frames));
	m = make_packet();
	TEST_ASSERT_NOT_NULL(m, "no packet");
	TEST_ASSERT_SUCCESS(airlock_rxring_put_copy(ring, m), "put");
	rte_pktmbuf_free(m);
	TEST_ASSERT(airlock_rxring_publish(ring), "the guest wants to be told");
	/* Before it is, the VMM gives the ring another eventfd. */
	close_fd(&call_fd);
	call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	TEST_ASSERT_SUCCESS(send_fd(FRONT_SET_VRING_CALL, 0, call_fd), "call");
	TEST_ASSERT(front_answers(client), "the VM stays");
	TEST_ASSERT_NOT_NULL(airlock_vnic_rxring(vnic, 0), "the ring is served");
	TEST_ASSERT_SUCCESS(eventfd_read(call_fd, &count), "nobody tells the guest");
	return TEST_SUCCESS;
}

/* Somebody who listens and accepts nobody, with as many waiting as may. */
static int
test_busy_socket_is_somebodys(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct airlock_vnic_conf conf = {
		.name = "front", .path = path, .server = true, .nb_queues = 1, .event = event};
	int ret;

	snprintf(path, sizeof(path), "/tmp/airlock-front-%d", getpid());
	memcpy(addr.sun_path, path, sizeof(path));
	kick_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	TEST_ASSERT_SUCCESS(bind(kick_fd, (struct sockaddr *)&addr, sizeof(addr)), "%s", path);
	TEST_ASSERT_SUCCESS(listen(kick_fd, 0), "%s", path);
	client = front_connect(path);
	TEST_ASSERT(client >= 0, "one may wait");
	vnic = airlock_vnic_create(&conf);
	TEST_ASSERT_NOT_NULL(vnic, "%s", rte_strerror(rte_errno));
	ret = airlock_vnic_start(vnic);
	unlink(path);
	TEST_ASSERT_EQUAL(ret, -EADDRINUSE, "start");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, close_vnic, fn)

static const struct unit_test_suite vnic_front_suite = {
	.suite_name = "vnic_front",
	.unit_test_cases =
		{
			CASE(test_busy_socket_is_somebodys),
			CASE(test_latest_connection_counts_until_one_is_up),
			CASE(test_no_lcore_is_waited_for_that_waits_for_a_ring),
			CASE(test_rings_are_left_alone_while_memory_changes),
			CASE(test_guest_is_told_by_its_new_eventfd),
			TEST_CASES_END(),
		},
};

static int
test_vnic_front(void)
{
	return unit_test_suite_runner(&vnic_front_suite);
}

REGISTER_FAST_TEST(vnic_front_autotest, true, true, test_vnic_front)
