/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Reading answers; see fields.h.
 *
 * Thread rule: any thread.
 */

#include <string.h>

#include "fields.h"

uint64_t
field_count(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_real(value))
		return json_real_value(value) > 0 ? (uint64_t)json_real_value(value) : 0;
	return json_integer_value(value);
}

const char *
field_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

bool
field_yes(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key)) ||
		strcmp(field_text(object, key), "yes") == 0;
}

uint64_t
field_drops(const json_t *object, const char *key)
{
	const json_t *drops = json_object_get(object, key);

	return json_is_object(drops) ? field_count(drops, "total") : field_count(object, key);
}

double
per(uint64_t a, uint64_t b)
{
	return b != 0 ? (double)a / b : 0;
}
