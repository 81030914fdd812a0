/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Does the machine have what the configuration asks for? Ports, lcores, hugepages, room in the
 * pool, a run directory: each is looked at before anything is made, so that a refusal leaves
 * nothing behind. The configuration in itself was checked when it was parsed (lib/control).
 */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "airlockd.h"

/* Frames that an lcore may keep from the mempool or have in its hands. */
#define FRAMES_PER_LCORE (AIRLOCK_PAGE_EXTENT + 4 * AIRLOCK_BURST)
#define DEFAULT_PAGES	 8192

/* As many as the largest ring of a stock virtio-net device in QEMU has descriptors. */
#define PARTITION_FRAMES 1024

#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"

static uint64_t
free_hugepages_of(const char *size)
{
	uint64_t nb = 0;
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), HUGEPAGES_DIR "/%s/free_hugepages", size);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNu64, &nb) != 1)
		nb = 0;
	fclose(file);
	return nb;
}

static uint64_t
free_hugepage_mib(void)
{
	uint64_t kib, total_kib = 0;
	struct dirent *entry;
	DIR *dir = opendir(HUGEPAGES_DIR);

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kib) == 1)
			total_kib += kib * free_hugepages_of(entry->d_name);
	}
	closedir(dir);
	return total_kib / 1024;
}

static bool
hugetlbfs_is_mounted(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	bool found = false;

	if (mounts == NULL)
		return false;
	for (struct mntent *m = getmntent(mounts); m != NULL; m = getmntent(mounts))
		found |= strcmp(m->mnt_type, "hugetlbfs") == 0;
	endmntent(mounts);
	return found;
}

/* "512,512" of --socket-mem. */
static uint64_t
sum_of_list(const char *list)
{
	uint64_t sum = 0;
	char *end;

	for (;; list = end + 1) {
		sum += strtoul(list, &end, 10);
		if (*end != ',')
			return sum;
	}
}

/* The value of an EAL option that is written "--name=value", "--name value" or "-mvalue". */
static const char *
option_value(int argc, char **argv, int i, const char *name, bool is_short)
{
	size_t len = strlen(name);

	if (strncmp(argv[i], name, len) != 0)
		return NULL;
	if (argv[i][len] == '\0')
		return i + 1 < argc ? argv[i + 1] : NULL;
	if (is_short)
		return &argv[i][len];
	return argv[i][len] == '=' ? &argv[i][len + 1] : NULL;
}

int
machine_check_hugepages(int argc, char **argv, char error[static AIRLOCK_ERROR_MAX])
{
	uint64_t asked_mib = 2, free_mib;
	bool needs_mount = true;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *m = option_value(argc, argv, i, "-m", true);
		const char *socket_mem = option_value(argc, argv, i, "--socket-mem", false);

		if (strcmp(argv[i], "--no-huge") == 0)
			return 0;
		if (strcmp(argv[i], "--in-memory") == 0)
			needs_mount = false;
		else if (m != NULL)
			asked_mib = strtoul(m, NULL, 10);
		else if (socket_mem != NULL)
			asked_mib = sum_of_list(socket_mem);
	}
	free_mib = free_hugepage_mib();
	if (free_mib >= asked_mib && needs_mount && !hugetlbfs_is_mounted()) {
		snprintf(error, AIRLOCK_ERROR_MAX,
			"hugepages: no hugetlbfs is mounted, expected one (at /dev/hugepages), or "
			"the EAL option --in-memory");
		return -1;
	}
	if (free_mib >= asked_mib)
		return 0;
	snprintf(error, AIRLOCK_ERROR_MAX,
		"hugepages: %" PRIu64 " MiB free, expected %" PRIu64
		" MiB or more (set vm.nr_hugepages, or ask for less with -m)",
		free_mib, asked_mib);
	return -1;
}

static int
find_lcores(struct daemon_lcores *lcores, char error[static AIRLOCK_ERROR_MAX])
{
	unsigned int lcore_id;

	lcores->nb = 0;
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		if (lcores->nb < RTE_DIM(lcores->ids))
			lcores->ids[lcores->nb++] = lcore_id;
	}
	if (lcores->nb > 0)
		return 0;
	snprintf(error, AIRLOCK_ERROR_MAX,
		"lcores: 1 lcore, expected 2 or more: the main one for control, the others for "
		"packets (-l 0,1)");
	return -1;
}

