/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Telemetry of the program that has the window: /airlock_guest on the program's own socket.
 *
 * Thread rule: telemetry's threads; the queues are guest.c's, under its lock.
 */

#include <inttypes.h>
#include <stdio.h>

#include <rte_telemetry.h>

#include <airlock_compat.h>

#include "guest.h"

static void
add_rx_pool(struct rte_tel_data *dict, unsigned int queue_id, struct rte_mempool *pool)
{
	struct airlock_window_rx_pool_stats stats;
	struct rte_tel_data *inner = rte_tel_data_alloc();
	char key[RTE_TEL_MAX_STRING_LEN];

	if (inner == NULL)
		return;
	airlock_window_rx_pool_stats(pool, &stats);
	rte_tel_data_start_dict(inner);
	airlock_compat_tel_dict_uint(inner, "frames", stats.nb_frames);
	airlock_compat_tel_dict_uint(inner, "frames_in_pool", stats.frames_in_pool);
	airlock_compat_tel_dict_uint(inner, "private", stats.nb_private);
	airlock_compat_tel_dict_uint(inner, "private_in_pool", stats.private_in_pool);
	snprintf(key, sizeof(key), "rx_queue_%u", queue_id);
	rte_tel_data_add_dict_container(dict, key, inner, 0);
}

/* Of all TX queues together. */
static void
add_tx(struct rte_tel_data *dict, const struct guest_queues *queues)
{
	struct airlock_window_tx_stats sum = {0};

	for (uint32_t i = 0; i < queues->nb_tx; i++) {
		struct airlock_window_tx_stats stats;

		airlock_window_tx_stats(queues->tx[i], &stats);
		sum.packets += stats.packets;
		sum.bytes += stats.bytes;
		sum.short_bursts += stats.short_bursts;
	}
	airlock_compat_tel_dict_uint(dict, "tx_copied_packets", sum.packets);
	airlock_compat_tel_dict_uint(dict, "tx_copied_bytes", sum.bytes);
	airlock_compat_tel_dict_uint(dict, "tx_short_bursts", sum.short_bursts);
}

static int
answer(const char *cmd, const char *params, struct rte_tel_data *dict)
{
	const struct guest_queues *queues = guest_queues_get();

	rte_tel_data_start_dict(dict);
	rte_tel_data_add_dict_int(dict, "port", queues->port_id);
	for (unsigned int i = 0; i < AIRLOCK_WINDOW_MAX_PARTITIONS; i++) {
		if (queues->rx_pools[i] != NULL)
			add_rx_pool(dict, i, queues->rx_pools[i]);
	}
	add_tx(dict, queues);
	guest_queues_put();
	return 0;
}

void
report_start(void)
{
	rte_telemetry_register_cmd("/airlock_guest", answer,
		"Receive pools over airlockd's window, and what was copied out of it to be sent.");
}
