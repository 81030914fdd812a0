/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_WINDOW_AGENT_H
#define AIRLOCK_WINDOW_AGENT_H

/**
 * @file
 * The agent: in the process that maps the pool, keeps the window dark but for what airlockd maps.
 *
 * It uses nothing but libc and the kernel, because it runs in other people's programs: a VMM (app/agent
 * preloads it) or a DPDK program that is a guest itself (libairlock-guest.so).
 *
 * Thread rule: as each function says. The agent has one thread of its own, which blocks all signals.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "airlock_window_proto.h"

struct airlock_window_agent;

/** Prints one line of the agent's. @param line without a newline */
typedef void (*airlock_window_log_fn)(const char *line);

/**
 * Connect to airlockd and learn which file is the pool.
 *
 * @param path     the window socket
 * @param wait_ms  how long to try while nobody listens there
 * @param log      for what happens later, in the agent's thread
 * @return the agent; NULL with errno ENAMETOOLONG, ENOMEM, ETIMEDOUT (nobody listens), EPROTO (what
 *         answers is no airlockd of this version), ECONNREFUSED (airlockd refused; logged)
 */
struct airlock_window_agent *airlock_window_agent_open(
	const char *path, uint32_t wait_ms, airlock_window_log_fn log);

/** The pool's file and layout, as airlockd told them last. Valid until the agent is closed. */
const struct airlock_window_welcome *airlock_window_agent_pool(
	const struct airlock_window_agent *agent);

/**
 * Take charge of a mapping of the pool: make it dark, hand it to airlockd, serve in a thread.
 *
 * The mapping is kept out of children (MADV_DONTFORK) and of huge pages. When airlockd goes away
 * the window goes dark at once and the agent connects again until airlockd is back.
 *
 * @param base        the whole file, mapped shared and readable
 * @param bytes       the file's size
 * @param in_process  the guest is this process
 * @return 0; -EINVAL (not the pool's size); -EPERM (the kernel lets this process have no
 *         userfaultfd that handles kernel faults: logged, with what to change); -ENOTSUP (a kernel
 *         before 5.14, or a file system without minor faults: logged); -EBUSY (has one already); or
 *         what userfaultfd(2), its ioctls or pthread_create(3) said
 */
int airlock_window_agent_serve(
	struct airlock_window_agent *agent, void *base, size_t bytes, bool in_process);

/**
 * Stop serving: the thread ends, the window is dark and stays registered, so that nothing can be
 * read in it. NULL is ignored. The mapping is the caller's.
 */
void airlock_window_agent_close(struct airlock_window_agent *agent);

#endif /* AIRLOCK_WINDOW_AGENT_H */
