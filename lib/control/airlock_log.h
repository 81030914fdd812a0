/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_LOG_H
#define AIRLOCK_LOG_H

/**
 * @file
 * The daemon's log: every line of DPDK and airlock goes to stderr with its level in front.
 *
 * Thread rule: main thread; the log itself may be written by any thread.
 */

/**
 * Send rte_log() to stderr as "LEVEL component: text", a line each, with the levels ERR, WARN,
 * NOTICE, INFO and DEBUG. To be called before rte_eal_init().
 *
 * @return 0, or -ENOMEM
 */
int airlock_log_open(void);

/** Back to DPDK's own log. */
void airlock_log_close(void);

#endif /* AIRLOCK_LOG_H */
