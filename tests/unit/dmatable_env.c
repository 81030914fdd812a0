/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What the tests of lib/dmatable have in common; see dmatable_env.h.
 *
 * Thread rule: main thread, but for the callbacks, which are in the unmap thread.
 */

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_string_fns.h>

#include "dmatable_env.h"
#include "test.h"

uint32_t dmatable_env_frame_pages = 1;

static uint32_t
nb_pages(void)
{
	return ENV_FRAMES * dmatable_env_frame_pages - (dmatable_env_frame_pages > 1);
}

size_t
dmatable_env_bytes(void)
{
	return (size_t)nb_pages() * AIRLOCK_PAGE_SIZE;
}

int
dmatable_env_run(const struct unit_test_suite *suite)
{
	int ret = unit_test_suite_runner(suite);

	if (ret != TEST_SUCCESS)
		return ret;
	printf("  frames of three pages:\n");
	dmatable_env_frame_pages = 3;
	ret = unit_test_suite_runner(suite);
	dmatable_env_frame_pages = 1;
	return ret;
}

static void
window_event(struct airlock_dmatable *table, const struct airlock_window_place *place, void *arg)
{
	struct dmatable_env *env = arg;

	if (place == NULL) {
		atomic_fetch_add_explicit(&env->downs, 1, memory_order_release);
		return;
	}
	env->place = *place;
	/* Pairs with dmatable_env_wait_up(). */
	atomic_fetch_add_explicit(&env->ups, 1, memory_order_release);
}

static bool
window_resume(struct airlock_dmatable *table, uint32_t frame, void *arg)
{
	struct dmatable_env *env = arg;

	return atomic_load_explicit(&env->resume_frame, memory_order_relaxed) == frame;
}

static int
pool_init(struct dmatable_env *env, enum airlock_dma dma)
{
	struct airlock_pool_conf conf = {
		.name = "test_dmatable",
		.path = env->pool_path,
		.nb_pages = nb_pages(),
		.frame_pages = dmatable_env_frame_pages,
		.socket_id = SOCKET_ID_ANY,
		.header = true,
		.dma = dma,
	};
	struct airlock_window_header *header;

	env->pool = airlock_pool_create(&conf);
	TEST_ASSERT_NOT_NULL(env->pool, "%s: %s", env->pool_path, rte_strerror(rte_errno));
	env->pages = airlock_pool_table(env->pool);
	header = airlock_pool_header(env->pool);
	header->magic = AIRLOCK_WINDOW_HEADER_MAGIC;
	return TEST_SUCCESS;
}

static int
kernel_check(struct dmatable_env *env)
{
	struct window_stub stub;
	int ret;

	ret = window_stub_map(&stub, env->pool_path, dmatable_env_bytes());
	window_stub_fini(&stub);
	if (ret == 0)
		return TEST_SUCCESS;
	printf("  no userfaultfd with minor faults here: %s\n", strerror(-ret));
	return ret == -EPERM || ret == -EINVAL || ret == -ENOSYS ? TEST_SKIPPED : TEST_FAILED;
}

static int
env_init(struct dmatable_env *env, enum airlock_stray stray, const char *device,
	enum airlock_iommu iommu, enum airlock_dma dma)
{
	struct airlock_dmatable_conf conf = {.name = "vm0",
		.path = env->path,
		.stray = stray,
		.device = device,
		.device_path = device != NULL ? env->device_path : NULL,
		.iommu = iommu,
		.event = window_event,
		.resume = window_resume,
		.arg = env};
	int ret;

