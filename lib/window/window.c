/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * An open window: in a process here, in a VM by way of window_pci.c. What is received into it is
 * window_pool.c's and window_mempool.c's, what is sent out of it window_tx.c's.
 *
 * The window is not registered with the EAL (rte_extmem_register()): net_virtio needs no IOVA but
 * the one in the mbuf, net_virtio_user of DPDK 22.11 gives up at memory without a descriptor of the
 * EAL's, and a driver that maps all of the EAL's memory for its DMA would pin dark pages, that is,
 * wait for ever.
 *
 * Thread rule: see airlock_window.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_memory.h>

#include <airlock_compat.h>

#include "window_priv.h"

#define POOL_NAME     "pool"
#define POOL_PATH_MAX 4096

RTE_LOG_REGISTER(window_logtype, airlock.window, INFO);

/* The page with the header, the last one, is in no partition's frames. */
bool
window_layout_ok(const struct airlock_window_layout *layout, uint64_t bytes)
{
	uint64_t nb_frames;

	if (layout->pool_bytes != bytes || bytes == 0 || bytes % AIRLOCK_WINDOW_PAGE_BYTES != 0 ||
		layout->frame_pages == 0 || layout->frame_pages > AIRLOCK_WINDOW_MAX_FRAME_PAGES ||
		layout->nb_partitions == 0 || layout->nb_partitions > AIRLOCK_WINDOW_MAX_PARTITIONS)
		goto bad;
	nb_frames = (bytes / AIRLOCK_WINDOW_PAGE_BYTES - 1) / layout->frame_pages;
	for (uint32_t i = 0; i < layout->nb_partitions; i++) {
		const struct airlock_window_partition *part = &layout->partitions[i];

		if (part->nb_frames == 0 ||
			(uint64_t)part->first_frame + part->nb_frames > nb_frames)
			goto bad;
	}
	return true;

bad:
	WINDOW_LOG(ERR,
		"%" PRIu64 " bytes, frames of %u pages, %u partitions: no layout of a pool\n",
		layout->pool_bytes, layout->frame_pages, layout->nb_partitions);
	return false;
}

struct airlock_window *
window_create(
	uint8_t *base, size_t bytes, rte_iova_t iova, const struct airlock_window_layout *layout)
{
	struct airlock_window *window = calloc(1, sizeof(*window));

	if (window == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	window->base = base;
	window->bytes = bytes;
	window->iova = iova;
	window->layout = *layout;
	return window;
}

static void
log_line(const char *line)
{
	WINDOW_LOG(NOTICE, "%s\n", line);
}

/* @return path, in *buf* if it was not given; NULL if it is too long */
static const char *
pool_path(const char *path, const char *socket, char buf[static POOL_PATH_MAX])
{
	const char *slash = strrchr(socket, '/');
	int dir_len = slash != NULL ? (int)(slash - socket) + 1 : 0;
	int len;

	if (path != NULL)
		return path;
	len = snprintf(buf, POOL_PATH_MAX, "%.*s" POOL_NAME, dir_len, socket);
	return len < POOL_PATH_MAX ? buf : NULL;
}

/* @return a descriptor; -errno, logged */
static int
open_pool(const char *path, const struct airlock_window_welcome *pool)
{
	struct stat st;
	int fd, err;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err = -errno;
		WINDOW_LOG(ERR, "%s: %s\n", path, strerror(-err));
		goto close_fd;
	}
	if (st.st_dev != pool->pool_dev || st.st_ino != pool->pool_ino ||
		(uint64_t)st.st_size != pool->layout.pool_bytes) {
		err = -ESTALE;
		WINDOW_LOG(ERR, "%s: not the file that airlockd has its pool in\n", path);
		goto close_fd;
	}
	return fd;

close_fd:
	if (fd >= 0)
		close(fd);
	return err;
}

/* A core dump would wait for ever at the first dark page, so it goes without the window. */
static uint8_t *
map_pool(const char *path, const struct airlock_window_welcome *pool)
{
	uint8_t *base;
	int fd = open_pool(path, pool);

	if (fd < 0) {
		rte_errno = -fd;
		return NULL;
	}
	base = mmap(NULL, pool->layout.pool_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		rte_errno = errno;
		WINDOW_LOG(ERR, "%s: cannot map: %s\n", path, strerror(errno));
		base = NULL;
	} else {
		madvise(base, pool->layout.pool_bytes, MADV_DONTDUMP);
	}
	close(fd);
	return base;
}

struct service {
	struct airlock_window_agent *agent;
	struct airlock_window *window;
	int ret;
};

static void
serve(void *arg)
{
	struct service *service = arg;

	service->ret = airlock_window_agent_serve(
		service->agent, service->window->base, service->window->bytes, true);
}

/*
 * The agent's thread runs where its creator may run. The caller may be an lcore, and beside one
 * that polls all unmapping would wait for the scheduler.
 */
static int
serve_beside_lcores(struct airlock_window_agent *agent, struct airlock_window *window)
{
	struct service service = {.agent = agent, .window = window};
	struct airlock_compat_job job = {.run = serve, .arg = &service};
	int ret;

	ret = airlock_compat_run_control("airlock-serve", &job);
	return ret < 0 ? ret : service.ret;
}

static struct airlock_window *
open_with_agent(struct airlock_window_agent *agent, const char *path)
{
	const struct airlock_window_welcome *pool = airlock_window_agent_pool(agent);
	struct airlock_window *window;
	uint8_t *base;
	int ret;

	if (!window_layout_ok(&pool->layout, pool->layout.pool_bytes)) {
		rte_errno = EINVAL;
		return NULL;
	}
	base = map_pool(path, pool);
	if (base == NULL)
		return NULL;
	/* net_virtio_user posts addresses of this process. */
	window = window_create(base, pool->layout.pool_bytes, (uintptr_t)base, &pool->layout);
	if (window == NULL)
		goto unmap;
	ret = serve_beside_lcores(agent, window);
	if (ret < 0) {
		rte_errno = -ret;
		goto free_window;
	}
	window->agent = agent;
	return window;

free_window:
	free(window);
unmap:
	munmap(base, pool->layout.pool_bytes);
	return NULL;
}

struct airlock_window *
airlock_window_open_process(const char *socket, const char *pool, uint32_t wait_ms)
{
	struct airlock_window_agent *agent;
	struct airlock_window *window;
	char buf[POOL_PATH_MAX];
	const char *path;

	path = pool_path(pool, socket, buf);
	if (path == NULL) {
		rte_errno = EINVAL;
		return NULL;
	}
	agent = airlock_window_agent_open(socket, wait_ms, log_line);
	if (agent == NULL) {
		rte_errno = errno;
		WINDOW_LOG(ERR, "%s: no airlockd: %s\n", socket, strerror(rte_errno));
		return NULL;
	}
	window = open_with_agent(agent, path);
	if (window == NULL) {
		airlock_window_agent_close(agent);
		return NULL;
	}
	WINDOW_LOG(INFO, "%s: %zu MiB, frames of %zu bytes, %u partitions\n", path,
		window->bytes >> 20, window_frame_bytes(window), window->layout.nb_partitions);
	return window;
}

void
airlock_window_close(struct airlock_window *window)
{
	if (window == NULL)
		return;
	airlock_window_agent_close_unmapped(window->agent);
	munmap(window->base, window->bytes);
	free(window);
}

const struct airlock_window_layout *
airlock_window_layout(const struct airlock_window *window)
{
	return &window->layout;
}

bool
airlock_window_contains(const struct airlock_window *window, const void *addr)
{
	return (uintptr_t)addr - (uintptr_t)window->base < window->bytes;
}
