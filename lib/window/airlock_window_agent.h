/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_WINDOW_AGENT_H
#define AIRLOCK_WINDOW_AGENT_H

/**
 * @file
 * The agent: in the process that maps the pool, keeps the window dark but for what airlockd maps.
 *
 * It uses nothing but libc and the kernel, because it runs in other people's programs: a VMM
 * (app/agent preloads it) or a DPDK program that is a guest itself (libairlock-guest.so).
 *
 * Thread rule: an agent belongs to one thread at a time, its caller's business. The agent has one
 * thread of its own, which blocks all signals and calls nothing but the kernel and *log*.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "airlock_window_proto.h"

struct airlock_window_agent;

/** Prints one line of the agent's. @param line without a newline */
typedef void (*airlock_window_log_fn)(const char *line);

/**
 * Ask airlockd which file is the pool. The connection ends with the answer: a process that never
 * maps the pool, such as a shell that starts a VMM, holds nothing.
 *
 * @param path     the window socket
 * @param wait_ms  how long to try while nobody listens there, or airlockd refuses
 * @param log      for what happens later too, in the agent's thread
 * @return the agent; NULL with errno ENAMETOOLONG, ENOMEM, ETIMEDOUT (nobody listens), EPROTO (what
 *         answers is no airlockd of this version; logged), ECONNREFUSED (airlockd refuses; logged)
 */
struct airlock_window_agent *airlock_window_agent_open(
	const char *path, uint32_t wait_ms, airlock_window_log_fn log);

/**
 * As airlock_window_agent_open(), but asks nobody: airlockd may come later.
 *
 * @param pool  file and size of the pool; the rest may be 0
 * @return the agent; NULL with errno ENAMETOOLONG, ENOMEM
 */
struct airlock_window_agent *airlock_window_agent_open_known(
	const char *path, const struct airlock_window_welcome *pool, airlock_window_log_fn log);

/** The pool's file and layout, as they were told when the agent was opened. Valid until closed. */
const struct airlock_window_welcome *airlock_window_agent_pool(
	const struct airlock_window_agent *agent);

/**
 * Take charge of a mapping of the pool: make it dark, hand it to airlockd, serve in a thread.
 *
 * The mapping is kept out of children (MADV_DONTFORK) and of huge pages. When airlockd goes away
 * the window goes dark at once and the agent connects again until airlockd is back. Where the
 * kernel can, the window is registered for write protection, too: airlockd may map a page read-only
 * (UFFDIO_CONTINUE_MODE_WP). A child of this process has neither the window nor the connection, and
 * may not serve with this agent.
 *
 * On error the mapping shows every page of the pool, and is the caller's to unmap at once.
 *
 * @param base        the whole file, mapped shared and readable
 * @param bytes       the file's size
 * @param in_process  the guest is this process
 * @return 0; -EINVAL (not the pool's size, or not at a page's boundary); -EPERM (the kernel lets
 *         this process have no userfaultfd that handles kernel faults: logged, with what to
 *         change); -ENOTSUP (a kernel before 5.14, or a file system without minor faults: logged);
 *         -EBUSY (has one already); or what userfaultfd(2), its ioctls, madvise(2) or
 *         pthread_create(3) said: logged
 */
int airlock_window_agent_serve(
	struct airlock_window_agent *agent, void *base, size_t bytes, bool in_process);

/**
 * Stop serving: the thread ends, the window is dark and stays registered, so that nothing can be
 * read in it; for that its userfaultfd stays open until the process ends. NULL is ignored. The
 * mapping is the caller's.
 */
void airlock_window_agent_close(struct airlock_window_agent *agent);

/**
 * Stop serving a window that is about to be unmapped: the mapping is replaced, at its place, by one
 * that nobody can read, which the caller unmaps. Nothing stays open. NULL is ignored.
 *
 * The caller must call this before it unmaps the window: the agent would otherwise go on to make
 * pages dark in whatever lies there next.
 */
void airlock_window_agent_close_unmapped(struct airlock_window_agent *agent);

#endif /* AIRLOCK_WINDOW_AGENT_H */
