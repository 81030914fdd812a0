/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM whose memory is gone while airlock has it mapped, because the front end has truncated its
 * file: the VM is down until it connects anew, and nobody else notices.
 */

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "front_vm.h"
#include "test.h"

#define LOG_ALL	  RTE_BIT64(26)
#define LOG_BYTES 4096

static uint64_t
nb_lost(void)
{
	return airlock_vnic_memory_lost(front_vm.vnic);
}

static bool
lcore_goes_on(void)
{
	const uint64_t rounds = atomic_load(&front_lcore.rounds), end_tsc = front_deadline_tsc();

	while (atomic_load(&front_lcore.rounds) < rounds + 1000) {
		if (rte_rdtsc() > end_tsc)
			return false;
		rte_pause();
	}
	return true;
}

static int
check_down(void)
{
	TEST_ASSERT_EQUAL(nb_lost(), 1, "lost");
	TEST_ASSERT_EQUAL(airlock_vnic_rx_mask(front_vm.vnic), 0, "no RX ring takes packets");
	airlock_vnic_poll(front_vm.vnic);
	TEST_ASSERT(airlock_vnic_is_lost(front_vm.vnic), "still so");
	TEST_ASSERT(!front_answers(front_vm.client), "the next message ends the connection");
	return TEST_SUCCESS;
}

static int
check_up_again(void)
{
	TEST_ASSERT(front_vm_can_connect_again(), "connect");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_EQUAL(airlock_vnic_rx_mask(front_vm.vnic), 1, "its RX ring takes packets");
	TEST_ASSERT_EQUAL(nb_lost(), 1, "lost once");
	TEST_ASSERT(!airlock_vnic_is_lost(front_vm.vnic), "all is there again");
	return TEST_SUCCESS;
}

static int
lose_under_an_lcore(unsigned int memory_flags)
{
	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, memory_flags), "up");
	TEST_ASSERT_SUCCESS(front_lcore_start(true), "lcore");
	TEST_ASSERT(lcore_goes_on(), "before");
	TEST_ASSERT_EQUAL(nb_lost(), 0, "all is there");
	TEST_ASSERT_SUCCESS(ftruncate(front_vm.memory_fds[0], 0), "truncate");
	TEST_ASSERT(lcore_goes_on(), "after");
	TEST_ASSERT_SUCCESS(check_down(), "down");
	TEST_ASSERT_SUCCESS(check_up_again(), "up again");
	TEST_ASSERT(lcore_goes_on(), "with the new memory");
	return TEST_SUCCESS;
}

static int
test_lcore_goes_on_without_small_pages(void)
{
	return lose_under_an_lcore(0);
}

static int
test_lcore_goes_on_without_huge_pages(void)
{
	return lose_under_an_lcore(MFD_HUGETLB);
}

