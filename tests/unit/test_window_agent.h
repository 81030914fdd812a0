/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_WINDOW_AGENT_H
#define TEST_WINDOW_AGENT_H

/**
 * @file
 * What the tests of the window's agent share: an airlockd, with an agent that serves or without.
 *
 * Thread rule: main thread.
 */

#include "test.h"
#include "window_peer.h"

#define SERVED(test) TEST_CASE_ST(setup_served, teardown, test)
#define ALONE(test)  TEST_CASE_ST(setup, teardown, test)

static struct window_peer peer;

static inline int
setup(void)
{
	return peer_open(&peer) == 0 ? TEST_SUCCESS : TEST_FAILED;
}

static inline void
teardown(void)
{
	peer_close(&peer);
}

/* Most cases start with an agent that serves. */
static inline int
setup_served(void)
{
	int ret;

	TEST_ASSERT_SUCCESS(peer_open(&peer), "no pool");
	/* As if the VMM had used it: serving has to hide all of it. */
	for (unsigned int i = 0; i < PEER_PAGES; i++)
		TEST_ASSERT_EQUAL(peer.window[i * 4096], i + 1, "page %u before", i);
	ret = peer_serve(&peer);
	if (ret == -EPERM || ret == -ENOTSUP) {
		printf("no userfaultfd with minor faults for this process\n");
		return TEST_SKIPPED;
	}
	TEST_ASSERT_SUCCESS(ret, "the agent does not serve");
	return TEST_SUCCESS;
}

#endif /* TEST_WINDOW_AGENT_H */
