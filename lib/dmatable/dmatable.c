/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * DMA tables as control sees them: made, started, stopped, counted. dmatable_priv.h names the
 * other files.
 *
 * The unmap thread owns everything that moves in a table. Control has it do what is to be done
 * (thread_call()) and waits; it must hold no lock that the event callback takes. What only counts
 * or takes back (stats, unmap_all, verify) never waits for the unmap thread, so it may be called
 * under any lock of the caller's.
 *
 * Thread rule: create, start, stop and destroy in the main thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_string_fns.h>

#include "dmatable_priv.h"

RTE_LOG_REGISTER(dmatable_logtype, airlock.dmatable, INFO);

#define DRIVER	     "uffd"
#define MAX_DRIVERS  4
#define BACKLOG	     4
#define STOP_POLL_US 500

/* By constructors, before main(). */
static const struct airlock_dmatable_ops *drivers[MAX_DRIVERS];
static unsigned int nb_drivers;

void
airlock_dmatable_driver_register(const struct airlock_dmatable_ops *ops)
{
	if (nb_drivers < MAX_DRIVERS)
		drivers[nb_drivers++] = ops;
}

const struct airlock_dmatable_ops *
airlock_dmatable_driver_find(const char *name)
{
	for (unsigned int i = 0; i < nb_drivers; i++) {
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	}
	return NULL;
}

void
airlock_dmatable_set_stray(struct airlock_dmatable *table, enum airlock_stray stray)
{
	atomic_store_explicit(&table->stray, stray, memory_order_relaxed);
}

static void
table_init(struct airlock_dmatable *table, const struct airlock_dmatable_conf *conf)
{
	rte_strscpy(table->name, conf->name, sizeof(table->name));
	rte_strscpy(table->path, conf->path, sizeof(table->path));
	table->pool = conf->pool;
	table->pages = airlock_pool_table(conf->pool);
	table->ops = airlock_dmatable_driver_find(DRIVER);
	airlock_dmatable_set_stray(table, conf->stray);
	table->event = conf->event;
	table->resume = conf->resume;
	table->arg = conf->arg;
	atomic_store_explicit(&table->chain, CHAIN_END, memory_order_relaxed);
	pthread_mutex_init(&table->lock, NULL);
	TAILQ_INIT(&table->quarantine);
	STAILQ_INIT(&table->requests);
	table->listener = (struct watch){.ready = agent_accept, .arg = table, .fd = -1};
	table->agent = (struct watch){.arg = table, .fd = -1};
	table->faults = (struct watch){.ready = stray_ready, .arg = table, .fd = -1};
}

struct airlock_dmatable *
airlock_dmatable_create(const struct airlock_dmatable_conf *conf)
{
	struct airlock_dmatable *table;
	int ret = -ENOMEM;

	if (strlen(conf->name) >= AIRLOCK_DMATABLE_NAME_MAX ||
		strlen(conf->path) >= AIRLOCK_DMATABLE_PATH_MAX || conf->pool == NULL ||
		conf->event == NULL || airlock_dmatable_driver_find(DRIVER) == NULL) {
		rte_errno = EINVAL;
		return NULL;
	}
	table = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*table)));
	if (table == NULL)
		goto no_table;
	memset(table, 0, sizeof(*table));
	table_init(table, conf);
	table->next_in_chain = calloc(table->pages->nb_frames, sizeof(uint32_t));
	if (table->next_in_chain == NULL ||
		frames_init(&table->pending, table->pages->nb_frames) < 0)
		goto free_table;
	ret = device_init(&table->device, conf, table);
	if (ret < 0)
		goto free_pending;
	agent_write_header(conf->pool);
	return table;

free_pending:
	frames_fini(&table->pending);
free_table:
	free(table->next_in_chain);
	pthread_mutex_destroy(&table->lock);
	free(table);
no_table:
	rte_errno = -ret;
	return NULL;
}

/* Remove a socket that nobody answers at; leave anything else alone. */
static int
socket_clear(const struct sockaddr_un *addr)
{
	struct stat st;
	bool dead;
	int fd;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	dead = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
		errno == ECONNREFUSED;
	close(fd);
	if (!dead)
		return -EADDRINUSE;
	return unlink(addr->sun_path) < 0 ? -errno : 0;
}

int
socket_listen(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret;

	rte_strscpy(addr.sun_path, path, sizeof(addr.sun_path));
	ret = socket_clear(&addr);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Before bind(2): the file never has another mode. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	if (listen(fd, BACKLOG) < 0) {
		ret = -errno;
		unlink(path);
		close(fd);
		return ret;
	}
	return fd;
}

static int
start_in_thread(struct airlock_dmatable *table)
{
	int ret = watch_add(&table->listener, EPOLLIN);

	return ret < 0 ? ret : device_watch(&table->device);
}

static int
unstart_in_thread(struct airlock_dmatable *table)
{
	watch_close(&table->listener);
	device_unwatch(&table->device);
	return 0;
}

static int
add_in_thread(struct airlock_dmatable *table)
{
	look_add_table(table);
	return 0;
}

static int
del_in_thread(struct airlock_dmatable *table)
{
	look_del_table(table);
	return 0;
}

