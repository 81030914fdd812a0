/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The commands. Most are a method, its parameters, and a function that shows its result; those that
 * are more have a function of their own.
 *
 * Thread rule: one thread.
 */

#include <string.h>

#include "commands.h"
#include "fields.h"
#include "params.h"
#include "show.h"
#include "table.h"
#include "watch.h"

#define DIM(array)	(sizeof(array) / sizeof((array)[0]))
#define COMMAND_COLUMNS 34
/* More than there are keys: one twice is said to be so. */
#define MAX_CAPTURE_ARGS 32

static bool
is_clean(const json_t *verdict)
{
	return strcmp(field_text(verdict, "verdict"), "clean") == 0;
}

static enum ctl_status
run_pages(struct ctl *ctl, unsigned int nb_args, char **args)
{
	json_t *pages, *stats;
	enum ctl_status status = ctl_connect(ctl);

	if (status == CTL_OK)
		status = ctl_call(ctl, "pages.get", NULL, JSON_OBJECT, &pages);
	if (status != CTL_OK)
		goto close;
	if (ctl->json) {
		ctl_print_json(pages);
	} else {
		status = ctl_call(ctl, "stats.get", NULL, JSON_OBJECT, &stats);
		show_pages(stdout, pages);
		if (status == CTL_OK) {
			show_holders(stdout, stats);
			json_decref(stats);
		}
	}
	json_decref(pages);
	if (status == CTL_OK)
		status = ctl_flush();
close:
	client_close(&ctl->client);
	return status;
}

static void
show_version(json_t *version)
{
	struct table table;
	const char *key;
	json_t *value;

	table_init_pairs(&table);
	table_add(&table, "airlockctl");
	table_add(&table, "%s", AIRLOCK_VERSION);
	json_object_foreach(version, key, value)
	{
		table_add(&table, "%s", strcmp(key, "airlock") == 0 ? "airlockd" : key);
		table_add_value(&table, value);
	}
	table_print(&table, stdout, 0);
}

static enum ctl_status
run_version(struct ctl *ctl, unsigned int nb_args, char **args)
{
	json_t *version;
	enum ctl_status status;

	status = ctl_connect(ctl);
	if (status == CTL_OK)
		status = ctl_call(ctl, "version", NULL, JSON_OBJECT, &version);
	if (status != CTL_OK)
		goto close;
	if (ctl->json)
		ctl_print_json(version);
	else
		show_version(version);
	json_decref(version);
	status = ctl_flush();
close:
	client_close(&ctl->client);
	return status;
}

static enum ctl_status
run_method(struct ctl *ctl, unsigned int nb_args, char **args)
{
	json_t *params, *result;
	enum ctl_status status;

	if (!params_json(nb_args > 1 ? args[1] : NULL, &params))
		return CTL_USAGE;
	status = ctl_connect(ctl);
	if (status != CTL_OK) {
		json_decref(params);
		goto close;
	}
	status = ctl_call(ctl, args[0], params, JSON_NULL, &result);
	if (status != CTL_OK)
		goto close;
	if (ctl->json)
		ctl_print_json(result);
	else
		show_value(stdout, result);
	json_decref(result);
	status = ctl_flush();
close:
	client_close(&ctl->client);
	return status;
}

