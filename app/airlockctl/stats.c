/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What stats.get and uplink.list tell: packets, bytes, drops; and rates, where an earlier result is
 * given. watch.c does that each so many seconds.
 *
 * Thread rule: one thread.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "show.h"
#include "table.h"

/* What all rows of a table need. */
struct span {
	struct table table;
	double seconds; /* 0: no rates */
};

/* A counter that went back, or has no earlier value, has no rate. */
static void
add_rate(struct span *span, uint64_t now, const json_t *before, uint64_t then, double unit)
{
	if (span->seconds <= 0)
		return;
	if (before == NULL || now < then)
		table_add(&span->table, "-");
	else
		table_add(&span->table, unit == 1 ? "%.0f" : "%.1f",
			(now - then) / unit / span->seconds);
}

static void
add_flow(struct span *span, const char *what, const json_t *now, const json_t *before)
{
	char packets[32], bytes[32];

	snprintf(packets, sizeof(packets), "%s_packets", what);
	snprintf(bytes, sizeof(bytes), "%s_bytes", what);
	table_add_count(&span->table, field_count(now, packets));
	if (span->seconds <= 0)
		table_add_count(&span->table, field_count(now, bytes));
	add_rate(span, field_count(now, packets), before, field_count(before, packets), 1);
	add_rate(span, field_count(now, bytes), before, field_count(before, bytes), 1e6 / 8);
}

static void
add_drops(struct span *span, const json_t *now, const json_t *before)
{
	uint64_t drops = field_drops(now, "rx_drops") + field_drops(now, "tx_drops");

	table_add_count(&span->table, drops);
	add_rate(span, drops, before,
		field_drops(before, "rx_drops") + field_drops(before, "tx_drops"), 1);
}

/* With a thousand VMs configured, those that did not come would hide the others. */
static bool
did_not_come(const json_t *vm)
{
	return strcmp(field_text(vm, "state"), "up") != 0 &&
		json_object_get(vm, "connects") != NULL && field_count(vm, "connects") == 0 &&
		field_drops(vm, "rx_drops") == 0;
}

static void
show_vm_rows(FILE *out, json_t *vms, json_t *before, double seconds)
{
	static const char *const columns[] = {
		"VM", "STATE", ">DELIVERED", ">BYTES", ">TAKEN", ">BYTES", ">DROPS"};
	static const char *const rate_columns[] = {"VM", "STATE", ">DELIVERED", ">PACKETS/S",
		">MBIT/S", ">TAKEN", ">PACKETS/S", ">MBIT/S", ">DROPS", ">DROPS/S"};
	struct span span = {.seconds = seconds};
	unsigned int nb_silent = 0;
	const char *name;
	json_t *vm;

	table_init(&span.table, seconds > 0 ? 10 : 7, seconds > 0 ? rate_columns : columns);
	json_object_foreach(vms, name, vm)
	{
		const json_t *then = json_object_get(before, name);

		if (did_not_come(vm)) {
			nb_silent++;
			continue;
		}
		table_add(&span.table, "%s", name);
		table_add(&span.table, "%s", field_text(vm, "state"));
		add_flow(&span, "delivered", vm, then);
		add_flow(&span, "taken", vm, then);
		add_drops(&span, vm, then);
	}
	table_print(&span.table, out, 0);
	if (nb_silent != 0)
		fprintf(out, "(%u more VMs that did not connect)\n", nb_silent);
}

static void
show_uplink_rows(FILE *out, json_t *uplinks, json_t *before, double seconds)
{
	static const char *const columns[] = {"UPLINK", "NAME", "STATE", ">RECEIVED", ">BYTES",
		">SENT", ">BYTES", ">DROPS", ">MISSED"};
	static const char *const rate_columns[] = {"UPLINK", "NAME", "STATE", ">RECEIVED",
		">PACKETS/S", ">MBIT/S", ">SENT", ">PACKETS/S", ">MBIT/S", ">DROPS", ">DROPS/S",
		">MISSED"};
	struct span span = {.seconds = seconds};
	const char *port;
	json_t *uplink;

	table_init(&span.table, seconds > 0 ? 12 : 9, seconds > 0 ? rate_columns : columns);
	json_object_foreach(uplinks, port, uplink)
	{
		const json_t *then = json_object_get(before, port);

		table_add(&span.table, "%s", port);
		table_add(&span.table, "%s", field_text(uplink, "name"));
		table_add(&span.table, "%s", field_text(uplink, "state"));
		add_flow(&span, "received", uplink, then);
		add_flow(&span, "sent", uplink, then);
		add_drops(&span, uplink, then);
		table_add_count(&span.table, field_count(uplink, "port_missed"));
	}
	table_print(&span.table, out, 0);
}

