/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The configuration as a whole: defaults, then the file, then the flags, then the checks.
 *
 * The way of a value: config_options.c sorts the command line and finds -c, config_file.c reads the
 * file, config_options.c sets the flags over it, config_check.c fills in what depends on other
 * values and checks the whole, config_lcores.c places the work. All of them write into one draft,
 * which remembers for every value where it stood: an error has to name that place, and the same
 * source may give a value only once.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

#include "config_priv.h"

const char *
config_where_text(
	const struct config_draft *draft, struct config_where where, struct airlock_origin *origin)
{
	/* Room for "...", ":" and a line number. */
	const size_t file_max = sizeof(origin->text) - 16;
	const char *file = draft->config->file;
	size_t len = strlen(file);
	bool cut = len > file_max;

	if (where.flag != NULL)
		snprintf(origin->text, sizeof(origin->text), "%s", where.flag);
	else if (where.line != 0)
		snprintf(origin->text, sizeof(origin->text), "%s%.*s:%u", cut ? "..." : "",
			(int)file_max, cut ? file + len - file_max : file, where.line);
	else
		snprintf(origin->text, sizeof(origin->text), "default");
	return origin->text;
}

int
config_fail(struct config_draft *draft, struct config_where where, const char *format, ...)
{
	struct airlock_origin origin;
	va_list args;
	int len;

	len = snprintf(
		draft->error, AIRLOCK_ERROR_MAX, "%s: ", config_where_text(draft, where, &origin));
	va_start(args, format);
	vsnprintf(draft->error + len, AIRLOCK_ERROR_MAX - len, format, args);
	va_end(args);

	/* What was found may be anything; the line must stay a line, and harmless on a terminal. */
	for (char *c = draft->error; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}

int
config_set(struct config_draft *draft, enum config_key_id id, void *object,
	struct config_marks *marks, struct config_where where, const char *text)
{
	const struct config_key *key = &config_keys[id];
	struct config_where *before = &marks->key[id];
	/* In the message, a flag need not be named twice. */
	const char *name = key->flag != NULL && where.flag != NULL ? "value" : key->name;
	struct airlock_origin origin;
	char expected[128];

	if (before->flag != NULL && where.flag != NULL)
		return config_fail(
			draft, where, "%s '%.60s' is a second one, expected one", name, text);
	if (before->line != 0 && where.line != 0)
		return config_fail(draft, where,
			"%s '%.60s' is a second one after %s, expected one", name, text,
			config_where_text(draft, *before, &origin));
	if (config_value_store(key, object, text) < 0)
		return config_fail(draft, where, "%s '%.60s'%s, expected %s", name, text,
			strlen(text) > 60 ? "..." : "",
			config_key_expected(key, expected, sizeof(expected)));
	*before = where;
	return 0;
}

/* A new entry, or one of the file that a flag changes. */
static int
mark_entry(struct config_draft *draft, struct config_marks *marks, struct airlock_origin *origin,
	struct config_where where, const char *what)
{
	struct config_where *mine = where.flag != NULL ? &marks->flag : &marks->file;
	struct airlock_origin first;

	if (mine->flag != NULL)
		return config_fail(draft, where, "%s is a second one, expected one", what);
	if (mine->line != 0)
		return config_fail(draft, where, "%s is a second one after %s, expected one", what,
			config_where_text(draft, *mine, &first));
	*mine = where;
	config_where_text(draft, where, origin);
	return 0;
}

static void
set_defaults(enum config_scope scope, void *object)
{
	for (unsigned int i = 0; i < CONFIG_KEY_MAX; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->scope == scope && key->initial != NULL)
			config_value_store(key, object, key->initial);
	}
}

int
config_open_uplink(struct config_draft *draft, const char *port, struct config_where where)
{
	const struct config_key *key = &config_keys[CONFIG_KEY_UPLINK_PORT];
	struct airlock_config *config = draft->config;
	struct airlock_config_uplink *uplink;
	char what[64];
	uint32_t port_id;
	uint16_t i;

	if (config_number(port, key->min, key->max, &port_id) < 0)
		return config_fail(draft, where, "port '%.60s', expected a number from %u to %u",
			port, (unsigned int)key->min, (unsigned int)key->max);
	for (i = 0; i < config->nb_uplinks; i++)
		if (config->uplinks[i].port_id == port_id)
			break;
	if (i == AIRLOCK_MAX_UPLINKS)
		return config_fail(draft, where, "uplink %u is one too many, expected at most %u",
			port_id, AIRLOCK_MAX_UPLINKS);
	uplink = &config->uplinks[i];
	if (i == config->nb_uplinks) {
		set_defaults(CONFIG_SCOPE_UPLINK, uplink);
		uplink->port_id = port_id;
		config->nb_uplinks++;
	}
	snprintf(what, sizeof(what), "uplink %u", port_id);
	if (mark_entry(draft, &draft->uplinks[i], &uplink->origin, where, what) < 0)
		return -EINVAL;
	return i;
}

