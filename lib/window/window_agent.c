/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The agent: its life, its thread, and what becomes of it in a child process. The connection is
 * window_agent_link.c's, the mapping window_agent_map.c's. airlockd is the other side; app/agent
 * and the guest library are the users.
 *
 * The window is airlockd's only while a connection lasts: it is dark before the agent says HELLO,
 * and dark again before it connects anew. Whatever the agent does not understand ends the
 * connection, because an agent that guesses might leave a page mapped that airlockd believes dark.
 *
 * A child process gets neither the mapping (MADV_DONTFORK) nor any descriptor: a copy of the socket
 * would keep airlockd from noticing that the parent has died.
 *
 * Thread rule: the agent's thread alone uses the connection and makes pages dark, from serve to
 * close. What it shares with others is agent->stop_fd, and its descriptors under fork_lock.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "window_agent_priv.h"

/* How often the agent tries to connect. */
#define CONNECT_INTERVAL_MS 100
/* An airlockd that has not refused the window by then is served. */
#define SETTLE_MS   500
#define STACK_BYTES (256 * 1024)

static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
/* Agents with a window, under fork_lock. */
static struct airlock_window_agent *serving;

void
window_fork_lock(void)
{
	pthread_mutex_lock(&fork_lock);
}

void
window_fork_unlock(void)
{
	pthread_mutex_unlock(&fork_lock);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* In the child, which has none of the threads and none of the windows. */
static void
fork_in_child(void)
{
	struct airlock_window_agent *agent;

	for (agent = serving; agent != NULL; agent = agent->next) {
		close_fd(&agent->sock);
		close_fd(&agent->stop_fd);
		close_fd(&agent->map.uffd);
		agent->map.base = NULL;
		agent->here = false;
	}
	serving = NULL;
	pthread_mutex_unlock(&fork_lock);
}

static void
fork_register(void)
{
	pthread_atfork(window_fork_lock, window_fork_unlock, fork_in_child);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static struct airlock_window_agent *
agent_create(const char *path, airlock_window_log_fn log)
{
	struct airlock_window_agent *agent;

	if (strlen(path) >= sizeof(agent->address.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	agent = calloc(1, sizeof(*agent));
	if (agent == NULL)
		return NULL;
	agent->address.sun_family = AF_UNIX;
	strcpy(agent->address.sun_path, path);
	agent->log = log;
	agent->map.uffd = -1;
	agent->stop_fd = -1;
	agent->sock = -1;
	return agent;
}

struct airlock_window_agent *
airlock_window_agent_open(const char *path, uint32_t wait_ms, airlock_window_log_fn log)
{
	struct airlock_window_agent *agent;
	uint64_t deadline_ns;
	int err;

	agent = agent_create(path, log);
	if (agent == NULL)
		return NULL;
	deadline_ns = now_ns() + wait_ms * 1000000ull;
	while ((err = window_link_open(agent)) == -EAGAIN || err == -ECONNREFUSED) {
		if (now_ns() >= deadline_ns)
			break;
		window_link_pause(agent, CONNECT_INTERVAL_MS);
	}
	if (err < 0) {
		free(agent);
		errno = err == -EAGAIN ? ETIMEDOUT : -err;
		return NULL;
	}
	agent->pool = agent->message.welcome;
	window_link_close(agent);
	return agent;
}

struct airlock_window_agent *
airlock_window_agent_open_known(
	const char *path, const struct airlock_window_welcome *pool, airlock_window_log_fn log)
{
	struct airlock_window_agent *agent;

	agent = agent_create(path, log);
	if (agent != NULL)
		agent->pool = *pool;
	return agent;
}

const struct airlock_window_welcome *
airlock_window_agent_pool(const struct airlock_window_agent *agent)
{
	return &agent->pool;
}

/* An airlockd that has another pool must get no userfaultfd of this one. */
static bool
is_same_pool(struct airlock_window_agent *agent)
{
	const struct airlock_window_welcome *now = &agent->message.welcome;

	if (now->pool_dev == agent->pool.pool_dev && now->pool_ino == agent->pool.pool_ino &&
		now->layout.pool_bytes == agent->pool.layout.pool_bytes)
		return true;
	window_say_once(agent,
		"airlockd has another pool (device %#llx, inode %llu, %llu bytes) than the one "
		"mapped here (%#llx, %llu, %llu): the window stays dark; restart this program",
		(unsigned long long)now->pool_dev, (unsigned long long)now->pool_ino,
		(unsigned long long)now->layout.pool_bytes,
		(unsigned long long)agent->pool.pool_dev, (unsigned long long)agent->pool.pool_ino,
		(unsigned long long)agent->pool.layout.pool_bytes);
	return false;
}

/* The message is the agent's own copy: what is checked here is what is used. */
static int
handle_unmap(struct airlock_window_agent *agent, size_t bytes)
{
	const struct airlock_window_unmap *unmap = &agent->message.unmap;
	uint64_t start_ns;
	int err;

	if (unmap->head.type != AIRLOCK_WINDOW_UNMAP || bytes < sizeof(*unmap) ||
		unmap->nb_runs == 0 || unmap->nb_runs > AIRLOCK_WINDOW_MAX_RUNS ||
		bytes != sizeof(*unmap) + unmap->nb_runs * sizeof(unmap->runs[0]))
		return -EPROTO;
	start_ns = now_ns();
	err = window_map_hide(&agent->map, unmap->runs, unmap->nb_runs);
	if (err == -EPROTO)
		return err;
	return window_link_answer(agent, unmap->id, -err, now_ns() - start_ns);
}

static void
say_end(struct airlock_window_agent *agent, int err, bool settled)
{
	if (err == -EPROTO)
		window_say_once(
			agent, "airlockd sent a message that cannot be: the window is dark");
	else if (err == -ECONNRESET && settled)
		window_say_once(agent, "airlockd has gone: the window is dark until it is back");
}

/* From HELLO until the connection ends. @return why */
static int
serve_connection(struct airlock_window_agent *agent)
{
	bool settled = false;
	int ret;

	/* An lcore that had not seen the last connection's end may have mapped a page since. No
	 * lcore does any more: airlockd has said WELCOME. */
	window_map_hide_all(&agent->map, agent->log);
	ret = window_link_hello(agent);
	while (ret >= 0) {
		ret = window_link_receive(agent, settled ? -1 : SETTLE_MS);
		if (!settled && (ret >= 0 || ret == -ETIMEDOUT)) {
			settled = true;
			window_say_once(agent, "airlockd serves the window");
		}
		if (ret == -ETIMEDOUT)
			ret = 0;
		else if (ret > 0)
			ret = handle_unmap(agent, ret);
	}
	window_map_hide_all(&agent->map, agent->log);
	say_end(agent, ret, settled);
	return ret;
}

static void *
agent_main(void *arg)
{
	struct airlock_window_agent *agent = arg;

	prctl(PR_SET_NAME, "airlock-agent");
	do {
		if (window_link_open(agent) < 0)
			continue;
		if (is_same_pool(agent))
			serve_connection(agent);
		window_link_close(agent);
	} while (!window_link_pause(agent, CONNECT_INTERVAL_MS));
	return NULL;
}

/* Signals are the program's: its handlers must not run in a thread that it does not know. */
static int
thread_start(struct airlock_window_agent *agent)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	err = pthread_attr_init(&attr);
	if (err != 0)
		return -err;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&agent->thread, &attr, agent_main, agent);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

/* @return 0 or -errno; then nothing of the agent's is left but the registration that is gone */
static int
agent_start(struct airlock_window_agent *agent, void *base, size_t bytes)
{
	int err;

	agent->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (agent->stop_fd < 0)
		return -errno;
	err = window_map(&agent->map, base, bytes, agent->log);
	if (err < 0)
		goto close_stop_fd;
	err = thread_start(agent);
	if (err < 0) {
		window_say(agent->log, "no thread for the agent: %s", strerror(-err));
		goto unmap;
	}
	agent->next = serving;
	serving = agent;
	return 0;

unmap:
	close_fd(&agent->map.uffd);
	agent->map.base = NULL;
close_stop_fd:
	close_fd(&agent->stop_fd);
	return err;
}

int
airlock_window_agent_serve(
	struct airlock_window_agent *agent, void *base, size_t bytes, bool in_process)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	if (agent->used)
		return -EBUSY;
	if (bytes != agent->pool.layout.pool_bytes ||
		((uintptr_t)base & ((1 << WINDOW_PAGE_SHIFT) - 1)) != 0)
		return -EINVAL;
	pthread_once(&once, fork_register);
	agent->in_process = in_process;
	/* A fork in the middle of this would leave the child a descriptor that it does not know. */
	window_fork_lock();
	err = agent_start(agent, base, bytes);
	agent->used = agent->here = err == 0;
	window_fork_unlock();
	return err;
}

static void
take_off_list(struct airlock_window_agent *agent)
{
	struct airlock_window_agent **link = &serving;

	while (*link != agent)
		link = &(*link)->next;
	*link = agent->next;
}

/* In a child of the process that the agent served there is nothing to stop. */
static void
agent_stop(struct airlock_window_agent *agent)
{
	uint64_t one = 1;

	if (!agent->here)
		return;
	while (write(agent->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(agent->thread, NULL);
	window_link_close(agent);
	window_map_hide_all(&agent->map, agent->log);
	window_fork_lock();
	take_off_list(agent);
	close_fd(&agent->stop_fd);
	window_fork_unlock();
}

void
airlock_window_agent_close(struct airlock_window_agent *agent)
{
	if (agent == NULL)
		return;
	/* Not the userfaultfd: without it every page could be read. */
	agent_stop(agent);
	free(agent);
}

void
airlock_window_agent_close_unmapped(struct airlock_window_agent *agent)
{
	if (agent == NULL)
		return;
	agent_stop(agent);
	if (agent->map.base != NULL)
		window_map_replace(&agent->map);
	free(agent);
}
