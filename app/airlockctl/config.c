/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The daemon's configuration, in the form of its file: all values, those that are defaults, too.
 *
 * Thread rule: one thread.
 */

#include <string.h>

#include "fields.h"
#include "show.h"

/* What comes from the daemon is no text to be trusted on a terminal. */
static void
put_harmless(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void
show_keys(FILE *out, json_t *section)
{
	const char *key;
	json_t *value;

	json_object_foreach(section, key, value)
	{
		put_harmless(out, key);
		fputs(" = ", out);
		if (json_is_integer(value))
			fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		else if (json_is_string(value))
			put_harmless(out, json_string_value(value));
		fputc('\n', out);
	}
}

static void
show_sections(FILE *out, const char *kind, json_t *sections)
{
	const char *name;
	json_t *section;

	json_object_foreach(sections, name, section)
	{
		fprintf(out, "\n[%s ", kind);
		put_harmless(out, name);
		fputs("]\n", out);
		show_keys(out, section);
	}
}

void
show_config(FILE *out, json_t *config)
{
	json_t *lcores = json_object_get(config, "lcores");

	fputs("[airlock]\n", out);
	show_keys(out, json_object_get(config, "airlock"));
	show_sections(out, "uplink", json_object_get(config, "uplinks"));
	show_sections(out, "vm", json_object_get(config, "vms"));
	if (json_object_size(lcores) == 0)
		return;
	fputs("\n[lcores]\n", out);
	show_keys(out, lcores);
}

void
show_saved(FILE *out, json_t *result)
{
	fputs("saved in ", out);
	put_harmless(out, field_text(result, "file"));
	fputc('\n', out);
}
