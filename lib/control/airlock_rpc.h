/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_RPC_H
#define AIRLOCK_RPC_H

/**
 * @file
 * The control socket: JSON-RPC 2.0 on a Unix stream socket. Methods are in docs/rpc.md.
 *
 * The server never waits: its caller waits for airlock_rpc_fd() to become readable, beside
 * whatever else it waits for, and then calls airlock_rpc_serve().
 *
 * Thread rule: main thread.
 */

#include <stdbool.h>

#include "airlock_config.h"

/** Bytes of a request at most. */
#define AIRLOCK_RPC_REQUEST_MAX (1024 * 1024)
/** Bytes of answers that wait for a client at most. */
#define AIRLOCK_RPC_ANSWER_MAX (16 * 1024 * 1024)
/** Requests in a batch at most. */
#define AIRLOCK_RPC_BATCH_MAX 256
/** Clients at once. */
#define AIRLOCK_RPC_MAX_CLIENTS 64
/** Seconds that a client may take nothing of the answers that wait for it. */
#define AIRLOCK_RPC_STALL_S 10

struct airlock_pipeline;
struct airlock_rpc;

struct airlock_rpc_conf {
	const char *path; /**< of the socket, copied; at most 107 bytes */
	struct airlock_socket_access access; /**< who may use it */
	struct airlock_config *config; /**< vms[] follows vm.add and vm.del */
	struct airlock_pipeline *pipeline;
	bool windows; /**< VMs may have windows: pool and pipeline were made for it */
};

/**
 * Open the socket. What a dead daemon left at the path is replaced.
 *
 * @return the server, to be given to airlock_rpc_destroy(); NULL with rte_errno EADDRINUSE
 *         (somebody listens there), EEXIST (no socket is at the path), or what the system said
 */
struct airlock_rpc *airlock_rpc_create(const struct airlock_rpc_conf *conf);

/** Close all clients and remove the socket. NULL is ignored. */
void airlock_rpc_destroy(struct airlock_rpc *rpc);

/** A descriptor that is readable while airlock_rpc_serve() has something to do. */
int airlock_rpc_fd(const struct airlock_rpc *rpc);

/** Do what can be done without waiting; also once a second, to be rid of dead clients. */
void airlock_rpc_serve(struct airlock_rpc *rpc);

#endif /* AIRLOCK_RPC_H */
