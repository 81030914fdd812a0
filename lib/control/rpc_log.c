/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * log.set: the level of log types, by name or pattern.
 *
 * DPDK's own function for a pattern keeps each one it was ever given, for types that come later; it
 * is not used here, where somebody may ask any number of times.
 *
 * Thread rule: main thread; levels may be read by any thread at any time.
 */

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_log.h>

#include "rpc_priv.h"

static const char *const levels[] = {
	"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

static int
find_level(const char *name)
{
	for (unsigned int i = 0; i < RTE_DIM(levels); i++)
		if (strcmp(levels[i], name) == 0)
			return RTE_LOG_EMERG + i;
	return -1;
}

/* The names of all types, a line each; NULL: out of memory. To be freed. */
static char *
type_names(void)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	rte_log_list_types(stream, "");
	fclose(stream);
	return text;
}

int
rpc_log_set(struct rpc_call *call)
{
	const char *pattern = json_string_value(json_object_get(call->params, "type"));
	const char *level_name = json_string_value(json_object_get(call->params, "level"));
	int level = find_level(level_name);
	char *names, *next, *name;
	json_t *types;

	if (level < 0)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"log.set: level '%.60s', expected emergency, alert, critical, error, "
			"warning, notice, info or debug",
			level_name);
	next = names = type_names();
	types = json_array();
	while ((name = strsep(&next, "\n")) != NULL) {
		if (*name == '\0' || fnmatch(pattern, name, 0) != 0)
			continue;
		/* Of a type that is there, this is its number. */
		rte_log_set_level(rte_log_register(name), level);
		json_array_append_new(types, json_string(name));
	}
	free(names);
	if (json_array_size(types) == 0) {
		json_decref(types);
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"log.set: type '%.60s', expected a log type such as airlock.vnic, or a "
			"pattern such as 'airlock.*'",
			pattern);
	}
	call->result = json_pack("{s:o, s:s}", "types", types, "level", level_name);
	return 0;
}
