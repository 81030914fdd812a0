/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_COMPAT_H
#define AIRLOCK_COMPAT_H

/**
 * @file
 * What differs between the versions of DPDK that airlock builds against. Nothing else asks for
 * RTE_VERSION.
 */

#include <rte_telemetry.h>
#include <rte_version.h>
#include <rte_vhost.h>

/** Tell rte_vhost how many queue pairs a socket has. Before DPDK 23.07 it offers its maximum. */
static inline int
airlock_compat_vhost_set_queue_num(const char *path, uint32_t nb_queues)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0)
	return rte_vhost_driver_set_max_queue_num(path, nb_queues);
#else
	(void)path;
	(void)nb_queues;
	return 0;
#endif
}

/* Telemetry's unsigned integers got a new name in DPDK 23.03. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define AIRLOCK_COMPAT_TEL_UINT	      RTE_TEL_UINT_VAL
#define airlock_compat_tel_dict_uint  rte_tel_data_add_dict_uint
#define airlock_compat_tel_array_uint rte_tel_data_add_array_uint
#else
#define AIRLOCK_COMPAT_TEL_UINT	      RTE_TEL_U64_VAL
#define airlock_compat_tel_dict_uint  rte_tel_data_add_dict_u64
#define airlock_compat_tel_array_uint rte_tel_data_add_array_u64
#endif

#endif /* AIRLOCK_COMPAT_H */
