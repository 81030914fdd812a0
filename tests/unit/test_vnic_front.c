/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A virtual NIC against a front end by hand: messages while the VM is up and an lcore is at work on
 * its rings, what a front end must not send, and a second connection.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "front_vm.h"
#include "test.h"

#define NB_MESSAGES 500

static void
ignore(struct airlock_vnic *nic, bool up, void *arg)
{
}

static int
test_latest_connection_counts_until_one_is_up(void)
{
	int other;

	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	other = front_vm.client;
	TEST_ASSERT(front_answers(other), "the first, whose device is not up yet");
	front_vm.client = front_connect(front_vm.path);
	TEST_ASSERT(front_vm.client >= 0 && front_answers(front_vm.client), "the second");
	TEST_ASSERT(!front_answers(other), "the first is closed");
	close(other);
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "the second");
	other = front_connect(front_vm.path);
	TEST_ASSERT(other >= 0 && !front_answers(other), "the third is closed");
	close(other);
	TEST_ASSERT(airlock_vnic_is_up(front_vm.vnic) && front_answers(front_vm.client),
		"the second stays");
	TEST_ASSERT(front_vm_can_connect_again(), "when it is gone");
	return TEST_SUCCESS;
}

static int
test_no_lcore_is_waited_for_that_waits_for_a_ring(void)
{
	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(front_lcore_start(true), "lcore");
	for (unsigned int i = 0; i < NB_MESSAGES && !atomic_load(&front_lcore.stuck); i++) {
		TEST_ASSERT_SUCCESS(
			front_vm_send_fd(FRONT_SET_VRING_CALL, 1, front_vm.call_fd), "call");
		TEST_ASSERT_SUCCESS(
			front_vm_send_fd(FRONT_SET_VRING_KICK, 1, front_vm.kick_fd), "kick");
		TEST_ASSERT_SUCCESS(front_vm_send_memory(0), "the same memory");
		TEST_ASSERT(front_answers(front_vm.client), "the VM stays");
	}
	TEST_ASSERT(
		!atomic_load(&front_lcore.stuck), "the lcore waits for rte_vhost, and that for it");
	return TEST_SUCCESS;
}

static int
test_rings_are_left_alone_while_memory_changes(void)
{
	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(front_lcore_start(false), "lcore");
	for (unsigned int i = 0; i < NB_MESSAGES; i++) {
		TEST_ASSERT_SUCCESS(front_vm_send_memory(i % 2), "memory");
		TEST_ASSERT(front_answers(front_vm.client), "the VM stays");
	}
	front_lcore_stop();
	TEST_ASSERT(atomic_load(&front_lcore.nb_found) > 0, "it has looked");
	TEST_ASSERT(airlock_vnic_is_too_long(front_vm.vnic, 0), "and may look still");
	return TEST_SUCCESS;
}