static int
test_own_ring_goes_down(void)
{
	uint32_t frames[FRONT_RING_SIZE];
	struct airlock_rxring *ring;
	struct rte_mbuf *m;

	TEST_ASSERT_SUCCESS(front_vm_open(true), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	ring = airlock_vnic_rxring(front_vm.vnic, 0);
	TEST_ASSERT_NOT_NULL(ring, "the ring is served");
	airlock_rxring_poll(ring, frames, RTE_DIM(frames));
	TEST_ASSERT_SUCCESS(ftruncate(front_vm.memory_fds[0], 0), "truncate");
	m = front_vm_packet();
	TEST_ASSERT_NOT_NULL(m, "no packet");
	airlock_rxring_put_copy(ring, m);
	rte_pktmbuf_free(m);
	airlock_rxring_publish(ring);
	TEST_ASSERT_SUCCESS(check_down(), "down");
	return check_up_again();
}

/* rte_vhost looks at the rings in it before anybody is told where it is. */
static int
test_new_memory_that_is_not_there(void)
{
	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	TEST_ASSERT_SUCCESS(front_lcore_start(true), "lcore");
	TEST_ASSERT_SUCCESS(ftruncate(front_vm.memory_fds[1], 0), "truncate");
	TEST_ASSERT_SUCCESS(front_vm_send_memory(1), "memory");
	TEST_ASSERT(!front_answers(front_vm.client), "the connection is closed");
	TEST_ASSERT(lcore_goes_on(), "after");
	TEST_ASSERT_SUCCESS(check_down(), "down");
	return check_up_again();
}

static int
lose_the_log(unsigned int flags, uint64_t file_bytes)
{
	const uint64_t log[] = {LOG_BYTES, 0}; /* bytes, offset */
	uint8_t answer[12];
	int fd = memfd_create("log", MFD_CLOEXEC | flags);

	TEST_ASSERT(fd >= 0 && ftruncate(fd, file_bytes) == 0, "file");
	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(LOG_ALL, 0), "up");
	TEST_ASSERT_SUCCESS(
		front_send(front_vm.client, FRONT_SET_LOG_BASE, log, sizeof(log), &fd, 1), "log");
	TEST_ASSERT_EQUAL(recv(front_vm.client, answer, sizeof(answer), MSG_WAITALL),
		(ssize_t)sizeof(answer), "answer");
	TEST_ASSERT_SUCCESS(ftruncate(fd, 0), "truncate");
	close(fd);
	TEST_ASSERT_SUCCESS(front_lcore_start(true), "lcore");
	TEST_ASSERT(lcore_goes_on(), "after");
	TEST_ASSERT_SUCCESS(check_down(), "down");
	return check_up_again();
}

static int
test_log_that_is_gone(void)
{
	return lose_the_log(0, LOG_BYTES);
}

/* Of which airlock does not know where it ends. */
static int
test_log_in_a_huge_page(void)
{
	return lose_the_log(MFD_HUGETLB, RTE_PGSIZE_2M);
}

/* In a child: touch memory that is gone but is no guest's, or have the signal sent. */
static void
die(bool sent)
{
	int fd = memfd_create("own", MFD_CLOEXEC);
	const uint8_t *memory = mmap(NULL, LOG_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (sent)
		kill(getpid(), SIGBUS);
	else if (memory != MAP_FAILED)
		_exit(memory[0]); /* of a file without a byte: the read does not return */
	_exit(0);
}

static int
test_any_other_sigbus_kills(void)
{
	TEST_ASSERT_SUCCESS(front_vm_open(false), "open");
	TEST_ASSERT_SUCCESS(front_vm_come_up(0, 0), "up");
	for (int sent = 0; sent < 2; sent++) {
		pid_t pid = fork();
		int status;

		TEST_ASSERT(pid >= 0, "fork");
		if (pid == 0)
			die(sent != 0);
		TEST_ASSERT_EQUAL(waitpid(pid, &status, 0), pid, "wait");
		/* A sanitizer, which had the signal before, reports it and exits. */
		TEST_ASSERT(
			WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : WEXITSTATUS(status) != 0,
			"status 0x%x", status);
	}
	TEST_ASSERT_EQUAL(nb_lost(), 0, "the VM has nothing to do with it");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(NULL, front_vm_close, fn)

static const struct unit_test_suite vnic_lost_suite = {
	.suite_name = "vnic_lost",
	.unit_test_cases =
		{
			CASE(test_lcore_goes_on_without_small_pages),
			CASE(test_lcore_goes_on_without_huge_pages),
			CASE(test_own_ring_goes_down),
			CASE(test_new_memory_that_is_not_there),
			CASE(test_log_that_is_gone),
			CASE(test_log_in_a_huge_page),
			CASE(test_any_other_sigbus_kills),
			TEST_CASES_END(),
		},
};

static int
test_vnic_lost(void)
{
	return unit_test_suite_runner(&vnic_lost_suite);
}

REGISTER_FAST_TEST(vnic_lost_autotest, true, true, test_vnic_lost)
