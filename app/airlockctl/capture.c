/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Captures: what the user typed for one, and what the daemon tells of them.
 *
 * Thread rule: one thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "fields.h"
#include "params.h"
#include "show.h"
#include "table.h"

static const char *const numbers[] = {"uplink", "snaplen", "count", NULL};
static const char *const switches[] = {"drops_only", "overwrite", NULL};

static json_t *
number_of(const char *key, const char *text)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0')
		return json_integer(number);
	ctl_complain("capture start: %s '%s', expected a number", key, text);
	return NULL;
}

static json_t *
switch_of(const char *key, const char *text)
{
	if (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0)
		return json_boolean(strcmp(text, "yes") == 0);
	ctl_complain("capture start: %s '%s', expected yes or no", key, text);
	return NULL;
}

/* The texts of those *keys* that are there become values of another kind. */
static bool
convert(json_t *params, const char *const *keys, json_t *(*value_of)(const char *, const char *))
{
	for (; *keys != NULL; keys++) {
		const char *text = json_string_value(json_object_get(params, *keys));
		json_t *value;

		if (text == NULL)
			continue;
		value = value_of(*keys, text);
		if (value == NULL || json_object_set_new(params, *keys, value) < 0)
			return false;
	}
	return true;
}

bool
params_capture_start(char **args, json_t **params)
{
	bool right = params_name(args, params);

	if (!right)
		return false;
	right = params_add_path("capture start", *params, args[1]);
	for (args += 2; right && *args != NULL; args++)
		right = params_add_pair("capture start", *params, *args, strlen(*args));
	right = right && convert(*params, numbers, number_of) &&
		convert(*params, switches, switch_of);
	if (!right)
		json_decref(*params);
	return right;
}

void
show_capture(FILE *out, json_t *capture)
{
	struct table table;
	const char *key;
	json_t *value;

	table_init_pairs(&table);
	json_object_foreach(capture, key, value)
	{
		table_add(&table, "%s", key);
		table_add_value(&table, value);
	}
	table_print(&table, out, 0);
}

void
show_captures(FILE *out, json_t *captures)
{
	static const char *const columns[] = {"CAPTURE", "STATE", "OF", "DIRECTION", "DROPS ONLY",
		">PACKETS", ">MISSED", ">BYTES", "FILE"};
	struct table table;
	json_t *capture;
	size_t i;

	table_init(&table, sizeof(columns) / sizeof(columns[0]), columns);
	json_array_foreach(captures, i, capture)
	{
		table_add_value(&table, json_object_get(capture, "name"));
		table_add_value(&table, json_object_get(capture, "state"));
		table_add_value(&table, json_object_get(capture, "point"));
		table_add_value(&table, json_object_get(capture, "direction"));
		table_add_value(&table, json_object_get(capture, "drops_only"));
		table_add_count(&table, field_count(capture, "packets"));
		table_add_count(&table, field_count(capture, "missed"));
		table_add_count(&table, field_count(capture, "file_bytes"));
		table_add_value(&table, json_object_get(capture, "file"));
	}
	table_print(&table, out, 0);
}
