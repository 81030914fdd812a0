/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The command line behind the EAL's "--".
 *
 * Flags win over the file, and -c may stand anywhere, so this goes in two steps: collect which flag
 * was given with which text, then, after config_file.c has read the file, set the values.
 *
 * getopt_long() takes any unique beginning of a flag for the flag. Here a flag has to be written
 * out: what is unique today is ambiguous when the next flag is added.
 *
 * Thread rule: main thread; getopt_long() has global state.
 */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

/* Beyond any character, so that no long flag looks like a short one. */
#define LONG_BASE 256

/* No list has more keys; a longer one repeats some. */
#define PAIRS_MAX CONFIG_KEY_MAX

static void
options_of_keys(struct option *options)
{
	for (unsigned int i = 0; i < CONFIG_KEY_MAX; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->flag == NULL || key->flag[1] != '-')
			continue;
		*options++ = (struct option){
			.name = key->name,
			.has_arg = key->type == CONFIG_SWITCH ? no_argument : required_argument,
			.val = LONG_BASE + i,
		};
	}
	*options = (struct option){0};
}

static enum config_key_id
key_of_option(int option)
{
	switch (option) {
	case 'c':
		return CONFIG_KEY_FILE;
	case 'h':
		return CONFIG_KEY_HELP;
	default:
		return option - LONG_BASE;
	}
}

static bool
written_out(const struct config_key *key, const char *arg)
{
	size_t len = strcspn(arg, "=");

	/* A short flag has no shorter form. */
	return strncmp(arg, "--", 2) != 0 ||
		(strlen(key->flag) == len && strncmp(key->flag, arg, len) == 0);
}

static int
fail_unknown(struct config_draft *draft, const char *arg)
{
	char flag[64];

	/* Of "--flag=value" the flag, of "-xyz" the "-x". */
	snprintf(flag, sizeof(flag), "%.*s",
		strncmp(arg, "--", 2) == 0 ? (int)RTE_MIN(strcspn(arg, "="), (size_t)60) : 2, arg);
	return config_fail(draft, (struct config_where){.flag = flag},
		"unknown flag, expected one that --help lists");
}

static int
fail_no_value(struct config_draft *draft, const struct config_key *key)
{
	char expected[128];

	return config_fail(draft, (struct config_where){.flag = key->flag}, "no value, expected %s",
		config_key_expected(key, expected, sizeof(expected)));
}

/* Returns a key's index, CONFIG_KEY_MAX at the end, or -EINVAL. */
static int
next_option(struct config_draft *draft, int argc, char **argv, const struct option *options)
{
	int arg = optind == 0 ? 1 : optind;
	int option = getopt_long(argc, argv, "+:c:h", options, NULL);
	enum config_key_id id;

	if (option == -1) {
		if (optind >= argc)
			return CONFIG_KEY_MAX;
		return config_fail(draft, (struct config_where){.flag = "command line"},
			"stray argument '%.60s', expected only flags", argv[optind]);
	}
	if (option == '?' && optopt < LONG_BASE)
		return fail_unknown(draft, argv[arg]);

	id = key_of_option(option == '?' || option == ':' ? optopt : option);
	if (!written_out(&config_keys[id], argv[arg]))
		return fail_unknown(draft, argv[arg]);
	if (option == '?')
		return config_fail(draft, (struct config_where){.flag = config_keys[id].flag},
			"value '%.60s', expected no value", strchr(argv[arg], '=') + 1);
	if (option == ':')
		return fail_no_value(draft, &config_keys[id]);
	return id;
}

enum airlock_config_verdict
config_options_collect(struct config_draft *draft, int argc, char **argv)
{
	struct option options[CONFIG_KEY_MAX + 1];
	int id;

	options_of_keys(options);
	opterr = 0;
	/* Not 1: glibc then also forgets what the EAL's own call has left behind. */
	optind = 0;
	while ((id = next_option(draft, argc, argv, options)) != CONFIG_KEY_MAX) {
		if (id < 0)
			return AIRLOCK_CONFIG_BAD;
		if (id == CONFIG_KEY_HELP)
			return AIRLOCK_CONFIG_HELP;
		if (id == CONFIG_KEY_VERSION)
			return AIRLOCK_CONFIG_VERSION;
		draft->uses[draft->nb_uses++] = (struct config_use){.id = id, .text = optarg};
	}
	return AIRLOCK_CONFIG_RUN;
}

