/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The agent and its process: how it finds airlockd, what its children have, and what it may not do.
 */

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_window_agent.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00) /* Linux 6.1 */
#endif

/* @return how a child ended that ran a function */
static int
run_child(int (*child)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(child());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int
child_has_nothing(void)
{
	unsigned char resident;

	if (mincore(peer.window, 4096, &resident) == 0 || errno != ENOMEM)
		return 1;
	if (airlock_window_agent_serve(peer.agent, peer.pool, PEER_BYTES, false) != -EBUSY)
		return 2;
	airlock_window_agent_close(peer.agent);
	return 0;
}

static int
test_child_has_no_window(void)
{
	TEST_ASSERT_SUCCESS(run_child(child_has_nothing), "child");
	TEST_ASSERT_SUCCESS(peer_map(&peer, 0, 4), "map");
	TEST_ASSERT_SUCCESS(peer_unmap(&peer, 0, 4), "the parent's agent has gone");
	TEST_ASSERT_SUCCESS(peer_take_answer(&peer, 1), "answer");
	return TEST_SUCCESS;
}

static int alive[2];

/* A VMM that forks a helper and is killed; the helper lives on. */
static int
child_serves_and_forks(void)
{
	char byte;

	peer.agent = airlock_window_agent_open_known(peer.path, &peer.welcome, peer_log);
	if (airlock_window_agent_serve(peer.agent, peer.pool, PEER_BYTES, false) < 0)
		return 1;
	if (!peer_has_logged("airlockd serves"))
		return 2;
	if (fork() == 0) {
		close(alive[1]);
		_exit(read(alive[0], &byte, 1) == 0 ? 0 : 1);
	}
	kill(getpid(), SIGKILL);
	return 1;
}

static int
test_death_shows_despite_a_child(void)
{
	int status;
	char byte;
	pid_t pid;

	airlock_window_agent_close_unmapped(peer.agent);
	peer.agent = NULL;
	peer_hang_up(&peer);
	TEST_ASSERT_SUCCESS(pipe(alive), "pipe");
	pid = fork();
	if (pid == 0)
		_exit(child_serves_and_forks());
	TEST_ASSERT_SUCCESS(peer_accept(&peer), "accept");
	TEST_ASSERT_SUCCESS(peer_take_hello(&peer), "hello");
	TEST_ASSERT_EQUAL(waitpid(pid, &status, 0), pid, "wait");
	TEST_ASSERT_EQUAL(peer_receive(&peer, &byte, 1), 0, "the connection lives on");
	close(alive[0]);
	close(alive[1]);
	return TEST_SUCCESS;
}

/* Plays airlockd for airlock_window_agent_open(), which waits for it. */
static void *
answer_one(void *message)
{
	const struct airlock_window_head *head = message;

	while (peer.sock < 0)
		peer.sock = accept4(peer.listener, NULL, NULL, SOCK_CLOEXEC);
	peer_send(&peer, message, head->bytes);
	return NULL;
}

static int
open_against(void *message)
{
	pthread_t thread;
	int err;

	airlock_window_agent_close_unmapped(peer.agent);
	peer_hang_up(&peer);
	if (pthread_create(&thread, NULL, answer_one, message) != 0)
		return -ENOMEM;
	peer.agent = airlock_window_agent_open(peer.path, 0, peer_log);
	err = peer.agent == NULL ? -errno : 0;
	pthread_join(thread, NULL);
	return err;
}

static int
test_open_learns_the_pool(void)
{
	const struct airlock_window_welcome *pool;
	char byte;

	TEST_ASSERT_SUCCESS(open_against(&peer.welcome), "open");
	pool = airlock_window_agent_pool(peer.agent);
	TEST_ASSERT_BUFFERS_ARE_EQUAL(pool, &peer.welcome, sizeof(*pool), "what was told");
	TEST_ASSERT_EQUAL(peer_receive(&peer, &byte, 1), 0, "stays connected without a window");
	return TEST_SUCCESS;
}

static int
test_open_refuses_what_is_no_airlockd(void)
{
	struct airlock_window_welcome welcome = peer.welcome;

	welcome.version++;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "version");
	TEST_ASSERT_EQUAL(peer_nb_logged("speaks version 3"), 1, "not said");
	welcome = peer.welcome;
	welcome.head.type = AIRLOCK_WINDOW_HELLO;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "type");
	welcome = peer.welcome;
	welcome.head.bytes = 12;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "cut short");
	welcome = peer.welcome;
	welcome.layout.frame_pages = 0;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "frames of nothing");
	welcome.layout.frame_pages = AIRLOCK_WINDOW_MAX_FRAME_PAGES + 1;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "frames too large");
	welcome.layout.frame_pages = 3;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "partition of too many");
	welcome = peer.welcome;
	welcome.layout.pool_bytes += 1;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "size");
	welcome = peer.welcome;
	welcome.layout.nb_partitions = AIRLOCK_WINDOW_MAX_PARTITIONS + 1;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "partitions");
	welcome = peer.welcome;
	welcome.layout.partitions[0].nb_frames = PEER_PAGES + 1;
	TEST_ASSERT_EQUAL(open_against(&welcome), -EPROTO, "partition");
	return TEST_SUCCESS;
}