/* Once: the thread knows a table until it is destroyed, because of what it has in quarantine. */
static int
table_join(struct airlock_dmatable *table)
{
	int ret;

	if (table->in_thread)
		return 0;
	ret = thread_hold();
	if (ret < 0)
		return ret;
	thread_call(add_in_thread, table);
	table->in_thread = true;
	return 0;
}

int
airlock_dmatable_start(struct airlock_dmatable *table)
{
	int ret;

	ret = table_join(table);
	if (ret < 0)
		return ret;
	ret = socket_listen(table->path);
	if (ret < 0)
		return ret;
	table->listener.fd = ret;
	ret = device_listen(&table->device);
	if (ret == 0)
		ret = thread_call(start_in_thread, table);
	if (ret == 0) {
		table->started = true;
		return 0;
	}
	thread_call(unstart_in_thread, table);
	unlink(table->path);
	return ret;
}

/* No more agents; the one that is there unmaps all. */
static int
stop_begin(struct airlock_dmatable *table)
{
	unstart_in_thread(table);
	if (table->window != NULL) {
		window_down(table);
		unmap_look(table);
	}
	return 0;
}

static int
stop_end(struct airlock_dmatable *table)
{
	window_lost(table);
	return 0;
}

void
airlock_dmatable_stop(struct airlock_dmatable *table, uint32_t wait_ms)
{
	uint64_t end_tsc;

	if (!table->started)
		return;
	thread_call(stop_begin, table);
	unlink(table->path);
	end_tsc = rte_rdtsc() + rte_get_tsc_hz() / 1000 * wait_ms;
	while (atomic_load_explicit(&table->counters.waiting, memory_order_relaxed) != 0 &&
		rte_rdtsc() < end_tsc)
		rte_delay_us_sleep(STOP_POLL_US);
	thread_call(stop_end, table);
	table->started = false;
}

void
airlock_dmatable_destroy(struct airlock_dmatable *table)
{
	if (table == NULL)
		return;
	airlock_dmatable_stop(table, 0);
	if (table->in_thread) {
		thread_call(del_in_thread, table);
		thread_drop();
	}
	device_fini(&table->device);
	frames_fini(&table->pending);
	free(table->next_in_chain);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

void
airlock_dmatable_unmap_all(struct airlock_dmatable *table)
{
	uint32_t tag, nb_frames = table->pages->nb_frames;

	pthread_mutex_lock(&table->lock);
	tag = atomic_load_explicit(&table->tag, memory_order_relaxed);
	for (uint32_t frame = 0; tag != 0 && frame < nb_frames; frame++) {
		uint32_t word = airlock_page_word_get(table->pages, frame);

		if (word == airlock_page_word(AIRLOCK_PAGE_LEASED, tag) ||
			word == airlock_page_word(AIRLOCK_PAGE_RELEASED, tag))
			airlock_dmatable_unmap(table, &frame, 1);
	}
	pthread_mutex_unlock(&table->lock);
}

uint32_t
airlock_dmatable_held(const struct airlock_dmatable *table)
{
	/* In this order, so that it is rather too many than too few. */
	uint64_t returned = atomic_load_explicit(&table->counters.returned, memory_order_relaxed);
	uint64_t taken = airlock_count_get(&table->counters.resumed);

	for (unsigned int i = 0; i < AIRLOCK_DMATABLE_MAX_QUEUES; i++)
		taken += airlock_count_get(&table->queues[i].taken);
	return taken > returned ? taken - returned : 0;
}

void
airlock_dmatable_stats(const struct airlock_dmatable *table, struct airlock_dmatable_stats *stats)
{
	const struct thread_counters *counters = &table->counters;

	*stats = (struct airlock_dmatable_stats){
		.up = airlock_dmatable_is_up(table),
		.held = airlock_dmatable_held(table),
		.quarantined = atomic_load_explicit(&counters->quarantined, memory_order_relaxed),
		.unmapped = airlock_count_get(&counters->unmapped),
		.unmap_runs = airlock_count_get(&counters->unmap_runs),
		.unmap_requests = airlock_count_get(&counters->unmap_requests),
		.unmap_tsc = airlock_count_get(&counters->unmap_tsc),
		.unmap_ns = airlock_count_get(&counters->unmap_ns),
		.device = device_is_present(table),
		.held_back = atomic_load_explicit(&counters->held_back, memory_order_relaxed),
		.nb_windows = airlock_count_get(&counters->nb_windows),
		.refused = airlock_count_get(&counters->refused),
		.resumed = airlock_count_get(&counters->resumed),
		.strays = airlock_count_get(&counters->strays),
	};
	if (stats->up) {
		stats->tag = atomic_load_explicit(&table->tag, memory_order_relaxed);
		stats->pid = atomic_load_explicit(&table->pid, memory_order_relaxed);
	}
	for (unsigned int i = 0; i < AIRLOCK_DMATABLE_MAX_QUEUES; i++) {
		const struct queue_counters *queue = &table->queues[i];

		stats->mapped += airlock_count_get(&queue->mapped);
		stats->map_calls += airlock_count_get(&queue->map_calls);
		stats->map_tsc += airlock_count_get(&queue->map_tsc);
		stats->map_errors += airlock_count_get(&queue->map_errors);
	}
}
