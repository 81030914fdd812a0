/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCKD_H
#define AIRLOCKD_H

/*
 * What the daemon's files share: main.c (the ladder), machine.c (does the machine have what the
 * configuration asks for?), assemble.c (from configuration to pipeline), service.c (what systemd is
 * told). All of it runs in the main thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_log.h>

#include <airlock_config.h>
#include <airlock_pipeline.h>

extern int daemon_logtype;
#define DAEMON_LOG(level, ...) rte_log(RTE_LOG_##level, daemon_logtype, "airlockd: " __VA_ARGS__)

/* Lcores that run stages: all workers. */
struct daemon_lcores {
	unsigned int ids[AIRLOCK_PIPELINE_MAX_LCORES];
	uint16_t nb;
};

/* What the pool is to be like. */
struct daemon_pool {
	uint32_t nb_pages;
	uint32_t frame_pages;
	uint32_t partition_frames; /* at most; 0: no limit */
	uint32_t nb_partitions; /* more than 1 only with windows */
	bool windows; /* a VM has one */
	int socket_id;
	enum airlock_dma dma;
};

/* Before the EAL starts, with its arguments: 0, or -1 with one line in *error*. */
int machine_check_hugepages(int argc, char **argv, char error[static AIRLOCK_ERROR_MAX]);

/* After it has started: 0, or -1 with one line in *error*. */
int machine_check(const struct airlock_config *config, struct daemon_lcores *lcores,
	struct daemon_pool *pool, char error[static AIRLOCK_ERROR_MAX]);

/* The uplinks' part of machine_check(), for it; sets pool->dma. */
int machine_check_uplinks(const struct airlock_config *config, struct daemon_pool *pool,
	char error[static AIRLOCK_ERROR_MAX]);

/* Make the run directory if it is not there: 0, or -1 with one line in *error*. */
int machine_make_run_dir(const struct airlock_config *config, char error[static AIRLOCK_ERROR_MAX]);

/* The pool: NULL with one line in *error*. */
struct airlock_pool *assemble_pool(const struct airlock_config *config,
	const struct daemon_pool *daemon_pool, char error[static AIRLOCK_ERROR_MAX]);

/* The pipeline, ready to start: NULL with one line in *error*. */
struct airlock_pipeline *assemble_pipeline(const struct airlock_config *config,
	struct airlock_pool *pool, const struct airlock_cost *cost,
	const struct daemon_lcores *lcores, char error[static AIRLOCK_ERROR_MAX]);

/* What remap and copy cost here, measured and logged: 0, or -1 with one line in *error*. */
int assemble_cost(
	struct airlock_pool *pool, struct airlock_cost *cost, char error[static AIRLOCK_ERROR_MAX]);

/* Whether stderr is the journal's. */
bool service_has_journal(void);

/* Say on stderr, in one line, what ends the daemon before it has a log. */
void service_complain(const char *error);

/* Tell the service manager, if there is one. */
void service_starting(void);
void service_ready(const struct airlock_config *config);
void service_stopping(void);

#endif /* AIRLOCKD_H */
