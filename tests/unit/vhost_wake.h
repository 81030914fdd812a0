/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef VHOST_WAKE_H
#define VHOST_WAKE_H

/**
 * Have rte_vhost look at the sockets that were registered since it looked last: before DPDK 24.03
 * it sees a new one when it is woken by an old one, or after a second. Main thread.
 *
 * @return 0, or a negative errno
 */
int vhost_wake(void);

#endif /* VHOST_WAKE_H */
