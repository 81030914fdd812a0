/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef WINDOW_PEER_H
#define WINDOW_PEER_H

/**
 * @file
 * A small pool with its window in this process, and airlockd's end of the agent's socket, for tests
 * of the agent.
 *
 * Thread rule: the test's thread plays airlockd; the agent's thread logs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "airlock_window_agent.h"

#define PEER_PAGES 64
#define PEER_BYTES ((size_t)PEER_PAGES * 4096)

struct window_peer {
	char dir[64];
	char path[80]; /**< the window socket */
	int pool_fd;
	uint8_t *pool; /**< airlockd's mapping: page N is full of N + 1 */
	uint8_t *window; /**< the VMM's mapping */
	struct airlock_window_agent *agent; /**< NULL, or the test's */
	int listener; /**< -1: nobody listens */
	int sock; /**< -1, or the connection */
	int uffd; /**< -1, or what came with HELLO */
	struct airlock_window_hello hello;
	struct airlock_window_welcome welcome; /**< what the agent is told; a test may change it */
	uint64_t last_id;
};

/** Make pool and window, and listen. @return 0; what is there is undone by peer_close() */
int peer_open(struct window_peer *peer);
void peer_close(struct window_peer *peer);

int peer_listen(struct window_peer *peer);
/** Stop listening, end the connection, close the userfaultfd: airlockd dies. */
void peer_die(struct window_peer *peer);

/** Let the agent serve the window, and answer it up to HELLO. */
int peer_serve(struct window_peer *peer);
/** Wait for the agent to connect, and say WELCOME. */
int peer_accept(struct window_peer *peer);
/** Wait for HELLO. @return 0, or -errno: -ECONNRESET if the agent ends the connection instead */
int peer_take_hello(struct window_peer *peer);
/** End the connection alone. */
void peer_hang_up(struct window_peer *peer);

int peer_send(struct window_peer *peer, const void *message, size_t bytes);
/** @return bytes; 0: the agent has closed; -ETIMEDOUT: nothing came */
int peer_receive(struct window_peer *peer, void *message, size_t bytes);

/** Map pages for the VMM. */
int peer_map(struct window_peer *peer, uint32_t first, uint32_t nb);
/** The same, but the VMM may only read. @return -EINVAL where the kernel cannot */
int peer_map_read_only(struct window_peer *peer, uint32_t first, uint32_t nb);
/** Ask for one run to be unmapped, and do not wait. */
int peer_unmap(struct window_peer *peer, uint32_t first, uint32_t nb);
/** Take an answer. @return its error; or -errno, if it is not the one for *id* */
int peer_take_answer(struct window_peer *peer, uint64_t id);

/** @return the kernel's word about a page of the window, as proc(5) has it */
uint64_t peer_pagemap(const struct window_peer *peer, uint32_t page);
/** @return how many pages of the window are mapped */
unsigned int peer_nb_mapped(const struct window_peer *peer);
/** Wait until none is. */
bool peer_is_dark(const struct window_peer *peer);

/** For airlock_window_agent_open(): keeps the lines. */
void peer_log(const char *line);
/** How many lines have *text* in them, since the pool was made. */
unsigned int peer_nb_logged(const char *text);
/** Wait for one. */
bool peer_has_logged(const char *text);

#endif /* WINDOW_PEER_H */
