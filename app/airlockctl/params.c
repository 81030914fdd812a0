/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * From words to parameters; see params.h. Called by commands.c.
 *
 * Thread rule: one thread.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "params.h"

bool
params_add_pair(const char *command, json_t *params, const char *pair, size_t len)
{
	const char *equals = memchr(pair, '=', len);
	char *key;
	bool twice;

	if (equals == NULL || equals == pair) {
		ctl_complain("%s: '%.*s', expected KEY=VALUE", command, (int)len, pair);
		return false;
	}
	key = strndup(pair, equals - pair);
	if (key == NULL)
		return false;
	twice = json_object_get(params, key) != NULL;
	if (twice)
		ctl_complain("%s: key '%s' twice", command, key);
	else if (json_object_set_new(
			 params, key, json_stringn(equals + 1, len - (equals + 1 - pair))) < 0)
		ctl_complain("%s: '%.*s' is not text", command, (int)len, pair);
	else
		len = 0;
	free(key);
	return len == 0;
}

/* All of "KEY=VALUE,...", into *params*, which is given back if they are wrong. */
static bool
add_pairs(json_t *params, const char *command, const char *pair)
{
	bool right = true;

	while (right && pair != NULL) {
		const char *comma = strchr(pair, ',');

		right = params_add_pair(command, params, pair,
			comma != NULL ? (size_t)(comma - pair) : strlen(pair));
		pair = comma != NULL ? comma + 1 : NULL;
	}
	if (!right)
		json_decref(params);
	return right;
}

bool
params_vm_keys(char **args, json_t **params)
{
	*params = json_object();
	return add_pairs(*params, "vm add", args[0]);
}

bool
params_vm_change(char **args, json_t **params)
{
	return params_name(args, params) && add_pairs(*params, "vm set", args[1]);
}

bool
params_name(char **args, json_t **params)
{
	*params = json_pack("{s:s}", "name", args[0]);
	if (*params == NULL)
		ctl_complain("name '%s' is not text", args[0]);
	return *params != NULL;
}

bool
params_add_path(const char *command, json_t *params, const char *path)
{
	/* An empty one is the daemon's to refuse. */
	bool is_whole = path[0] == '/' || path[0] == '\0';
	char *directory = is_whole ? strdup("") : getcwd(NULL, 0), *whole = NULL;
	int ret;

	if (directory == NULL ||
		asprintf(&whole, "%s%s%s", directory, is_whole ? "" : "/", path) < 0) {
		ctl_complain("%s: current directory: %s", command, strerror(errno));
		free(directory);
		return false;
	}
	ret = json_object_set_new(params, "file", json_string(whole));
	free(directory);
	free(whole);
	if (ret < 0)
		ctl_complain("%s: file '%s' is not text", command, path);
	return ret == 0;
}

bool
params_file(char **args, json_t **params)
{
	*params = NULL;
	if (args[0] == NULL)
		return true;
	*params = json_object();
	if (params_add_path("config save", *params, args[0]))
		return true;
	json_decref(*params);
	return false;
}

bool
params_log(char **args, json_t **params)
{
	*params = json_pack("{s:s, s:s}", "type", args[0], "level", args[1]);
	if (*params == NULL)
		ctl_complain("log set: '%s' or '%s' is not text", args[0], args[1]);
	return *params != NULL;
}

bool
params_json(const char *text, json_t **params)
{
	json_error_t error;

	*params = NULL;
	if (text == NULL)
		return true;
	*params = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (*params == NULL)
		ctl_complain("rpc: parameters, byte %d: %s; expected an object or an array",
			error.position, error.text);
	return *params != NULL;
}