int
config_open_vm(struct config_draft *draft, const char *name, struct config_where where)
{
	const struct config_key *key = &config_keys[CONFIG_KEY_VM_NAME];
	struct airlock_config *config = draft->config;
	struct airlock_config_vm *vm;
	char what[64];
	char expected[128];
	uint16_t i;

	for (i = 0; i < config->nb_vms; i++)
		if (strcmp(config->vms[i].name, name) == 0)
			break;
	if (i == AIRLOCK_MAX_VMS)
		return config_fail(draft, where, "VM '%.60s' is one too many, expected at most %u",
			name, AIRLOCK_MAX_VMS);
	vm = &config->vms[i];
	if (i == config->nb_vms) {
		/* What is left of a VM that was there before is not this one's. */
		*vm = (struct airlock_config_vm){0};
		if (config_value_store(key, vm, name) < 0)
			return config_fail(draft, where, "name '%.60s'%s, expected %s", name,
				strlen(name) > 60 ? "..." : "",
				config_key_expected(key, expected, sizeof(expected)));
		set_defaults(CONFIG_SCOPE_VM, vm);
		config->nb_vms++;
	}
	snprintf(what, sizeof(what), "VM '%s'", vm->name);
	if (mark_entry(draft, &draft->vms[i], &vm->origin, where, what) < 0)
		return -EINVAL;
	return i;
}

void
config_draft_destroy(struct config_draft *draft)
{
	if (draft == NULL)
		return;
	free(draft->uses);
	free(draft->vms);
	free(draft);
}

struct config_draft *
config_draft_create(struct airlock_config *config, unsigned int nb_uses, char *error)
{
	struct config_draft *draft = calloc(1, sizeof(*draft));

	if (draft == NULL)
		return NULL;
	draft->config = config;
	draft->error = error;
	draft->uses = calloc(RTE_MAX(nb_uses, 1u), sizeof(*draft->uses));
	draft->vms = calloc(AIRLOCK_MAX_VMS, sizeof(*draft->vms));
	if (draft->uses == NULL || draft->vms == NULL) {
		config_draft_destroy(draft);
		return NULL;
	}
	return draft;
}

static int
read_file(struct config_draft *draft)
{
	for (unsigned int i = 0; i < draft->nb_uses; i++) {
		const struct config_use *use = &draft->uses[i];
		int ret;

		if (use->id != CONFIG_KEY_FILE)
			continue;
		ret = config_set(draft, use->id, draft->config, &draft->marks,
			(struct config_where){.flag = config_keys[use->id].flag}, use->text);
		if (ret < 0)
			return ret;
	}
	return draft->config->file[0] == '\0' ? 0 : config_file_read(draft);
}

static int
fill(struct config_draft *draft)
{
	int ret;

	set_defaults(CONFIG_SCOPE_AIRLOCK, draft->config);
	ret = read_file(draft);
	if (ret == 0)
		ret = config_options_apply(draft);
	if (ret == 0)
		ret = config_check(draft);
	if (ret == 0)
		ret = config_lcores_apply(draft);
	return ret;
}

enum airlock_config_verdict
airlock_config_parse(
	struct airlock_config *config, int argc, char **argv, char error[static AIRLOCK_ERROR_MAX])
{
	enum airlock_config_verdict verdict;
	struct config_draft *draft;

	memset(config, 0, sizeof(*config));
	error[0] = '\0';
	config->vms = calloc(AIRLOCK_MAX_VMS, sizeof(*config->vms));
	draft = config_draft_create(config, argc, error);
	if (draft == NULL || config->vms == NULL) {
		config_draft_destroy(draft);
		strlcpy(error, "configuration: out of memory, expected room for it",
			AIRLOCK_ERROR_MAX);
		return AIRLOCK_CONFIG_BAD;
	}
	verdict = config_options_collect(draft, argc, argv);
	if (verdict == AIRLOCK_CONFIG_RUN && fill(draft) < 0)
		verdict = AIRLOCK_CONFIG_BAD;
	config_draft_destroy(draft);
	return verdict;
}

void
airlock_config_fini(struct airlock_config *config)
{
	free(config->text);
	config->text = NULL;
	config->text_len = 0;
	free(config->vms);
	config->vms = NULL;
	config->nb_vms = 0;
	free(config->stages);
	config->stages = NULL;
	config->nb_stages = 0;
}
