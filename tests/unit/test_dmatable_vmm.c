/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Windows of a VMM that is a process of its own, of libc alone: it dies, or touches what it must
 * not. An agent that breaks is in test_dmatable_lost.c.
 */

#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dmatable_env.h"
#include "test.h"

#define NB_FRAMES 200
#define LOOK_MS	  300 /* longer than the unmap thread takes from look to look */

static struct dmatable_env env;
static uint32_t frames[NB_FRAMES];
static pid_t child;
static pid_t reader; /* of the child's memory */

static int
setup(void)
{
	return dmatable_env_init(&env, AIRLOCK_STRAY_STALL);
}

static int
setup_kill(void)
{
	return dmatable_env_init(&env, AIRLOCK_STRAY_KILL);
}

static void
end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void
child_end(void)
{
	end(&child);
}

static void
teardown(void)
{
	end(&reader);
	child_end();
	dmatable_env_fini(&env);
}

/* A VMM in a process of its own, which does *act* when its window is up. Never returns in the
 * child. */
static int
child_start(void (*act)(const struct window_stub *mine))
{
	uint32_t ups = env.ups;

	child = fork();
	if (child == 0) {
		struct window_stub mine;

		/* A sanitizer would catch it. */
		signal(SIGBUS, SIG_DFL);
		alarm(2 * STUB_DEADLINE_MS / 1000);
		if (window_stub_map(&mine, env.pool_path, dmatable_env_bytes()) < 0 ||
			window_stub_up(&mine, env.path) < 0)
			_exit(1);
		act(&mine);
		for (;;)
			pause();
	}
	TEST_ASSERT(child > 0, "fork");
	TEST_ASSERT(dmatable_env_wait_up(&env, ups + 1), "its window came");
	return TEST_SUCCESS;
}

static void
act_nothing(const struct window_stub *mine)
{
}

static void
act_read_dark(const struct window_stub *mine)
{
	(void)*(const _Atomic char *)mine->base;
}

/* Ends with what it has read. */
static void
act_read_resumed(const struct window_stub *mine)
{
	const char *last = mine->base + dmatable_env_offset(&env, env.resume_frame + 1) - 1;

	_exit(*(const _Atomic unsigned char *)last);
}

static void
act_write_header(const struct window_stub *mine)
{
	*(_Atomic char *)(mine->base + mine->bytes - AIRLOCK_PAGE_SIZE) = 'x';
}

static int
test_dead_vmm_gives_everything_back(void)
{
	uint64_t owner;

	TEST_ASSERT_SUCCESS(child_start(act_nothing), "VMM");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).pid, child, "whose window it is");
	TEST_ASSERT_SUCCESS(dmatable_env_fill(&env, 1, frames, NB_FRAMES), "fill");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "verify");
	owner = env.place.owner;
	TEST_ASSERT(
		owner >> 22 != 0 && (owner & 0x3fffff) == (uint32_t)child, "its start, its pid");
	child_end();
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "held");
	TEST_ASSERT_EQUAL(env.downs, 1, "down");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	TEST_ASSERT_EQUAL(airlock_dmatable_verify(env.table, NULL), 0, "nothing to verify");
	TEST_ASSERT_SUCCESS(child_start(act_nothing), "another");
	TEST_ASSERT_NOT_EQUAL(env.place.owner, owner, "another process");
	return TEST_SUCCESS;
}

/* A process that reads the child's memory at a dark frame. Ends with 0, or with what went wrong. */
static int
reader_start(uint32_t frame)
{
	reader = fork();
	if (reader == 0) {
		char byte;
		struct iovec to = {.iov_base = &byte, .iov_len = 1};
		struct iovec from = {.iov_len = 1,
			.iov_base = (void *)(env.place.base + dmatable_env_offset(&env, frame))};

		alarm(2 * STUB_DEADLINE_MS / 1000);
		_exit(process_vm_readv(child, &to, 1, &from, 1, 0) == 1 ? 0 : errno);
	}
	TEST_ASSERT(reader > 0, "fork");
	return TEST_SUCCESS;
}

/* Something holds the address space, and waits in it: KVM's kernel thread does, or a debugger. */
static int
test_dead_vmm_gives_everything_back_though_somebody_waits_in_it(void)
{
	int status = 0;

	TEST_ASSERT_SUCCESS(child_start(act_nothing), "VMM");
	TEST_ASSERT_SUCCESS(dmatable_env_fill(&env, 1, frames, NB_FRAMES), "fill");
	TEST_ASSERT_SUCCESS(reader_start(frames[NB_FRAMES - 1] + 1), "reader");
	if (!dmatable_wait(dmatable_env_stats(&env).strays >= 1 ||
		    waitpid(reader, &status, WNOHANG) == reader))
		TEST_ASSERT(false, "it waits");
	if (WEXITSTATUS(status) == EPERM) {
		reader = 0;
		printf("  no process_vm_readv here\n");
		return TEST_SKIPPED;
	}
	child_end();
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "held");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	TEST_ASSERT_EQUAL(waitpid(reader, &status, 0), reader, "it waits no more");
	reader = 0;
	TEST_ASSERT_EQUAL(WEXITSTATUS(status), 0, "it ended well");
	return TEST_SUCCESS;
}

