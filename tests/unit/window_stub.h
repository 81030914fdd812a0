/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef WINDOW_STUB_H
#define WINDOW_STUB_H

/**
 * @file
 * An agent that does one thing at a time, as it is told: for what a real one would never do.
 * Nothing but libc, so that a child process may use it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <airlock_window_proto.h>

/** Deadline of anything that is waited for. */
#define STUB_DEADLINE_MS 20000

struct window_stub {
	int sock; /* -1: none */
	int uffd; /* -1: none */
	char *base;
	size_t bytes;
	struct airlock_window_welcome welcome;
};

/** Map the pool's file, registered and dark. 0 or -errno: -EPERM, the kernel refuses. */
int window_stub_map(struct window_stub *stub, const char *pool_path, size_t bytes);

/** Unmap it, if it is there, and close all. */
void window_stub_fini(struct window_stub *stub);

/** Connect and take WELCOME. 0 or -errno; -ECONNREFUSED: it was REFUSED. */
int window_stub_connect(struct window_stub *stub, const char *path);

/** A HELLO that is right. */
struct airlock_window_hello window_stub_hello(const struct window_stub *stub);

/** Send a message with descriptors. 0 or -errno. */
int window_stub_send(
	const struct window_stub *stub, const void *msg, size_t bytes, const int *fds, int nb_fds);

/** connect, HELLO. 0 or -errno. */
int window_stub_up(struct window_stub *stub, const char *path);

/** Next message, within the deadline. Bytes, 0 at the end of the connection, or -errno. */
ssize_t window_stub_recv(const struct window_stub *stub, void *msg, size_t bytes);

/** Take one UNMAP, do it, and answer. 0 or -errno. */
int window_stub_serve_one(const struct window_stub *stub);

/** Make the whole window dark. */
void window_stub_hide(const struct window_stub *stub);

#endif /* WINDOW_STUB_H */