static int
check_stages(const struct airlock_config *config, const struct daemon_lcores *lcores,
	char error[static AIRLOCK_ERROR_MAX])
{
	for (uint16_t i = 0; i < config->nb_stages; i++) {
		const struct airlock_config_stage *stage = &config->stages[i];
		bool found = false;

		for (uint16_t j = 0; j < lcores->nb; j++)
			found |= lcores->ids[j] == stage->lcore_id;
		if (found)
			continue;
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: lcore %u is %s, expected a worker lcore of the EAL's set (-l, "
			"--lcores)",
			stage->origin.text, stage->lcore_id,
			stage->lcore_id == rte_get_main_lcore() ? "the main lcore"
								: "not in the EAL's set");
		return -1;
	}
	return 0;
}

/* Frames that lie in rings and caches when all are full. */
static uint32_t
frames_wanted(const struct airlock_config *config, const struct daemon_lcores *lcores)
{
	uint32_t frames = lcores->nb * FRAMES_PER_LCORE;

	for (uint16_t i = 0; i < config->nb_uplinks; i++) {
		const struct airlock_config_uplink *uplink = &config->uplinks[i];
		struct rte_eth_dev_info info;

		/* machine_check_uplinks() would have refused it. */
		if (rte_eth_dev_info_get(uplink->port_id, &info) < 0)
			continue;
		frames += (uplink->nb_queues + RTE_MIN(lcores->nb, info.max_tx_queues)) *
			uplink->nb_desc;
	}
	return frames;
}

static bool
has_windows(const struct airlock_config *config)
{
	for (uint16_t i = 0; i < config->nb_vms; i++) {
		if (config->vms[i].deliver != AIRLOCK_DELIVER_COPY)
			return true;
	}
	return false;
}

/*
 * A partition for each RX queue, as a VM's ring can hold it. The file is a power of two, because it
 * is a PCI device's memory in a VM; frames that this makes room for would not be posted.
 */
static void
size_partitions(const struct airlock_config *config, struct daemon_pool *pool)
{
	pool->nb_partitions = 0;
	for (uint16_t i = 0; i < config->nb_uplinks; i++)
		pool->nb_partitions = RTE_MAX(pool->nb_partitions, config->uplinks[i].nb_queues);
	pool->nb_partitions = RTE_MAX(pool->nb_partitions, 1u);
	if (strcmp(config->pool_pages_origin.text, "default") != 0)
		return;
	pool->nb_pages =
		rte_align32pow2(pool->nb_partitions * PARTITION_FRAMES * pool->frame_pages);
	pool->partition_frames = PARTITION_FRAMES;
}

static uint32_t
frames_there(const struct daemon_pool *pool)
{
	uint32_t frames = pool->nb_pages / pool->frame_pages;

	return pool->partition_frames != 0
		? RTE_MIN(frames, pool->nb_partitions * pool->partition_frames)
		: frames;
}

static int
size_pool(const struct airlock_config *config, const struct daemon_lcores *lcores,
	struct daemon_pool *pool, char error[static AIRLOCK_ERROR_MAX])
{
	uint32_t frames = frames_wanted(config, lcores);

