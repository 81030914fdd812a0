/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/* window-guest's options; window_guest.c says what each is. */

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>

#include "window_guest_options.h"

struct options options = {.ring = 1024, .mtu = 1500};

static bool
read_number(const char *text, uint32_t max, uint32_t *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	*value = (uint32_t)number;
	return errno == 0 && end != text && *end == '\0' && number <= max;
}

static bool
take_option(int option, const char *text)
{
	uint32_t value = 0;

	switch (option) {
	case 'w':
		options.window = text;
		return true;
	case 'p':
		options.pool = text;
		return true;
	case 'i':
		return options.interrupt = true;
	case 'l':
		return options.link = true;
	case 's':
		return options.scan = true;
	case 'P':
		return read_number(text, UINT32_MAX, &options.nb_private);
	case 'o':
		return read_number(text, UINT16_MAX, &options.nb_posted);
	case 'c':
		return read_number(text, UINT32_MAX, &options.count);
	case 'h':
		return read_number(text, UINT32_MAX, &options.nb_hold);
	case 'k':
		return read_number(text, UINT32_MAX, &options.nb_keep);
	case 'r':
	case 'm':
		if (!read_number(text, UINT16_MAX, &value))
			return false;
		*(option == 'r' ? &options.ring : &options.mtu) = (uint16_t)value;
		return true;
	default:
		return false;
	}
}

bool
read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"window", required_argument, NULL, 'w'},
		{"pool", required_argument, NULL, 'p'},
		{"private", required_argument, NULL, 'P'},
		{"posted", required_argument, NULL, 'o'},
		{"ring", required_argument, NULL, 'r'},
		{"mtu", required_argument, NULL, 'm'},
		{"count", required_argument, NULL, 'c'},
		{"hold", required_argument, NULL, 'h'},
		{"keep", required_argument, NULL, 'k'},
		{"interrupt", no_argument, NULL, 'i'},
		{"link", no_argument, NULL, 'l'},
		{"scan", no_argument, NULL, 's'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (!take_option(option, optarg))
			return false;
	}
	return optind == argc;
}
