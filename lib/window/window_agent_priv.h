/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef WINDOW_AGENT_PRIV_H
#define WINDOW_AGENT_PRIV_H

/**
 * @file
 * What the agent's files share: window_agent.c (life and thread), window_agent_link.c (the
 * connection), window_agent_map.c (the mapping), window_agent_log.c (its lines).
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "airlock_window_agent.h"

#define WINDOW_PAGE_SHIFT 12
#define WINDOW_LINE_MAX	  512
#define WINDOW_MESSAGE_MAX \
	(sizeof(struct airlock_window_unmap) + \
		AIRLOCK_WINDOW_MAX_RUNS * sizeof(struct airlock_window_run))

/** Any message of airlockd's. One byte more, so that one that is too long shows. */
union window_message {
	struct airlock_window_head head;
	struct airlock_window_welcome welcome;
	struct airlock_window_unmap unmap;
	struct airlock_window_refused refused;
	uint8_t bytes[WINDOW_MESSAGE_MAX + 1];
};

/** A registered mapping of the pool. Written by window_map() and window_unmap() alone. */
struct window_map {
	uint8_t *base; /**< NULL: none */
	size_t bytes;
	int uffd;
};

struct airlock_window_agent {
	/* Written before the thread starts; all read. */
	struct sockaddr_un address;
	airlock_window_log_fn log;
	struct airlock_window_welcome pool;
	struct window_map map;
	bool in_process;
	bool used; /**< has, or in the parent had, a window; cleared by nobody */
	bool here; /**< that is in this process; under the fork lock */
	pthread_t thread;

	/** Becomes readable when the thread is to end: eventfd. -1 without a thread. */
	int stop_fd;

	/* Written by whoever runs the connection: the opener, then the thread. */
	int sock; /**< under the fork lock: a child closes it */
	char said[WINDOW_LINE_MAX]; /**< last line about the connection: none is said twice */

	/* In the list of those that serve, under the fork lock. */
	struct airlock_window_agent *next;

	/** The last message. Last: it has an array without a size in it. Written as *said*. */
	union window_message message;
};

/**
 * Held while a descriptor is made and noted, so that no fork comes in between: the child would not
 * know what to close. Defined in window_agent.c.
 */
void window_fork_lock(void);
void window_fork_unlock(void);

/** Print a line, unless it is the one printed last about the connection. */
void window_say_once(struct airlock_window_agent *agent, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Print a line. */
void window_say(airlock_window_log_fn log, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* window_agent_link.c. All return 0 or -errno; -ECANCELED: the thread is to end. */

/**
 * Connect, and take WELCOME into agent->message.
 *
 * @return 0; -EAGAIN (nobody there, or not ready); -ECONNREFUSED (refused; said); -EPROTO (said)
 */
int window_link_open(struct airlock_window_agent *agent);

/** Say HELLO for agent->map. */
int window_link_hello(struct airlock_window_agent *agent);

/**
 * Wait for a message and take it into agent->message.
 *
 * @param timeout_ms  -1 for ever
 * @return bytes, with a head that agrees; -ETIMEDOUT; -ECONNRESET (airlockd has gone);
 *         -ECONNREFUSED (REFUSED; said); -EPROTO; -ECANCELED
 */
int window_link_receive(struct airlock_window_agent *agent, int timeout_ms);

/** Answer an UNMAP. */
int window_link_answer(struct airlock_window_agent *agent, uint64_t id, int error, uint64_t ns);

/** Close the connection, if there is one. */
void window_link_close(struct airlock_window_agent *agent);

/** @return whether the thread is to end; waits for that so long */
bool window_link_pause(struct airlock_window_agent *agent, int timeout_ms);

/* window_agent_map.c */

/** Register a mapping and make it dark. Errors as airlock_window_agent_serve() has them; said. */
int window_map(struct window_map *map, void *base, size_t bytes, airlock_window_log_fn log);

/** Make runs of pages dark. @return 0, -EPROTO (a run is not in the window), -errno */
int window_map_hide(
	const struct window_map *map, const struct airlock_window_run runs[], uint32_t nb_runs);

/** Make the whole window dark, whatever it takes; faults that wait in it are reported again. */
void window_map_hide_all(const struct window_map *map, airlock_window_log_fn log);

/** Put something that nobody can read at the window's place, and let go of it. */
void window_map_replace(struct window_map *map);

#endif /* WINDOW_AGENT_PRIV_H */
