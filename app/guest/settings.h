/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef SETTINGS_H
#define SETTINGS_H

/**
 * @file
 * What the environment says about the window; docs/guest.md describes the variables.
 */

#include <stdbool.h>
#include <stdint.h>

struct settings {
	bool enabled; /**< AIRLOCK_WINDOW is there */
	bool in_vm; /**< "pci" */
	const char *where; /**< the socket, or the PCI address or NULL */
	const char *pool; /**< the pool's file or NULL */
	uint32_t wait_ms;
	uint32_t nb_private; /**< 0: default */
	uint16_t nb_posted_private; /**< 0: default */
	int port_id; /**< -1: the first port of the right driver */
};

/**
 * Read the environment. Strings are the environment's own.
 *
 * @return NULL, or the name of a variable whose value makes no sense
 */
const char *settings_read(struct settings *settings);

#endif /* SETTINGS_H */
