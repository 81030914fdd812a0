/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_METRICS_H
#define AIRLOCK_METRICS_H

/**
 * @file
 * The pipeline's statistics for Prometheus and its like: as text, and over HTTP at /metrics.
 *
 * The server never waits: its caller waits for airlock_metrics_fd() to become readable, beside
 * whatever else it waits for, and then calls airlock_metrics_serve().
 *
 * Thread rule: main thread.
 */

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

/** Clients at once; more wait in the socket's backlog. */
#define AIRLOCK_METRICS_MAX_CLIENTS 16
/** Seconds that a client may keep silent, or take nothing of its answer. */
#define AIRLOCK_METRICS_STALL_S 10
/** Seconds from connection to end, at most. */
#define AIRLOCK_METRICS_LIFE_S 30

struct airlock_metrics;
struct airlock_pipeline;

/** In which text format. */
enum airlock_metrics_format {
	AIRLOCK_METRICS_PROMETHEUS, /**< text format 0.0.4 of Prometheus */
	AIRLOCK_METRICS_OPENMETRICS, /**< OpenMetrics 1.0 */
};

/**
 * Write all metrics.
 *
 * @param out  written; not flushed
 * @return 0; -ENOMEM with an incomplete text
 */
int airlock_metrics_print(
	struct airlock_pipeline *pipeline, enum airlock_metrics_format format, FILE *out);

/**
 * Listen.
 *
 * @param address  sockaddr_in or sockaddr_in6
 * @return the server, to be given to airlock_metrics_destroy(); NULL with rte_errno ENOMEM, or what
 *         socket(2), bind(2) or listen(2) said
 */
struct airlock_metrics *airlock_metrics_create(
	struct airlock_pipeline *pipeline, const struct sockaddr_storage *address);

/** Close the socket and all clients. NULL is ignored. */
void airlock_metrics_destroy(struct airlock_metrics *metrics);

/** A descriptor that is readable while airlock_metrics_serve() has something to do; -1 for NULL. */
int airlock_metrics_fd(const struct airlock_metrics *metrics);

/**
 * Do what can be done without waiting; also once a second, to be rid of clients that stall. NULL is
 * ignored.
 */
void airlock_metrics_serve(struct airlock_metrics *metrics);

#endif /* AIRLOCK_METRICS_H */
