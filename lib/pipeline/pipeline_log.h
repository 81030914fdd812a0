/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_PIPELINE_LOG_H
#define AIRLOCK_PIPELINE_LOG_H

/* For the pipeline's control files; the datapath logs nothing. */

#include <rte_log.h>

extern int pipeline_logtype;
#define PIPELINE_LOG(level, ...) \
	rte_log(RTE_LOG_##level, pipeline_logtype, "pipeline: " __VA_ARGS__)

#endif /* AIRLOCK_PIPELINE_LOG_H */
