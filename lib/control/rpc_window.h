/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef RPC_WINDOW_H
#define RPC_WINDOW_H

#include <jansson.h>

#include <airlock_pipeline.h>

/* An object of its own, "window". Main thread. */
void rpc_set_window(json_t *vm, const struct airlock_remap_stats *window);

#endif /* RPC_WINDOW_H */