static int
test_open_fails_without_airlockd(void)
{
	struct airlock_window_refused refused = {
		.head = {.type = AIRLOCK_WINDOW_REFUSED, .bytes = sizeof(refused)},
		.text = "not today",
	};
	char long_path[200];

	TEST_ASSERT_EQUAL(open_against(&refused), -ECONNREFUSED, "refused");
	TEST_ASSERT_EQUAL(peer_nb_logged("airlockd refuses: not today"), 1, "not said");
	peer_die(&peer);
	TEST_ASSERT_NULL(airlock_window_agent_open(peer.path, 150, peer_log), "nobody there");
	TEST_ASSERT_EQUAL(errno, ETIMEDOUT, "nobody there");
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	TEST_ASSERT_NULL(airlock_window_agent_open(long_path, 0, peer_log), "long path");
	TEST_ASSERT_EQUAL(errno, ENAMETOOLONG, "long path");
	return TEST_SUCCESS;
}

static bool
anybody_may_use_userfaultfd(void)
{
	char setting = '1';
	int fd;

	if (access("/dev/userfaultfd", R_OK | W_OK) == 0)
		return true;
	fd = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &setting, 1) != 1)
		setting = '1';
	close(fd);
	return setting != '0';
}

static int
child_without_permission(void)
{
	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
		anybody_may_use_userfaultfd())
		return TEST_SKIPPED;
	peer.agent = airlock_window_agent_open_known(peer.path, &peer.welcome, peer_log);
	if (airlock_window_agent_serve(peer.agent, peer.window, PEER_BYTES, false) != -EPERM)
		return 1;
	return peer_nb_logged("vm.unprivileged_userfaultfd=1") == 1 &&
			peer_nb_logged("/dev/userfaultfd") == 1 &&
			peer_nb_logged("CAP_SYS_PTRACE") == 1
		? 0
		: 2;
}

static int
test_missing_permission_says_what_to_change(void)
{
	int ret = run_child(child_without_permission);

	if (ret == TEST_SKIPPED) {
		printf("every user may use userfaultfd here, or users cannot be changed\n");
		return TEST_SKIPPED;
	}
	TEST_ASSERT_SUCCESS(ret, "1: no EPERM; 2: not said");
	return TEST_SUCCESS;
}

/* From now on a system call with this second argument fails. */
static int
forbid(uint32_t call, uint32_t arg, uint32_t arg_mask, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4),
		/* The lower half, on a machine that has it first. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, arg_mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg & arg_mask, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = RTE_DIM(code), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
		? -errno
		: prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int
serve_fails(int err, const char *said)
{
	peer.agent = airlock_window_agent_open_known(peer.path, &peer.welcome, peer_log);
	if (airlock_window_agent_serve(peer.agent, peer.window, PEER_BYTES, false) != err)
		return 1;
	return peer_nb_logged(said) == 1 ? 0 : 2;
}

/* It has a userfaultfd, but without minor faults for shared memory. */
static int
child_before_5_14(void)
{
	if (forbid(SYS_ioctl, (uint32_t)UFFDIO_API, UINT32_MAX, EINVAL) < 0)
		return 3;
	return serve_fails(-ENOTSUP, "the kernel must be 5.14 or newer");
}

static int
child_without_userfaultfd(void)
{
	/* Whatever the argument; and the device as in a kernel that has none. */
	if (forbid(SYS_userfaultfd, 0, 0, ENOSYS) < 0 ||
		forbid(SYS_ioctl, (uint32_t)USERFAULTFD_IOC_NEW, UINT32_MAX, ENOTTY) < 0)
		return 3;
	return serve_fails(-ENOSYS, "the kernel has no userfaultfd");
}

static int
test_old_kernel_gets_no_window_and_is_told_why(void)
{
	TEST_ASSERT_SUCCESS(run_child(child_before_5_14), "1: served; 2: not said");
	TEST_ASSERT_SUCCESS(run_child(child_without_userfaultfd), "1: served; 2: not said");
	TEST_ASSERT_EQUAL(peer.window[0], 1, "the mapping is as it was");
	return TEST_SUCCESS;
}

static const struct unit_test_suite window_agent_process_suite = {
	.suite_name = "window agent, processes",
	.unit_test_cases =
		{
			SERVED(test_child_has_no_window),
			SERVED(test_death_shows_despite_a_child),
			ALONE(test_open_learns_the_pool),
			ALONE(test_open_refuses_what_is_no_airlockd),
			ALONE(test_open_fails_without_airlockd),
			ALONE(test_missing_permission_says_what_to_change),
			ALONE(test_old_kernel_gets_no_window_and_is_told_why),
			TEST_CASES_END(),
		},
};

static int
test_window_agent_process(void)
{
	return unit_test_suite_runner(&window_agent_process_suite);
}

REGISTER_FAST_TEST(window_agent_process_autotest, true, true, test_window_agent_process)