	pool->frame_pages = 1;
	pool->nb_partitions = 1;
	pool->partition_frames = 0;
	pool->windows = has_windows(config);
	pool->socket_id = SOCKET_ID_ANY;
	for (uint16_t i = 0; i < config->nb_uplinks; i++) {
		const struct airlock_config_uplink *uplink = &config->uplinks[i];
		uint32_t needed = airlock_uplink_frame_pages(uplink->mtu);
		struct rte_eth_dev_info info;

		if (rte_eth_dev_info_get(uplink->port_id, &info) == 0)
			needed = RTE_MAX(needed, airlock_uplink_port_pages(&info));
		pool->frame_pages = RTE_MAX(pool->frame_pages, needed);
	}
	if (config->nb_uplinks > 0)
		pool->socket_id = rte_eth_dev_socket_id(config->uplinks[0].port_id);
	pool->nb_pages = config->pool_pages;
	if (pool->windows)
		size_partitions(config, pool);
	if (pool->windows && !rte_is_power_of_2(pool->nb_pages)) {
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: %u pages, expected a power of two, as a VM has a window",
			config->pool_pages_origin.text, config->pool_pages);
		return -1;
	}
	if (frames_there(pool) >= frames)
		return 0;
	/* Nobody asked for the default: let it grow with what was asked for. */
	if (strcmp(config->pool_pages_origin.text, "default") == 0) {
		pool->nb_pages = pool->windows
			? rte_align32pow2(frames * pool->frame_pages)
			: RTE_MAX(RTE_ALIGN_CEIL(frames * pool->frame_pages, 512u),
				  (uint32_t)DEFAULT_PAGES);
		pool->partition_frames = 0;
		return 0;
	}
	snprintf(error, AIRLOCK_ERROR_MAX,
		"%s: %u pages (frames of %u), expected %u or more: rings and caches hold %u frames",
		config->pool_pages_origin.text, config->pool_pages, pool->frame_pages,
		frames * pool->frame_pages, frames);
	return -1;
}

/* A frame is a mapping. */
static int
check_strict(const struct airlock_config *config, const struct daemon_pool *pool,
	char error[static AIRLOCK_ERROR_MAX])
{
	uint32_t frames = pool->nb_pages / pool->frame_pages;

	if (pool->dma == AIRLOCK_DMA_STATIC || frames <= AIRLOCK_CARD_MAX_FRAMES)
		return 0;
	snprintf(error, AIRLOCK_ERROR_MAX,
		"%s: %u pages are %u frames, expected at most %u: dma strict maps each for the "
		"card by itself",
		config->pool_pages_origin.text, pool->nb_pages, frames, AIRLOCK_CARD_MAX_FRAMES);
	return -1;
}

/* The directory, or else the one that it would be made in. */
static int
check_run_dir(const struct airlock_config *config, char error[static AIRLOCK_ERROR_MAX])
{
	char parent[PATH_MAX], *slash;
	struct stat st;

	if (stat(config->run_dir, &st) == 0) {
		if (S_ISDIR(st.st_mode) && access(config->run_dir, W_OK | X_OK) == 0)
			return 0;
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: %.200s is not that, expected a writable directory",
			config->run_dir_origin.text, config->run_dir);
		return -1;
	}
	snprintf(parent, sizeof(parent), "%s", config->run_dir);
	slash = strrchr(parent, '/');
	if (slash == parent)
		slash++;
	if (slash != NULL)
		*slash = '\0';
	/* access(2) lets root write anywhere; some file systems do not. Making it will tell. */
	if (slash == NULL || access(parent, W_OK | X_OK) == 0)
		return 0;
	snprintf(error, AIRLOCK_ERROR_MAX,
		"%s: %.200s cannot be made: %s; expected a writable directory",
		config->run_dir_origin.text, config->run_dir, strerror(errno));
	return -1;
}

int
machine_make_run_dir(const struct airlock_config *config, char error[static AIRLOCK_ERROR_MAX])
{
	if (mkdir(config->run_dir, 0755) == 0 || errno == EEXIST)
		return 0;
	snprintf(error, AIRLOCK_ERROR_MAX,
		"%s: %.200s cannot be made: %s; expected a writable directory",
		config->run_dir_origin.text, config->run_dir, strerror(errno));
	return -1;
}

int
machine_check(const struct airlock_config *config, struct daemon_lcores *lcores,
	struct daemon_pool *pool, char error[static AIRLOCK_ERROR_MAX])
{
	if (find_lcores(lcores, error) < 0 || check_stages(config, lcores, error) < 0)
		return -1;
	if (machine_check_uplinks(config, pool, error) < 0)
		return -1;
	for (uint16_t i = 0; i < config->nb_vms; i++) {
		if (airlock_config_check_device(&config->vms[i], error) < 0)
			return -1;
	}
	if (size_pool(config, lcores, pool, error) < 0 || check_strict(config, pool, error) < 0)
		return -1;
	return check_run_dir(config, error);
}
