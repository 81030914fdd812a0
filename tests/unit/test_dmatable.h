/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_DMATABLE_H
#define TEST_DMATABLE_H

/**
 * @file
 * What the tests of a VM's DMA table with the real agent, in this process, share.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>

#include <airlock_window_agent.h>

#include "dmatable_env.h"
#include "test.h"

static struct dmatable_env env;
static struct airlock_window_agent *agent;
static char *window;

static inline void
agent_log(const char *line)
{
	printf("  agent: %s\n", line);
}

static inline int
agent_start(void)
{
	int fd;

	agent = airlock_window_agent_open(env.path, STUB_DEADLINE_MS, agent_log);
	TEST_ASSERT_NOT_NULL(agent, "%s: %s", env.path, strerror(errno));
	fd = open(env.pool_path, O_RDWR | O_CLOEXEC);
	TEST_ASSERT(fd >= 0, "%s", env.pool_path);
	window = mmap(NULL, dmatable_env_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	TEST_ASSERT(window != MAP_FAILED, "mmap");
	TEST_ASSERT_SUCCESS(
		airlock_window_agent_serve(agent, window, dmatable_env_bytes(), true), "serve");
	return TEST_SUCCESS;
}

static inline int
setup(void)
{
	int ret;

	window = MAP_FAILED;
	ret = dmatable_env_init(&env, AIRLOCK_STRAY_STALL);
	if (ret != TEST_SUCCESS)
		return ret;
	ret = agent_start();
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT(dmatable_env_wait_up(&env, 1), "the window came");
	return TEST_SUCCESS;
}

/* *waits*: somebody is in a dark page of the window, after a failure, and goes on waiting. */
static inline void
agent_teardown(bool waits)
{
	airlock_dmatable_destroy(env.table);
	env.table = NULL;
	if (waits) {
		airlock_window_agent_close(agent);
	} else {
		airlock_window_agent_close_unmapped(agent);
		if (window != MAP_FAILED)
			munmap(window, dmatable_env_bytes());
	}
	agent = NULL;
	dmatable_env_fini(&env);
}

static inline void
fill(uint32_t frame, int value)
{
	memset(dmatable_env_addr(&env, frame), value, env.pages->frame.bytes);
}

static inline int
unmap_and_wait(const uint32_t *frames, uint32_t n)
{
	airlock_dmatable_unmap(env.table, frames, n);
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "frames come back");
	return TEST_SUCCESS;
}

#endif /* TEST_DMATABLE_H */