/* Add what VMs or uplinks dropped, by reason. */
static void
sum_drops(json_t *sum, json_t *objects)
{
	static const char *const keys[] = {"rx_drops", "tx_drops"};
	const char *name, *reason;
	json_t *object, *count;

	json_object_foreach(objects, name, object)
	{
		for (unsigned int i = 0; i < 2; i++) {
			json_object_foreach(json_object_get(object, keys[i]), reason, count)
			{
				json_object_set_new(sum, reason,
					json_integer(json_integer_value(count) +
						field_count(sum, reason)));
			}
		}
	}
}

static void
show_balance(FILE *out, json_t *balance)
{
	const char *key;
	json_t *value;

	if (json_object_size(balance) == 0)
		return;
	fprintf(out, "\nbalance:");
	json_object_foreach(balance, key, value)
	{
		if (json_is_integer(value))
			fprintf(out, " %s %" PRIu64, key, (uint64_t)json_integer_value(value));
	}
	fprintf(out, "; balanced: %s\n", field_yes(balance, "balanced") ? "yes" : "no");
}

void
show_stats(FILE *out, json_t *now, json_t *before, double seconds)
{
	json_t *drops = json_object();

	show_vm_rows(out, json_object_get(now, "vms"), json_object_get(before, "vms"), seconds);
	fputc('\n', out);
	show_uplink_rows(
		out, json_object_get(now, "uplinks"), json_object_get(before, "uplinks"), seconds);
	sum_drops(drops, json_object_get(now, "vms"));
	sum_drops(drops, json_object_get(now, "uplinks"));
	show_drops(out, "dropped", drops);
	json_decref(drops);
	show_balance(out, json_object_get(now, "balance"));
}

static int
by_count(const void *a, const void *b)
{
	json_int_t left = json_integer_value(json_object_iter_value(*(void *const *)a));
	json_int_t right = json_integer_value(json_object_iter_value(*(void *const *)b));

	return left < right ? 1 : left > right ? -1 : 0;
}

void
show_drops(FILE *out, const char *title, json_t *drops)
{
	size_t nb_reasons = 0, max = json_object_size(drops);
	void **reasons = calloc(max + 1, sizeof(*reasons));
	struct table table;

	if (reasons == NULL)
		return;
	for (void *i = json_object_iter(drops); i != NULL; i = json_object_iter_next(drops, i)) {
		if (strcmp(json_object_iter_key(i), "total") != 0 &&
			json_integer_value(json_object_iter_value(i)) != 0)
			reasons[nb_reasons++] = i;
	}
	qsort(reasons, nb_reasons, sizeof(*reasons), by_count);
	if (nb_reasons != 0)
		fprintf(out, "\n%s\n", title);
	table_init(&table, 2, (const char *const[]){"", ">"});
	for (size_t i = 0; i < nb_reasons; i++) {
		table_add(&table, "%s", json_object_iter_key(reasons[i]));
		table_add_value(&table, json_object_iter_value(reasons[i]));
	}
	table_print(&table, out, 2);
	free(reasons);
}

void
show_uplinks(FILE *out, json_t *uplinks)
{
	static const char *const columns[] = {"UPLINK", "NAME", "STATE", ">MTU", ">RX QUEUES",
		">TX QUEUES", ">RECEIVED", ">SENT", ">DROPS", ">MISSED", ">NO PAGE"};
	struct table table;
	json_t *uplink;
	size_t i;

	table_init(&table, 11, columns);
	json_array_foreach(uplinks, i, uplink)
	{
		table_add_value(&table, json_object_get(uplink, "port"));
		table_add_value(&table, json_object_get(uplink, "name"));
		table_add_value(&table, json_object_get(uplink, "state"));
		table_add_value(&table, json_object_get(uplink, "mtu"));
		table_add_value(&table, json_object_get(uplink, "rx_queues"));
		table_add_value(&table, json_object_get(uplink, "tx_queues"));
		table_add_count(&table, field_count(uplink, "received_packets"));
		table_add_count(&table, field_count(uplink, "sent_packets"));
		table_add_count(
			&table, field_drops(uplink, "rx_drops") + field_drops(uplink, "tx_drops"));
		table_add_count(&table, field_count(uplink, "port_missed"));
		table_add_count(&table, field_count(uplink, "port_no_page"));
	}
	table_print(&table, out, 0);
	for (i = 0; i < json_array_size(uplinks); i++) {
		json_t *drops = json_object();
		json_t *one = json_pack("{s:O}", "uplink", json_array_get(uplinks, i));
		char title[64];

		sum_drops(drops, one);
		snprintf(title, sizeof(title), "dropped at %s",
			field_text(json_array_get(uplinks, i), "name"));
		show_drops(out, title, drops);
		json_decref(one);
		json_decref(drops);
	}
}
