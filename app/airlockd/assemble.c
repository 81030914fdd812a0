/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * From configuration to pipeline: the pool, then uplinks, VMs and shares of lcores, in this order,
 * so that the identifiers that the configuration counts by are the pipeline's too.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_string_fns.h>

#include "airlockd.h"

static const char *
pool_trouble(int err)
{
	switch (err) {
	case EBUSY:
		return "another process has locked it";
	case EFBIG:
		return "it has another size (if no VM maps it, remove it)";
	case ENOSPC:
		return "no room in its file system";
	case ENOMEM:
		return "no hugepage memory for the packet headers";
	default:
		return strerror(err);
	}
}

/* What the operator has to change: the size, or the place, which the run directory may imply. */
static const char *
pool_origin(const struct airlock_config *config, int err)
{
	if (err == EFBIG || err == ENOSPC || err == ENOMEM)
		return config->pool_pages_origin.text;
	if (strcmp(config->pool_file_origin.text, "default") == 0)
		return config->run_dir_origin.text;
	return config->pool_file_origin.text;
}

struct airlock_pool *
assemble_pool(const struct airlock_config *config, const struct daemon_pool *daemon_pool,
	char error[static AIRLOCK_ERROR_MAX])
{
	struct airlock_pool_conf conf = {
		.name = "airlock_pool",
		.path = config->pool_file,
		.nb_pages = daemon_pool->nb_pages,
		.frame_pages = daemon_pool->frame_pages,
		.socket_id = daemon_pool->socket_id,
		.nb_partitions = daemon_pool->nb_partitions,
		.partition_frames = daemon_pool->partition_frames,
		.header = daemon_pool->windows,
		.dma = daemon_pool->dma,
	};
	struct airlock_pool *pool = airlock_pool_create(&conf);

	if (pool == NULL)
		snprintf(error, AIRLOCK_ERROR_MAX,
			"%s: %.200s: %s; expected room for %u pages in a file of this daemon alone",
			pool_origin(config, rte_errno), conf.path, pool_trouble(rte_errno),
			conf.nb_pages);
	return pool;
}

/* A line of the log for each of the table. */
static void
log_cost(const struct airlock_cost *cost)
{
	char *text = NULL, *line, *next;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return;
	airlock_cost_print(cost, stream);
	fclose(stream);
	for (next = text; (line = strsep(&next, "\n")) != NULL && *line != '\0';)
		DAEMON_LOG(INFO, "%s\n", line);
	free(text);
}

int
assemble_cost(
	struct airlock_pool *pool, struct airlock_cost *cost, char error[static AIRLOCK_ERROR_MAX])
{
	int ret = airlock_cost_measure(pool, cost);

	if (ret < 0) {
		snprintf(error, AIRLOCK_ERROR_MAX,
			"cannot remap here: %s (see above); expected deliver=copy for all VMs, or "
			"a kernel that lets this process have a userfaultfd",
			strerror(-ret));
		return -1;
	}
	log_cost(cost);
	return 0;
}

static int
add_uplinks(const struct airlock_config *config, struct airlock_pipeline *pipeline,
	char error[static AIRLOCK_ERROR_MAX])
{
	for (uint16_t i = 0; i < config->nb_uplinks; i++) {
		const struct airlock_config_uplink *from = &config->uplinks[i];
		struct airlock_pipeline_uplink uplink = {
			.port_id = from->port_id,
			.nb_queues = from->nb_queues,
			.nb_desc = from->nb_desc,
			.mtu = from->mtu,
			.storm_pps = from->storm_pps,
		};
		int ret = airlock_pipeline_add_uplink(pipeline, &uplink);

		if (ret < 0) {
			snprintf(error, AIRLOCK_ERROR_MAX, "%s: cannot use port %u: %s",
				from->origin.text, from->port_id, strerror(-ret));
			return -1;
		}
	}
	return 0;
}

static int
add_vms(const struct airlock_config *config, struct airlock_pipeline *pipeline,
	char error[static AIRLOCK_ERROR_MAX])
{
	for (uint16_t i = 0; i < config->nb_vms; i++) {
		const struct airlock_config_vm *vm = &config->vms[i];
		int ret = airlock_config_start_vm(config, vm, pipeline);

		if (ret < 0) {
			snprintf(error, AIRLOCK_ERROR_MAX, "%s: cannot add vm %s: %s",
				vm->origin.text, vm->name, strerror(-ret));
			return -1;
		}
	}
	/* Once all are there: a VM may be mirrored to a later one. */
	for (uint16_t i = 0; i < config->nb_vms; i++) {
		const struct airlock_config_vm *vm = &config->vms[i];
		int ret = airlock_config_start_mirror(vm, pipeline);

		if (ret < 0) {
			snprintf(error, AIRLOCK_ERROR_MAX, "%s: cannot mirror vm %s: %s",
				vm->origin.text, vm->name, strerror(-ret));
			return -1;
		}
	}
	return 0;
}

static uint16_t
lcore_idx(const struct daemon_lcores *lcores, unsigned int lcore_id)
{
	uint16_t i = 0;

	while (lcores->ids[i] != lcore_id)
		i++;
	return i;
}

static int
share_lcores(const struct airlock_config *config, struct airlock_pipeline *pipeline,
	const struct daemon_lcores *lcores, char error[static AIRLOCK_ERROR_MAX])
{
	for (uint16_t i = 0; i < config->nb_stages; i++) {
		const struct airlock_config_stage *from = &config->stages[i];
		struct airlock_pipeline_share share = {
			.lcore_idx = lcore_idx(lcores, from->lcore_id),
			.stage = from->stage,
			.all = from->all,
			.uplink_id = from->uplink_id,
			.all_queues = from->all_queues,
			.queue_id = from->queue_id,
		};
		int ret;

		rte_strscpy(share.vm, from->vm, sizeof(share.vm));
		ret = airlock_pipeline_share(pipeline, &share);
		if (ret < 0) {
			snprintf(error, AIRLOCK_ERROR_MAX, "%s: lcore %u cannot run %s: %s",
				from->origin.text, from->lcore_id, airlock_stage_name(from->stage),
				strerror(-ret));
			return -1;
		}
	}
	return 0;
}

struct airlock_pipeline *
assemble_pipeline(const struct airlock_config *config, struct airlock_pool *pool,
	const struct airlock_cost *cost, const struct daemon_lcores *lcores,
	char error[static AIRLOCK_ERROR_MAX])
{
	struct airlock_pipeline_conf conf = {
		.pool = pool,
		.lcore_ids = lcores->ids,
		.nb_lcores = lcores->nb,
		.retries = config->retries,
		.copy_below = config->copy_below,
		.cost = cost,
		.idle = config->idle,
		.socket_access = &config->socket_access.ids,
	};
	struct airlock_pipeline *pipeline = airlock_pipeline_create(&conf);

	if (pipeline == NULL) {
		snprintf(error, AIRLOCK_ERROR_MAX, "pipeline: %s", rte_strerror(rte_errno));
		return NULL;
	}
	if (add_uplinks(config, pipeline, error) < 0 || add_vms(config, pipeline, error) < 0 ||
		share_lcores(config, pipeline, lcores, error) < 0) {
		airlock_pipeline_destroy(pipeline);
		return NULL;
	}
	return pipeline;
}