void
show_value(FILE *out, json_t *value)
{
	if (json_is_string(value))
		fprintf(out, "%s\n", json_string_value(value));
	else if (json_dumpf(value, out, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0)
		fputc('\n', out);
}

static const struct command commands[] = {
	{{"vm", "add"}, "KEY=VALUE,...", "add a VM; keys as airlockd's --vm has them", 1, 1,
		"vm.add", JSON_NULL, params_vm_keys, NULL, NULL, NULL},
	{{"vm", "set"}, "NAME KEY=VALUE,...", "change a VM while it runs", 2, 2, "vm.set",
		JSON_NULL, params_vm_change, NULL, NULL, NULL},
	{{"vm", "del"}, "NAME", "remove a VM", 1, 1, "vm.del", JSON_NULL, params_name, NULL, NULL,
		NULL},
	{{"vm", "list"}, "", "all VMs", 0, 0, "vm.list", JSON_ARRAY, NULL, show_vms, NULL, NULL},
	{{"vm", "show"}, "NAME", "features, queues, window, drops of a VM", 1, 1, "vm.show",
		JSON_OBJECT, params_name, show_vm, NULL, NULL},
	{{"uplink", "list"}, "", "all uplinks", 0, 0, "uplink.list", JSON_ARRAY, NULL, show_uplinks,
		NULL, NULL},
	{{"stats", "reset"}, "", "counters begin at 0, as this program shows them", 0, 0,
		"stats.reset", JSON_NULL, NULL, NULL, NULL, NULL},
	{{"stats", NULL}, "[--watch SECONDS]", "packets and drops; watched: with rates", 0, 2,
		"stats.get", JSON_OBJECT, NULL, NULL, NULL, watch_stats},
	{{"pages", "verify"}, "", "compare the pool with all page tables", 0, 0, "pages.verify",
		JSON_OBJECT, NULL, show_verdict, is_clean, NULL},
	{{"pages", NULL}, "", "pages of the pool by state and by VM", 0, 0, "pages.get",
		JSON_OBJECT, NULL, NULL, NULL, run_pages},
	{{"lcores", NULL}, "", "load, cycles per packet, bursts", 0, 0, "lcore.list", JSON_ARRAY,
		NULL, show_lcores, NULL, NULL},
	{{"capture", "start"}, "NAME FILE [KEY=VALUE]...", "capture packets into a pcapng file", 2,
		MAX_CAPTURE_ARGS, "capture.start", JSON_OBJECT, params_capture_start, show_capture,
		NULL, NULL},
	{{"capture", "stop"}, "NAME", "stop a capture; its file is complete then", 1, 1,
		"capture.stop", JSON_OBJECT, params_name, show_capture, NULL, NULL},
	{{"capture", "list"}, "", "captures, and what is in their files", 0, 0, "capture.list",
		JSON_ARRAY, NULL, show_captures, NULL, NULL},
	{{"config", "show"}, "", "the configuration as it is now", 0, 0, "config.get", JSON_OBJECT,
		NULL, show_config, NULL, NULL},
	{{"config", "save"}, "[FILE]", "write it into FILE, or that of airlockd's -c", 0, 1,
		"config.save", JSON_OBJECT, params_file, show_saved, NULL, NULL},
	{{"log", "set"}, "TYPE LEVEL", "level of the daemon's log, by type", 2, 2, "log.set",
		JSON_NULL, params_log, NULL, NULL, NULL},
	{{"version", NULL}, "", "of this program and of the daemon", 0, 0, "version", JSON_NULL,
		NULL, NULL, NULL, run_version},
	{{"rpc", NULL}, "METHOD [JSON]", "any method; rpc.methods lists them", 1, 2, NULL,
		JSON_NULL, NULL, NULL, NULL, run_method},
};

const struct command *
command_find(unsigned int nb, char **words, unsigned int *nb_words)
{
	for (unsigned int i = 0; i < DIM(commands); i++) {
		const struct command *command = &commands[i];

		*nb_words = command->words[1] != NULL ? 2 : 1;
		if (nb < *nb_words || strcmp(words[0], command->words[0]) != 0)
			continue;
		if (*nb_words == 1 || strcmp(words[1], command->words[1]) == 0)
			return command;
	}
	return NULL;
}

static enum ctl_status
show_result(struct ctl *ctl, const struct command *command, json_t *result)
{
	enum ctl_status status;

	if (ctl->json)
		ctl_print_json(result);
	else if (command->show != NULL)
		command->show(stdout, result);
	status = ctl_flush();
	if (status == CTL_OK && command->good != NULL && !command->good(result))
		status = CTL_REFUSED;
	return status;
}

static enum ctl_status
run_plain(struct ctl *ctl, const struct command *command, char **args)
{
	json_t *params = NULL, *result;
	enum ctl_status status;

	if (command->params != NULL && !command->params(args, &params))
		return CTL_USAGE;
	status = ctl_connect(ctl);
	if (status != CTL_OK) {
		json_decref(params);
		goto close;
	}
	status = ctl_call(ctl, command->method, params, command->type, &result);
	if (status != CTL_OK)
		goto close;
	status = show_result(ctl, command, result);
	json_decref(result);
close:
	client_close(&ctl->client);
	return status;
}

enum ctl_status
command_run(struct ctl *ctl, const struct command *command, unsigned int nb_args, char **args)
{
	const char *second = command->words[1];

	if (nb_args < command->min_args || nb_args > command->max_args) {
		ctl_complain("%s%s%s: %s, expected %s", command->words[0],
			second != NULL ? " " : "", second != NULL ? second : "",
			nb_args < command->min_args ? "too few arguments" : "too many arguments",
			command->args[0] != '\0' ? command->args : "none");
		return CTL_USAGE;
	}
	if (command->run != NULL)
		return command->run(ctl, nb_args, args);
	return run_plain(ctl, command, args);
}

void
commands_help(FILE *out)
{
	for (unsigned int i = 0; i < DIM(commands); i++) {
		const char *second = commands[i].words[1];
		int columns = fprintf(out, "  %s%s%s %s", commands[i].words[0],
			second != NULL ? " " : "", second != NULL ? second : "", commands[i].args);

		fprintf(out, "%*s%s\n", columns < COMMAND_COLUMNS ? COMMAND_COLUMNS - columns : 1,
			"", commands[i].help);
	}
}
