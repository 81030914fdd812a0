/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The unmap thread: one for all tables, from the first table's start to the last one's end.
 *
 * It waits in epoll for sockets and faults, and looks at the tables' chains (look.c), because
 * lcores may make no system call to wake it.
 *
 * Control has the thread do things by thread_call(), one at a time.
 *
 * Thread rule: all but thread_call(), thread_hold() and thread_drop() in the thread itself.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dmatable_priv.h"

#define ONE_S_NS	INT64_C(1000000000)
#define EVENTS_PER_TURN 64

struct call {
	int (*fn)(struct airlock_dmatable *table);
	struct airlock_dmatable *table;
	int ret;
};

static struct {
	/* Guards the thread's life, and lets one call in at a time. */
	pthread_mutex_t life;
	unsigned int nb_holds;
	bool running;
	pthread_t id;

	/* Guards the call. */
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct call *call;

	int epoll_fd;
	struct watch wake;

	bool end; /* the thread's alone */
} thread = {
	.life = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.done = PTHREAD_COND_INITIALIZER,
};

int
watch_add(struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(thread.epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0 ? -errno : 0;
}

void
watch_change(struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	epoll_ctl(thread.epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

/* By hand, because closing does not do it while others have a copy of the descriptor. */
void
watch_forget(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(thread.epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
}

void
watch_close(struct watch *watch)
{
	int fd = watch->fd;

	if (fd < 0)
		return;
	watch_forget(watch);
	close(fd);
}

static void
run_call(void)
{
	struct call *call;

	pthread_mutex_lock(&thread.lock);
	call = thread.call;
	pthread_mutex_unlock(&thread.lock);
	if (call == NULL)
		return;
	call->ret = call->fn(call->table);
	pthread_mutex_lock(&thread.lock);
	thread.call = NULL;
	pthread_cond_signal(&thread.done);
	pthread_mutex_unlock(&thread.lock);
}

static void
wake_ready(struct watch *watch, uint32_t events)
{
	uint64_t count;

	/* One of the two ways to learn of a call; the other one is to look for it each turn. */
	if (read(watch->fd, &count, sizeof(count)) < 0)
		return;
}

static void *
thread_main(void *arg)
{
	struct epoll_event events[EVENTS_PER_TURN];

	while (!thread.end) {
		int64_t due_ns = look_at_due();
		int64_t wait_ns = RTE_MAX(due_ns - look_now_ns(), INT64_C(0));
		struct timespec timeout = {
			.tv_sec = wait_ns / ONE_S_NS, .tv_nsec = wait_ns % ONE_S_NS};
		int n = epoll_pwait2(thread.epoll_fd, events, RTE_DIM(events),
			due_ns == INT64_MAX ? NULL : &timeout, NULL);

		for (int i = 0; i < n; i++) {
			struct watch *watch = events[i].data.ptr;

			/* One that stood before it may have closed it. */
			if (watch->fd >= 0)
				watch->ready(watch, events[i].events);
		}
		run_call();
	}
	return NULL;
}

static int
call_locked(int (*fn)(struct airlock_dmatable *table), struct airlock_dmatable *table)
{
	struct call call = {.fn = fn, .table = table};
	uint64_t one = 1;

	pthread_mutex_lock(&thread.lock);
	thread.call = &call;
	/* It can fail only if the count is full: then the thread will wake anyway. */
	if (write(thread.wake.fd, &one, sizeof(one)) < 0)
		DMATABLE_LOG(DEBUG, "unmap thread: woken already\n");
	while (thread.call != NULL)
		pthread_cond_wait(&thread.done, &thread.lock);
	pthread_mutex_unlock(&thread.lock);
	return call.ret;
}

int
thread_call(int (*fn)(struct airlock_dmatable *table), struct airlock_dmatable *table)
{
	int ret;

	pthread_mutex_lock(&thread.life);
	ret = call_locked(fn, table);
	pthread_mutex_unlock(&thread.life);
	return ret;
}

/* Signals are the main thread's, but for a fault: what it publishes lies in guest memory. */
static int
thread_create(void)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = -pthread_create(&thread.id, NULL, thread_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret == 0)
		pthread_setname_np(thread.id, "airlock-unmap");
	return ret;
}

static int
thread_start(void)
{
	int ret;

	thread.end = false;
	look_begin();
	thread.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (thread.epoll_fd < 0)
		return -errno;
	thread.wake =
		(struct watch){.ready = wake_ready, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (thread.wake.fd < 0) {
		ret = -errno;
		goto close_epoll;
	}
	ret = watch_add(&thread.wake, EPOLLIN);
	if (ret == 0)
		ret = thread_create();
	if (ret < 0)
		goto close_wake;
	thread.running = true;
	return 0;

close_wake:
	close(thread.wake.fd);
close_epoll:
	close(thread.epoll_fd);
	return ret;
}

int
thread_hold(void)
{
	int ret = 0;

	pthread_mutex_lock(&thread.life);
	if (!thread.running)
		ret = thread_start();
	if (ret == 0)
		thread.nb_holds++;
	pthread_mutex_unlock(&thread.life);
	return ret;
}

static int
end_if_idle(struct airlock_dmatable *none)
{
	thread.end = look_is_idle();
	return thread.end ? 1 : 0;
}

static void
thread_end_if_idle(void)
{
	if (!thread.running || thread.nb_holds != 0 || call_locked(end_if_idle, NULL) == 0)
		return;
	pthread_join(thread.id, NULL);
	close(thread.wake.fd);
	close(thread.epoll_fd);
	thread.running = false;
}

void
thread_drop(void)
{
	pthread_mutex_lock(&thread.life);
	thread.nb_holds--;
	thread_end_if_idle();
	pthread_mutex_unlock(&thread.life);
}

/* What is left of a pool, as control asked for it. */
static const struct airlock_page_table *leaving;
static uint32_t nb_left;

static int
forget_orphans(struct airlock_dmatable *none)
{
	nb_left = look_forget(leaving);
	return 0;
}

uint32_t
airlock_dmatable_forget(struct airlock_pool *pool)
{
	uint32_t left = 0;

	pthread_mutex_lock(&thread.life);
	if (thread.running) {
		leaving = airlock_pool_table(pool);
		call_locked(forget_orphans, NULL);
		left = nb_left;
		thread_end_if_idle();
	}
	pthread_mutex_unlock(&thread.life);
	return left;
}