/* The pair that names the entry, or NULL. */
static const struct config_pair *
find_identity(enum config_scope scope, const struct config_pair *pairs, int nb_pairs)
{
	for (int i = 0; i < nb_pairs; i++) {
		enum config_key_id id = config_key_find(scope, pairs[i].key);

		if (id != CONFIG_KEY_MAX && config_keys[id].identity)
			return &pairs[i];
	}
	return NULL;
}

static int
check_pairs(struct config_draft *draft, struct config_where where, enum config_scope scope,
	const struct config_pair *pairs, int nb_pairs)
{
	char names[CONFIG_NAMES_MAX];

	for (int i = 0; i < nb_pairs; i++) {
		if (config_key_find(scope, pairs[i].key) == CONFIG_KEY_MAX)
			return config_fail(draft, where, "key '%.60s', expected one of %s",
				pairs[i].key, config_key_names(scope, true, names, sizeof(names)));
		if (pairs[i].value == NULL)
			return config_fail(draft, where, "'%s' without a value, expected %s=VALUE",
				pairs[i].key, pairs[i].key);
	}
	return 0;
}

static int
set_pairs(struct config_draft *draft, enum config_scope scope, const struct config_pair *pairs,
	int nb_pairs, const struct config_pair *identity)
{
	bool is_vm = scope == CONFIG_SCOPE_VM;
	struct config_where where = {.flag = is_vm ? "--vm" : "--uplink"};
	struct config_marks *marks;
	void *object;
	int idx;

	if (is_vm)
		idx = config_open_vm(draft, identity->value, where);
	else
		idx = config_open_uplink(draft, identity->value, where);
	if (idx < 0)
		return idx;
	object = is_vm ? (void *)&draft->config->vms[idx] : (void *)&draft->config->uplinks[idx];
	marks = is_vm ? &draft->vms[idx] : &draft->uplinks[idx];

	for (int i = 0; i < nb_pairs; i++) {
		enum config_key_id id = config_key_find(scope, pairs[i].key);
		int ret = config_set(draft, id, object, marks, where, pairs[i].value);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
apply_list(struct config_draft *draft, const struct config_use *use)
{
	enum config_scope scope = use->id == CONFIG_KEY_VM ? CONFIG_SCOPE_VM : CONFIG_SCOPE_UPLINK;
	const struct config_key *key = &config_keys[use->id];
	struct config_where where = {.flag = key->flag};
	const struct config_pair *identity;
	struct config_pair pairs[PAIRS_MAX];
	char *text = strdup(use->text);
	int nb_pairs;
	int ret;

	if (text == NULL)
		return config_fail(draft, where, "out of memory, expected room for its keys");
	nb_pairs = config_list_cut(text, pairs, RTE_DIM(pairs));
	if (nb_pairs < 0) {
		ret = config_fail(
			draft, where, "more than %u keys, expected %s", PAIRS_MAX, key->arg);
		goto out;
	}
	ret = check_pairs(draft, where, scope, pairs, nb_pairs);
	if (ret < 0)
		goto out;
	identity = find_identity(scope, pairs, nb_pairs);
	if (identity == NULL) {
		ret = config_fail(draft, where, "'%.60s', expected %s", use->text, key->arg);
		goto out;
	}
	ret = set_pairs(draft, scope, pairs, nb_pairs, identity);
out:
	free(text);
	return ret;
}

int
config_options_apply(struct config_draft *draft)
{
	int ret = 0;

	for (unsigned int i = 0; i < draft->nb_uses && ret == 0; i++) {
		const struct config_use *use = &draft->uses[i];
		const struct config_key *key = &config_keys[use->id];

		if (key->type == CONFIG_LIST)
			ret = apply_list(draft, use);
		else if (key->type == CONFIG_SWITCH)
			*(bool *)RTE_PTR_ADD(draft->config, key->offset) = true;
		else if (use->id != CONFIG_KEY_FILE)
			ret = config_set(draft, use->id, draft->config, &draft->marks,
				(struct config_where){.flag = key->flag}, use->text);
	}
	return ret;
}
