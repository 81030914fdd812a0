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

#include <stdbool.h>

/**
 * Send rte_log() to stderr as "LEVEL component: text", a line each, with the levels ERR, WARN,
 * NOTICE, INFO and DEBUG. To be called before rte_eal_init().
 *
 * @param journal  stderr is the journal's: "<3>component: text", with syslog's level
 * @return 0, or -ENOMEM
 */
int airlock_log_open(bool journal);

/** Back to DPDK's own log. */
void airlock_log_close(void);

#endif /* AIRLOCK_LOG_H */
