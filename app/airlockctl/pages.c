/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool: pages by state, by VM, and the verdict of pages.verify.
 *
 * Thread rule: one thread.
 */

#include <inttypes.h>
#include <string.h>

#include "fields.h"
#include "show.h"
#include "table.h"

static const char *const states[] = {
	"free", "card", "host", "leased", "released", "unmapping", NULL};

static bool
is_state(const char *key)
{
	for (unsigned int i = 0; states[i] != NULL; i++) {
		if (strcmp(states[i], key) == 0)
			return true;
	}
	return false;
}

void
show_pages(FILE *out, json_t *pages)
{
	static const char *const columns[] = {"STATE", ">PAGES", ">SHARE %", ""};
	uint64_t all = field_count(pages, "pages");
	struct table table;
	const char *key;
	json_t *value;

	table_init(&table, 4, columns);
	for (unsigned int i = 0; states[i] != NULL; i++) {
		uint64_t nb_pages = field_count(pages, states[i]);

		table_add(&table, "%s", states[i]);
		table_add_count(&table, nb_pages);
		table_add(&table, "%.1f", 100 * per(nb_pages, all));
		table_add(&table, "%s", table_bar(nb_pages, all));
	}
	table_add(&table, "all");
	table_add_count(&table, all);
	table_add(&table, "100.0");
	table_add(&table, "%s", "");
	table_print(&table, out, 0);
	fputc('\n', out);
	table_init_pairs(&table);
	json_object_foreach(pages, key, value)
	{
		if (is_state(key) || strcmp(key, "pages") == 0)
			continue;
		table_add(&table, "%s", key);
		table_add_value(&table, value);
	}
	table_print(&table, out, 0);
}

void
show_holders(FILE *out, json_t *stats)
{
	static const char *const columns[] = {
		"VM", "WINDOW", ">HELD", ">QUOTA", ">QUARANTINED", ""};
	json_t *vm, *vms = json_object_get(stats, "vms");
	struct table table;
	const char *name;

	table_init(&table, 6, columns);
	json_object_foreach(vms, name, vm)
	{
		const json_t *window = json_object_get(vm, "window");
		uint64_t held = field_count(window, "held"), quota = field_count(window, "quota");

		if (window == NULL)
			continue;
		table_add(&table, "%s", name);
		table_add(&table, "%s", field_text(window, "state"));
		table_add_count(&table, held);
		table_add_count(&table, quota);
		table_add_count(&table, field_count(window, "quarantined"));
		table_add(&table, "%s", table_bar(held, quota));
	}
	/* Nothing was allocated then. */
	if (table.nb_cells == 0)
		return;
	fputc('\n', out);
	table_print(&table, out, 0);
}

void
show_verdict(FILE *out, json_t *verdict)
{
	struct table table;
	const char *key;
	json_t *value;

	table_init_pairs(&table);
	json_object_foreach(verdict, key, value)
	{
		table_add(&table, "%s", key);
		table_add_value(&table, value);
	}
	table_print(&table, out, 0);
}