	memset(env, 0, sizeof(*env));
	env->resume_frame = UINT32_MAX;
	snprintf(env->pool_path, sizeof(env->pool_path), "/dev/shm/airlock-dmatable-%d", getpid());
	snprintf(env->path, sizeof(env->path), "/dev/shm/airlock-dmatable-%d.window", getpid());
	snprintf(env->device_path, sizeof(env->device_path), "/dev/shm/airlock-dmatable-%d.device",
		getpid());
	unlink(env->pool_path);
	unlink(env->path);
	unlink(env->device_path);
	ret = pool_init(env, dma);
	if (ret != TEST_SUCCESS)
		return ret;
	ret = kernel_check(env);
	if (ret != TEST_SUCCESS)
		return ret;
	conf.pool = env->pool;
	env->table = airlock_dmatable_create(&conf);
	TEST_ASSERT_NOT_NULL(env->table, "create: %s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(airlock_dmatable_start(env->table), "start");
	return TEST_SUCCESS;
}

int
dmatable_env_init(struct dmatable_env *env, enum airlock_stray stray)
{
	return env_init(env, stray, NULL, AIRLOCK_IOMMU_BATCHED, AIRLOCK_DMA_STATIC);
}

int
dmatable_env_init_strict(struct dmatable_env *env)
{
	return env_init(env, AIRLOCK_STRAY_STALL, NULL, AIRLOCK_IOMMU_BATCHED, AIRLOCK_DMA_STRICT);
}

int
dmatable_env_init_device(struct dmatable_env *env, const char *device, enum airlock_iommu iommu)
{
	return env_init(env, AIRLOCK_STRAY_STALL, device, iommu, AIRLOCK_DMA_STATIC);
}

void
dmatable_env_fini(struct dmatable_env *env)
{
	airlock_dmatable_destroy(env->table);
	if (env->pool != NULL)
		airlock_dmatable_forget(env->pool);
	airlock_pool_destroy(env->pool, false);
	env->table = NULL;
	env->pool = NULL;
	unlink(env->path);
}

bool
dmatable_env_wait_up(struct dmatable_env *env, uint32_t n)
{
	return dmatable_wait(atomic_load_explicit(&env->ups, memory_order_acquire) >= n);
}

static int
frame_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
dmatable_env_open_window(
	struct dmatable_env *env, struct window_stub *stub, uint32_t *frames, uint32_t n)
{
	*stub = (struct window_stub){.sock = -1, .uffd = -1};
	TEST_ASSERT_SUCCESS(window_stub_map(stub, env->pool_path, dmatable_env_bytes()), "window");
	TEST_ASSERT_SUCCESS(window_stub_up(stub, env->path), "up");
	TEST_ASSERT(dmatable_env_wait_up(env, 1), "the window came");
	TEST_ASSERT_SUCCESS(dmatable_env_lease(env, frames, n), "lease");
	return TEST_SUCCESS;
}

int
dmatable_env_lease(struct dmatable_env *env, uint32_t *frames, uint32_t n)
{
	struct rte_mempool *mempool = airlock_pool_mempool(env->pool, 0);
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < n; i++) {
		int ret = rte_mempool_get(mempool, (void **)&m);

		if (ret < 0)
			return ret;
		airlock_page_receive(env->pages, &m, 1);
		frames[i] = airlock_page_frame(env->pages, m->buf_addr);
		airlock_page_lease(env->pages, frames[i], env->place.tag);
	}
	qsort(frames, n, sizeof(frames[0]), frame_compare);
	return 0;
}

void *
dmatable_env_addr(struct dmatable_env *env, uint32_t frame)
{
	return airlock_page_addr(env->pages, frame);
}

uint32_t
dmatable_env_map(struct dmatable_env *env, const uint32_t *frames, uint32_t n)
{
	uint32_t nb_mapped = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct airlock_run run = {.first_frame = frames[i], .nb_frames = 1};

		nb_mapped += airlock_dmatable_map(env->table, 0, &run, 1);
	}
	return nb_mapped;
}

int
dmatable_env_fill(struct dmatable_env *env, uint32_t ups, uint32_t *frames, uint32_t n)
{
	TEST_ASSERT(dmatable_env_wait_up(env, ups), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_lease(env, frames, n), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(env, frames, n), n, "map");
	airlock_dmatable_unmap(env->table, frames, n / 2);
	return TEST_SUCCESS;
}

struct airlock_dmatable_stats
dmatable_env_stats(struct dmatable_env *env)
{
	struct airlock_dmatable_stats stats;

	airlock_dmatable_stats(env->table, &stats);
	return stats;
}

int
dmatable_env_take_device(const struct dmatable_env *env, char *name, size_t size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = name, .iov_len = size - 1};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd = -1;
	ssize_t len;

	rte_strscpy(addr.sun_path, env->device_path, sizeof(addr.sun_path));
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
		len = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
		name[RTE_MAX(len, 0)] = '\0';
		if (len > 0 && CMSG_FIRSTHDR(&mh) != NULL)
			memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fd));
	}
	close(sock);
	return fd;
}

bool
dmatable_env_is_whole(struct dmatable_env *env)
{
	struct airlock_pool_stats stats;

	airlock_pool_stats(env->pool, &stats);
	return stats.pages[AIRLOCK_PAGE_FREE] == (ENV_FRAMES - 1) * stats.frame_pages &&
		stats.violations == 0 && airlock_pool_verify(env->pool, NULL) == 0;
}
