/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The environment of libairlock-guest.so as a struct.
 *
 * Thread rule: one thread, once.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

#define PCI	       "pci"
#define DEFAULT_WAIT_S 10
#define MAX_WAIT_S     86400
#define MAX_PRIVATE    (1 << 20)
#define MAX_POSTED     32768
#define MAX_PORT       65535

/* A decimal number from *min* to *max*; a variable that is not there leaves *value* alone. */
static bool
read_number(const char *name, long min, long max, long *value)
{
	const char *text = getenv(name);
	long number;
	char *end;

	if (text == NULL)
		return true;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < min || number > max)
		return false;
	*value = number;
	return true;
}

static bool
read_window(struct settings *settings)
{
	const char *text = getenv("AIRLOCK_WINDOW");
	const size_t len = strlen(PCI);

	if (text == NULL)
		return true;
	settings->enabled = true;
	settings->where = text;
	if (strncmp(text, PCI, len) == 0 && (text[len] == '\0' || text[len] == ':')) {
		settings->in_vm = true;
		settings->where = text[len] == ':' ? text + len + 1 : NULL;
	}
	return settings->where == NULL || settings->where[0] != '\0';
}

const char *
settings_read(struct settings *settings)
{
	long wait_s = DEFAULT_WAIT_S, nb_private = 0, nb_posted = 0, port_id = -1;

	*settings = (struct settings){.pool = getenv("AIRLOCK_POOL")};
	if (!read_window(settings))
		return "AIRLOCK_WINDOW";
	if (!read_number("AIRLOCK_WAIT", 0, MAX_WAIT_S, &wait_s))
		return "AIRLOCK_WAIT";
	if (!read_number("AIRLOCK_PRIVATE", 1, MAX_PRIVATE, &nb_private))
		return "AIRLOCK_PRIVATE";
	if (!read_number("AIRLOCK_POSTED_PRIVATE", 1, MAX_POSTED, &nb_posted))
		return "AIRLOCK_POSTED_PRIVATE";
	if (!read_number("AIRLOCK_PORT", 0, MAX_PORT, &port_id))
		return "AIRLOCK_PORT";
	settings->wait_ms = (uint32_t)wait_s * 1000;
	settings->nb_private = (uint32_t)nb_private;
	settings->nb_posted_private = (uint16_t)nb_posted;
	settings->port_id = (int)port_id;
	return NULL;
}
