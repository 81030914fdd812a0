/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Methods that show the configuration as it is now, and save it.
 *
 * Thread rule: main thread.
 */

#include <stdlib.h>
#include <string.h>

#include "config_priv.h"
#include "rpc_priv.h"

/* Values as the file has them; numbers, where the key is one, as numbers. */
static json_t *
make_section(const struct airlock_config *config, enum config_scope scope, const void *object)
{
	json_t *section = json_object();
	char text[PATH_MAX];

	for (unsigned int id = 0; id < CONFIG_KEY_MAX; id++) {
		const struct config_key *key = &config_keys[id];

		if (key->scope != scope || key->identity)
			continue;
		config_text(config, id, object, text, sizeof(text));
		if (*text == '\0')
			continue;
		if (key->type == CONFIG_NUMBER || key->type == CONFIG_AMOUNT)
			rpc_set_uint(section, key->name, strtoull(text, NULL, 10));
		else
			rpc_set_text(section, key->name, text);
	}
	return section;
}

static json_t *
make_lcores(const struct airlock_config *config)
{
	json_t *lcores = json_object();
	char lcore[16], *stages;

	for (uint16_t i = 0; i < config->nb_stages; i++) {
		snprintf(lcore, sizeof(lcore), "%u", config->stages[i].lcore_id);
		if (json_object_get(lcores, lcore) != NULL)
			continue;
		stages = config_lcores_text(config, config->stages[i].lcore_id);
		json_object_set_new(lcores, lcore, json_string(stages));
		free(stages);
	}
	return lcores;
}

int
rpc_config_get(struct rpc_call *call)
{
	const struct airlock_config *config = call->env->config;
	json_t *uplinks = json_object(), *vms = json_object();
	char port[16];

	for (uint16_t i = 0; i < config->nb_uplinks; i++) {
		snprintf(port, sizeof(port), "%u", config->uplinks[i].port_id);
		json_object_set_new(uplinks, port,
			make_section(config, CONFIG_SCOPE_UPLINK, &config->uplinks[i]));
	}
	for (uint16_t i = 0; i < config->nb_vms; i++)
		json_object_set_new(vms, config->vms[i].name,
			make_section(config, CONFIG_SCOPE_VM, &config->vms[i]));
	call->result = json_pack("{s:o, s:o, s:o, s:o, s:o}", "file", rpc_text(config->file),
		"airlock", make_section(config, CONFIG_SCOPE_AIRLOCK, config), "uplinks", uplinks,
		"vms", vms, "lcores", make_lcores(config));
	return 0;
}

int
rpc_config_save(struct rpc_call *call)
{
	const char *file = json_string_value(json_object_get(call->params, "file"));
	struct airlock_config *config = call->env->config;
	char error[AIRLOCK_ERROR_MAX];

	if (file != NULL && (file[0] != '/' || strlen(file) >= sizeof(config->file)))
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"config.save: file '%.200s', expected an absolute path of at most %zu "
			"bytes",
			file, sizeof(config->file) - 1);
	if (airlock_config_save(config, file, "config.save", error) < 0)
		return rpc_fail(call, RPC_FAILED, "%s", error);
	call->result = json_pack("{s:o}", "file", rpc_text(file != NULL ? file : config->file));
	return 0;
}
