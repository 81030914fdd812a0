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

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_lcore.h>
#include <rte_net_crc.h>
#include <rte_telemetry.h>
#include <rte_thread.h>
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

/**
 * Fetch a cache line that will be written. rte_prefetch0_write() is experimental, and compiled for
 * the x86 that DPDK asks for at least it fetches for reading. PREFETCHW came later, and does
 * nothing where it is not known.
 */
static inline void
airlock_compat_prefetch_write(const void *line)
{
#ifdef RTE_ARCH_X86
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1, 3);
#endif
}

/** What airlock_compat_run_control() runs. */
struct airlock_compat_job {
	void (*run)(void *arg);
	void *arg;
};

/* Control threads got a type of thread of their own in DPDK 23.11. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
static inline uint32_t
airlock_compat_do_job(void *arg)
{
	struct airlock_compat_job *job = (struct airlock_compat_job *)arg;

	job->run(job->arg);
	return 0;
}
#else
static inline void *
airlock_compat_do_job(void *arg)
{
	struct airlock_compat_job *job = (struct airlock_compat_job *)arg;

	job->run(job->arg);
	return NULL;
}
#endif

/**
 * Run a job in a thread that may run on any CPU that is no lcore's, and wait for its end.
 *
 * @return 0, or -errno: it did not run
 */
static inline int
airlock_compat_run_control(const char *name, struct airlock_compat_job *job)
{
	int ret;
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
	rte_thread_t thread;

	ret = rte_thread_create_control(&thread, name, airlock_compat_do_job, job);
	if (ret == 0)
		rte_thread_join(thread, NULL);
#else
	pthread_t thread;

	ret = rte_ctrl_thread_create(&thread, name, NULL, airlock_compat_do_job, job);
	if (ret == 0)
		pthread_join(thread, NULL);
#endif
	return ret;
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

/**
 * Ethernet's CRC-32, which DPDK from 25.03 on keeps a context for. One thread of a program; 0 where
 * there is no memory for that.
 */
static inline uint32_t
airlock_compat_crc32(const void *data, uint32_t bytes)
{
#if RTE_VERSION >= RTE_VERSION_NUM(25, 3, 0, 0)
	static struct rte_net_crc *crc;

	if (crc == NULL)
		crc = rte_net_crc_set_alg(RTE_NET_CRC_SSE42, RTE_NET_CRC32_ETH);
	return crc != NULL ? rte_net_crc_calc(crc, data, bytes) : 0;
#else
	return rte_net_crc_calc(data, bytes, RTE_NET_CRC32_ETH);
#endif
}

#endif /* AIRLOCK_COMPAT_H */
