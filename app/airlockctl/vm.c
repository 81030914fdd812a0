/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What vm.list and vm.show tell. A VM's window is in window.c.
 *
 * Fields that this program does not know are shown as they come, so that a newer daemon's are not
 * hidden.
 *
 * Thread rule: one thread.
 */

#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "show.h"
#include "table.h"

#define QUEUE "queue_"

/* Those that have a place of their own below. */
static const char *const known[] = {"features", "delivered_packets", "delivered_bytes",
	"taken_packets", "taken_bytes", "vlan", NULL};
static const char *const queue_known[] = {
	"delivered_packets", "delivered_bytes", "taken_packets", "taken_bytes", "rx_drops", NULL};

static bool
is_one_of(const char *const *list, const char *word)
{
	while (*list != NULL && strcmp(*list, word) != 0)
		list++;
	return *list != NULL;
}

static bool
is_plain(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

void
show_vms(FILE *out, json_t *vms)
{
	static const char *const columns[] = {"VM", "MAC", "STATE", "DELIVER"};
	struct table table;
	json_t *vm;
	size_t i;

	table_init(&table, 4, columns);
	json_array_foreach(vms, i, vm)
	{
		table_add_value(&table, json_object_get(vm, "name"));
		table_add_value(&table, json_object_get(vm, "mac"));
		table_add_value(&table, json_object_get(vm, "state"));
		table_add_value(&table, json_object_get(vm, "deliver"));
	}
	table_print(&table, out, 0);
}

static void
show_head(FILE *out, json_t *vm)
{
	const json_t *vlan = json_object_get(vm, "vlan");
	struct table table;
	const char *key;
	json_t *value;

	table_init_pairs(&table);
	json_object_foreach(vm, key, value)
	{
		if (!is_plain(value) || is_one_of(known, key))
			continue;
		table_add(&table, "%s", key);
		table_add_value(&table, value);
	}
	if (vlan != NULL) {
		table_add(&table, "vlan");
		if (json_is_integer(vlan) && json_integer_value(vlan) == 0)
			table_add(&table, "none");
		else
			table_add_value(&table, vlan);
	}
	table_print(&table, out, 0);
}

static void
show_negotiated(FILE *out, const json_t *vm)
{
	const char *text = field_text(vm, "features");
	uint64_t features = strtoull(text, NULL, 0);

	fprintf(out, "\nfeatures %s%s\n", text, features == 0 ? " (none negotiated yet)" : "");
	show_features(out, features);
}

static void
show_flows(FILE *out, const json_t *vm)
{
	static const char *const columns[] = {"", ">PACKETS", ">BYTES", ">DROPS"};
	struct table table;

	fputc('\n', out);
	table_init(&table, 4, columns);
	table_add(&table, "delivered to it");
	table_add_count(&table, field_count(vm, "delivered_packets"));
	table_add_count(&table, field_count(vm, "delivered_bytes"));
	table_add_count(&table, field_drops(vm, "rx_drops"));
	table_add(&table, "taken from it");
	table_add_count(&table, field_count(vm, "taken_packets"));
	table_add_count(&table, field_count(vm, "taken_bytes"));
	table_add_count(&table, field_drops(vm, "tx_drops"));
	table_print(&table, out, 0);
}

/* What more the daemon tells of each queue gets a column each, from *nb_columns* on. */
static unsigned int
more_columns(json_t *queue, const char **columns, unsigned int nb_columns)
{
	const char *key;
	json_t *value;

	json_object_foreach(queue, key, value)
	{
		if (is_plain(value) && !is_one_of(queue_known, key) && nb_columns < TABLE_COLUMNS)
			columns[nb_columns++] = key;
	}
	return nb_columns;
}

static void
add_queue(struct table *table, const char *name, const json_t *queue, unsigned int nb_fixed)
{
	table_add(table, "%s", name);
	for (unsigned int i = 0; queue_known[i] != NULL; i++)
		table_add_count(table, field_count(queue, queue_known[i]));
	for (unsigned int i = nb_fixed; i < table->nb_columns; i++)
		table_add_value(table, json_object_get(queue, table->columns[i]));
}

static void
show_queues(FILE *out, json_t *vm)
{
	const char *columns[TABLE_COLUMNS] = {
		"QUEUE", ">DELIVERED", ">BYTES", ">TAKEN", ">BYTES", ">DROPS"};
	const unsigned int nb_fixed = 6;
	struct table table;
	const char *key;
	json_t *queue;

	if (json_object_get(vm, QUEUE "0") == NULL)
		return;
	fputc('\n', out);
	table_init(
		&table, more_columns(json_object_get(vm, QUEUE "0"), columns, nb_fixed), columns);
	json_object_foreach(vm, key, queue)
	{
		if (strncmp(key, QUEUE, strlen(QUEUE)) == 0 && json_is_object(queue))
			add_queue(&table, key + strlen(QUEUE), queue, nb_fixed);
	}
	table_print(&table, out, 0);
}

void
show_vm(FILE *out, json_t *vm)
{
	show_head(out, vm);
	show_negotiated(out, vm);
	show_flows(out, vm);
	show_queues(out, vm);
	if (json_is_object(json_object_get(vm, "window")))
		show_window(out, json_object_get(vm, "window"));
	show_drops(out, "dropped on the way to it", json_object_get(vm, "rx_drops"));
	show_drops(out, "dropped of what it sent", json_object_get(vm, "tx_drops"));
}