static int
test_map_into_a_dead_vmm_fails_and_is_counted(void)
{
	struct airlock_run runs[2];

	TEST_ASSERT_SUCCESS(child_start(act_nothing), "VMM");
	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 2), "lease");
	child_end();
	/* Whether the unmap thread has noticed by now does not matter. */
	for (int i = 0; i < 2; i++)
		runs[i] = (struct airlock_run){.first_frame = frames[i], .nb_frames = 1};
	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, runs, 2), 0, "map");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static int
test_guest_that_touches_a_dark_page_is_killed_if_so_configured(void)
{
	pid_t ended = 0;
	int status = 0;

	TEST_ASSERT_SUCCESS(child_start(act_read_dark), "VMM");
	TEST_ASSERT(dmatable_wait(
			    ended == child || (ended = waitpid(child, &status, WNOHANG)) == child),
		"it ends");
	child = 0;
	TEST_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status 0x%x", status);
	TEST_ASSERT(dmatable_env_stats(&env).strays >= 1, "counted");
	return TEST_SUCCESS;
}

/* Until the child has ended, this lcore takes a frame out of the pool and puts it back. */
static bool
has_ended_meanwhile(int *status)
{
	struct rte_mempool *mempool = airlock_pool_mempool(env.pool, 0);
	void *mbuf;

	if (rte_mempool_get(mempool, &mbuf) == 0)
		rte_mempool_put(mempool, mbuf);
	if (child != 0 && waitpid(child, status, WNOHANG) == child)
		child = 0;
	return child == 0;
}

/* Also when it lies among the frames that an lcore has put by for itself. */
static int
test_page_that_was_the_vms_before_comes_back_empty(void)
{
	struct rte_mempool *mempool = airlock_pool_mempool(env.pool, 0);
	struct rte_mbuf *m;
	int status = 0;

	TEST_ASSERT_SUCCESS(rte_mempool_get(mempool, (void **)&m), "frame");
	memset(m->buf_addr, 'x', env.pages->frame.bytes);
	env.resume_frame = airlock_page_frame(env.pages, m->buf_addr);
	TEST_ASSERT_SUCCESS(child_start(act_read_resumed), "VMM");
	rte_delay_us_sleep(LOOK_MS * 1000);
	TEST_ASSERT_EQUAL(waitpid(child, &status, WNOHANG), 0, "it waits while others have it");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).resumed, 0, "not yet");
	rte_mempool_put(mempool, m);
	TEST_ASSERT(dmatable_wait(has_ended_meanwhile(&status)), "it goes on");
	TEST_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).resumed, 1, "counted");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).strays, 0, "no stray");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static int
test_header_cannot_be_written(void)
{
	const struct airlock_window_header *header = airlock_pool_header(env.pool);

	TEST_ASSERT_SUCCESS(child_start(act_write_header), "VMM");
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).strays >= 1), "the write is a stray");
	TEST_ASSERT(header->magic == AIRLOCK_WINDOW_HEADER_MAGIC, "unchanged");
	TEST_ASSERT_EQUAL(waitpid(child, NULL, WNOHANG), 0, "it waits");
	return TEST_SUCCESS;
}

static const struct unit_test_suite suite = {
	.suite_name = "dmatable_vmm",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_dead_vmm_gives_everything_back),
			TEST_CASE_ST(setup, teardown,
				test_dead_vmm_gives_everything_back_though_somebody_waits_in_it),
			TEST_CASE_ST(
				setup, teardown, test_map_into_a_dead_vmm_fails_and_is_counted),
			TEST_CASE_ST(setup_kill, teardown,
				test_guest_that_touches_a_dark_page_is_killed_if_so_configured),
			TEST_CASE_ST(setup, teardown,
				test_page_that_was_the_vms_before_comes_back_empty),
			TEST_CASE_ST(setup, teardown, test_header_cannot_be_written),
			TEST_CASES_END(),
		},
};

static int
test_dmatable_vmm(void)
{
	return dmatable_env_run(&suite);
}

REGISTER_FAST_TEST(dmatable_vmm_autotest, true, true, test_dmatable_vmm);