static int
test_guest_is_told_by_its_new_eventfd(void)
{
	struct airlock_rxring *ring;
	uint32_t frames[FRONT_RING_SIZE];
	struct rte_mbuf *m;
	eventfd_t count;

	TEST_ASSERT_SUCCESS(front_vm_open(true), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	ring = airlock_vnic_rxring(front_vm.vnic, 0);
	TEST_ASSERT_NOT_NULL(ring, "the ring is served");
	airlock_rxring_poll(ring, frames, RTE_DIM(frames));
	m = front_vm_packet();
	TEST_ASSERT_NOT_NULL(m, "no packet");
	TEST_ASSERT_SUCCESS(airlock_rxring_put_copy(ring, m), "put");
	rte_pktmbuf_free(m);
	TEST_ASSERT(airlock_rxring_publish(ring), "the guest wants to be told");
	/* Before it is, the VMM gives the ring another eventfd. */
	close(front_vm.call_fd);
	front_vm.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	TEST_ASSERT_SUCCESS(front_vm_send_fd(FRONT_SET_VRING_CALL, 0, front_vm.call_fd), "call");
	TEST_ASSERT(front_answers(front_vm.client), "the VM stays");
	TEST_ASSERT_NOT_NULL(airlock_vnic_rxring(front_vm.vnic, 0), "the ring is served");
	TEST_ASSERT_SUCCESS(eventfd_read(front_vm.call_fd, &count), "nobody tells the guest");
	return TEST_SUCCESS;
}

static int
test_full_eventfd_stops_nobody(void)
{
	TEST_ASSERT_SUCCESS(front_vm_open(true), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(eventfd_write(front_vm.call_fd, UINT64_MAX - 1), "full");
	/* One that blocks would stay here. */
	airlock_vnic_kick(front_vm.vnic, 0);
	TEST_ASSERT((fcntl(front_vm.call_fd, F_GETFL) & O_NONBLOCK) != 0, "nothing blocks");
	return TEST_SUCCESS;
}

/* rte_vhost would take it, and write where the front end says. */
static int
test_request_that_no_nic_needs_ends_the_connection(void)
{
	const struct {
		uint64_t bytes;
		uint64_t offset;
		uint16_t nb_queues;
		uint16_t ring_size;
	} inflight = {4096, 0, 1, FRONT_RING_SIZE};

	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(front_send(front_vm.client, FRONT_SET_INFLIGHT_FD, &inflight,
				    sizeof(inflight), &front_vm.memory_fds[0], 1),
		"request");
	TEST_ASSERT(!front_answers(front_vm.client), "the connection is closed");
	TEST_ASSERT(front_vm_can_connect_again(), "it may try once more");
	return TEST_SUCCESS;
}

/* A message whose front end waits for an answer, without descriptors. */
static int
send_to_be_answered(enum front_request request, uint32_t value)
{
	const struct {
		uint32_t request;
		uint32_t flags;
		uint32_t bytes;
		uint32_t value;
		uint32_t padding;
	} message = {request, 1 | RTE_BIT32(3), 8, value, 0};

	return send(front_vm.client, &message, sizeof(message), MSG_NOSIGNAL) ==
			(ssize_t)sizeof(message)
		? 0
		: -errno;
}

static int
test_each_message_is_answered_once(void)
{
	uint8_t answer[20];

	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(send_to_be_answered(FRONT_GET_FEATURES, 0), "one that has an answer");
	TEST_ASSERT_SUCCESS(send_to_be_answered(FRONT_SET_OWNER, 0), "one that has none");
	for (int i = 0; i < 2; i++)
		TEST_ASSERT_EQUAL(recv(front_vm.client, answer, sizeof(answer), MSG_WAITALL),
			(ssize_t)sizeof(answer), "answer %d", i);
	TEST_ASSERT(front_answers(front_vm.client), "the VM stays");
	TEST_ASSERT(recv(front_vm.client, answer, sizeof(answer), MSG_DONTWAIT) < 0, "no more");
	return TEST_SUCCESS;
}

/* Else rte_vhost would say that it has failed, and go on with what it has unmapped. */
static int
test_bad_memory_ends_the_connection(void)
{
	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(
		send_to_be_answered(FRONT_SET_MEM_TABLE, 1), "a region without its file");
	TEST_ASSERT(!front_answers(front_vm.client), "the connection is closed");
	return TEST_SUCCESS;
}

static int
test_log_in_the_midst_of_its_file_ends_the_connection(void)
{
	const uint64_t log[] = {4096, 4096}; /* bytes, offset */

	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(front_send(front_vm.client, FRONT_SET_LOG_BASE, log, sizeof(log),
				    &front_vm.memory_fds[0], 1),
		"request");
	TEST_ASSERT(!front_answers(front_vm.client), "the connection is closed");
	return TEST_SUCCESS;
}

/* Somebody who listens and accepts nobody, with as many waiting as may. */
static int
test_busy_socket_is_somebodys(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct airlock_vnic_conf conf = {.name = "front",
		.path = front_vm.path,
		.server = true,
		.nb_queues = 1,
		.event = ignore};
	int ret;

	snprintf(front_vm.path, sizeof(front_vm.path), "/tmp/airlock-front-%d", getpid());
	memcpy(addr.sun_path, front_vm.path, sizeof(front_vm.path));
	front_vm.kick_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	TEST_ASSERT_SUCCESS(bind(front_vm.kick_fd, (struct sockaddr *)&addr, sizeof(addr)), "%s",
		front_vm.path);
	TEST_ASSERT_SUCCESS(listen(front_vm.kick_fd, 0), "%s", front_vm.path);
	front_vm.client = front_connect(front_vm.path);
	TEST_ASSERT(front_vm.client >= 0, "one may wait");
	front_vm.vnic = airlock_vnic_create(&conf);
	TEST_ASSERT_NOT_NULL(front_vm.vnic, "%s", rte_strerror(rte_errno));
	ret = airlock_vnic_start(front_vm.vnic);
	unlink(front_vm.path);
	TEST_ASSERT_EQUAL(ret, -EADDRINUSE, "start");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, front_vm_close, fn)

static const struct unit_test_suite vnic_front_suite = {
	.suite_name = "vnic_front",
	.unit_test_cases =
		{
			CASE(test_busy_socket_is_somebodys),
			CASE(test_latest_connection_counts_until_one_is_up),
			CASE(test_no_lcore_is_waited_for_that_waits_for_a_ring),
			CASE(test_rings_are_left_alone_while_memory_changes),
			CASE(test_guest_is_told_by_its_new_eventfd),
			CASE(test_full_eventfd_stops_nobody),
			CASE(test_request_that_no_nic_needs_ends_the_connection),
			CASE(test_each_message_is_answered_once),
			CASE(test_bad_memory_ends_the_connection),
			CASE(test_log_in_the_midst_of_its_file_ends_the_connection),
			TEST_CASES_END(),
		},
};

static int
test_vnic_front(void)
{
	return unit_test_suite_runner(&vnic_front_suite);
}

REGISTER_FAST_TEST(vnic_front_autotest, true, true, test_vnic_front)
