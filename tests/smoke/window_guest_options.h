/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef WINDOW_GUEST_OPTIONS_H
#define WINDOW_GUEST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What window-guest is told; window_guest.c says what each is. Read-only once read. */
struct options {
	const char *window;
	const char *pool;
	uint32_t nb_private;
	uint32_t nb_posted;
	uint16_t ring;
	uint16_t mtu;
	uint32_t count;
	uint32_t nb_hold;
	uint32_t nb_keep;
	bool interrupt;
	bool link;
	bool scan;
};

extern struct options options;

/* Those behind "--". False: one is unknown, or its value is no number that fits. */
bool read_options(int argc, char **argv);

#endif /* WINDOW_GUEST_OPTIONS_H */
