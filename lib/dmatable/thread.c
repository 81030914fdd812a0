/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The unmap thread: one for all tables, from the first table's start to the last one's end.
 *
 * It waits in epoll for sockets and faults, and looks at the tables' chains, because lcores may make
 * no system call to wake it. How often it looks is what it costs:
 *
 *     frames came at the last look     after 50 us (a timer's slack makes it about 100)
 *     none came                        twice as long as before, up to 1 ms
 *     no table is up                   never; every 100 ms if frames are in quarantine
 *
 * A look that finds nothing costs a load for each table, and a wake-up (some 5 us). So beside idle
 * VMs the thread takes about half a percent of a CPU, and with traffic some 5 percent and what
 * the requests cost. Where it shares a CPU with an lcore, that lcore is interrupted as often. Answers
 * of agents wake the thread, but do not make it look earlier: what gathers meanwhile makes a better
 * request.
 *
 * What a request costs, in the agent: 1000 ns for a page alone, 12 to 75 ns a page for runs of an
 * extent. So those who give frames should wait until whole extents are given; here is only merged
 * what came within one look.
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
#include <time.h>
#include <unistd.h>

#include "dmatable_priv.h"

#define SECOND_NS	INT64_C(1000000000)
#define MIN_LOOK_NS	INT64_C(50000)
#define MAX_LOOK_NS	INT64_C(1000000)
#define QUARANTINE_NS	INT64_C(100000000)
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

	/* The thread's alone. */
	TAILQ_HEAD(, airlock_dmatable) tables;
	struct window_list orphans; /* windows of tables that are no more */
	int64_t look_ns; /* from one look to the next */
	int64_t looked_ns;
	int64_t quarantine_looked_ns;
	bool end;
} thread = {
	.life = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.done = PTHREAD_COND_INITIALIZER,
	.tables = TAILQ_HEAD_INITIALIZER(thread.tables),
	.orphans = TAILQ_HEAD_INITIALIZER(thread.orphans),
};

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

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

void
thread_add_table(struct airlock_dmatable *table)
{
	TAILQ_INSERT_TAIL(&thread.tables, table, next);
}

void
thread_del_table(struct airlock_dmatable *table)
{
	TAILQ_REMOVE(&thread.tables, table, next);
	TAILQ_CONCAT(&thread.orphans, &table->quarantine, next);
}

static bool
any_up(void)
{
	const struct airlock_dmatable *table;

	TAILQ_FOREACH (table, &thread.tables, next) {
		if (table->window != NULL)
			return true;
	}
	return false;
}

static bool
any_in_quarantine(void)
{
	const struct airlock_dmatable *table;

	if (!TAILQ_EMPTY(&thread.orphans))
		return true;
	TAILQ_FOREACH (table, &thread.tables, next) {
		if (!TAILQ_EMPTY(&table->quarantine))
			return true;
	}
	return false;
}

static void
look_at_quarantine(void)
{
	struct airlock_dmatable *table;

	quarantine_look(&thread.orphans);
	TAILQ_FOREACH (table, &thread.tables, next)
		quarantine_look_table(table, 0);
}

static void
look_at_tables(void)
{
	struct airlock_dmatable *table;
	bool busy = false;

	TAILQ_FOREACH (table, &thread.tables, next) {
		if (table->window == NULL)
			continue;
		busy |= unmap_look(table);
		busy |= stray_look(table);
	}
	thread.look_ns = busy ? MIN_LOOK_NS : RTE_MIN(2 * thread.look_ns, MAX_LOOK_NS);
}

/* Look at what is due. Returns when something will be; INT64_MAX: never. */
static int64_t
look(void)
{
	int64_t now = now_ns(), due_ns = INT64_MAX;

	if (any_up()) {
		if (now >= thread.looked_ns + thread.look_ns) {
			look_at_tables();
			thread.looked_ns = now;
		}
		due_ns = thread.looked_ns + thread.look_ns;
	}
	if (any_in_quarantine()) {
		if (now >= thread.quarantine_looked_ns + QUARANTINE_NS) {
			look_at_quarantine();
			thread.quarantine_looked_ns = now;
		}
		due_ns = RTE_MIN(due_ns, thread.quarantine_looked_ns + QUARANTINE_NS);
	}
	return due_ns;
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
		int64_t due_ns = look();
		int64_t wait_ns = RTE_MAX(due_ns - now_ns(), INT64_C(0));
		struct timespec timeout = {
			.tv_sec = wait_ns / SECOND_NS, .tv_nsec = wait_ns % SECOND_NS};
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

/* Signals are the main thread's. */
static int
thread_create(void)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
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
	thread.look_ns = MIN_LOOK_NS;
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
	thread.end = TAILQ_EMPTY(&thread.tables) && TAILQ_EMPTY(&thread.orphans);
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
	struct window *window, *next;

	quarantine_look(&thread.orphans);
	nb_left = 0;
	for (window = TAILQ_FIRST(&thread.orphans); window != NULL; window = next) {
		next = TAILQ_NEXT(window, next);
		if (window->pages != leaving)
			continue;
		nb_left += window->lent.count;
		TAILQ_REMOVE(&thread.orphans, window, next);
		window_free(window);
	}
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
