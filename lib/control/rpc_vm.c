/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Methods that add, change and delete VMs. Keys and their checks are those of --vm (config_keys.c,
 * config_vm.c); a value may be written as a string, as there, or as JSON's own kind.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <airlock_pipeline.h>

#include "config_priv.h"
#include "rpc_priv.h"

/* The value as --vm would have it, in *number* where it has no text of its own; NULL: none. */
static const char *
value_text(const struct config_key *key, const json_t *value, char *number, size_t size)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value) && (key->type == CONFIG_NUMBER || key->type == CONFIG_AMOUNT)) {
		snprintf(number, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return number;
	}
	if (json_is_boolean(value) && key->words[1] != NULL && strcmp(key->words[1], "on") == 0)
		return json_is_true(value) ? "on" : "off";
	return NULL;
}

/* Parameters to pairs. One more than there are keys is enough to find one that is none. */
static int
cut_params(struct rpc_call *call, struct airlock_config_pair *pairs, char (*numbers)[32])
{
	unsigned int nb = 0;
	char expected[128];
	const char *name;
	json_t *value;

	/* Iteration does not change it. */
	json_object_foreach((json_t *)(uintptr_t)call->params, name, value)
	{
		enum config_key_id id = config_key_find(CONFIG_SCOPE_VM, name);
		const struct config_key *key = &config_keys[id % CONFIG_KEY_MAX];

		pairs[nb].key = name;
		/* An unknown key is the configuration's to refuse. */
		pairs[nb].value = id == CONFIG_KEY_MAX
			? ""
			: value_text(key, value, numbers[nb], sizeof(numbers[nb]));
		if (pairs[nb].value == NULL)
			return rpc_fail(call, RPC_INVALID_PARAMS, "%s: %s is %s, expected %s",
				call->method->name, name, rpc_kind(value),
				config_key_expected(key, expected, sizeof(expected)));
		if (++nb == CONFIG_KEY_MAX)
			break;
	}
	return nb;
}

static int
add(struct rpc_call *call, const struct airlock_config_vm *vm)
{
	char error[AIRLOCK_ERROR_MAX];
	int id, ret;

	if (vm->deliver != AIRLOCK_DELIVER_COPY && !call->env->windows)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"vm.add: deliver '%s', expected copy: no VM had a window when airlockd "
			"started",
			airlock_deliver_name(vm->deliver));
	if (airlock_config_check_device(vm, error) < 0)
		return rpc_fail(call, RPC_INVALID_PARAMS, "%s", error);
	id = airlock_config_start_vm(call->env->config, vm, call->env->pipeline);
	if (id < 0)
		return rpc_fail(call, RPC_FAILED, "vm.add: cannot add VM '%s': %s", vm->name,
			id == -EINVAL ? "no lcore runs all its queues (see [lcores])"
				      : strerror(-id));
	ret = airlock_config_start_mirror(vm, call->env->pipeline);
	if (ret < 0) {
		airlock_pipeline_del_vm(call->env->pipeline, id);
		return rpc_fail(call, RPC_FAILED, "vm.add: cannot mirror VM '%s': %s", vm->name,
			strerror(-ret));
	}
	call->result = rpc_vm_brief(call->env->pipeline, id);
	return 0;
}

int
rpc_vm_add(struct rpc_call *call)
{
	struct airlock_config_pair pairs[CONFIG_KEY_MAX];
	struct airlock_config *config = call->env->config;
	char numbers[CONFIG_KEY_MAX][32];
	char error[AIRLOCK_ERROR_MAX];
	int nb = cut_params(call, pairs, numbers), idx;

	if (nb < 0)
		return -1;
	idx = airlock_config_add_vm(config, pairs, nb, "vm.add", error);
	if (idx < 0)
		return rpc_fail(call, idx == -EINVAL ? RPC_INVALID_PARAMS : RPC_INTERNAL_ERROR,
			"%s", error);
	if (add(call, &config->vms[idx]) == 0)
		return 0;
	airlock_config_del_vm(config, config->vms[idx].name);
	return -1;
}

int
rpc_vm_set(struct rpc_call *call)
{
	struct airlock_pipeline *pipeline = call->env->pipeline;
	struct airlock_config_pair pairs[CONFIG_KEY_MAX];
	struct airlock_config *config = call->env->config;
	char numbers[CONFIG_KEY_MAX][32];
	char error[AIRLOCK_ERROR_MAX];
	int nb = cut_params(call, pairs, numbers), idx;

	if (nb < 0)
		return -1;
	idx = airlock_config_set_vm(config, pipeline, pairs, nb, "vm.set", error);
	if (idx < 0)
		return rpc_fail(
			call, idx == -EINVAL ? RPC_INVALID_PARAMS : RPC_FAILED, "%s", error);
	call->result =
		rpc_vm_brief(pipeline, airlock_pipeline_find_vm(pipeline, config->vms[idx].name));
	return 0;
}

int
rpc_vm_del(struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(call->params, "name"));
	int id = airlock_pipeline_find_vm(call->env->pipeline, name);
	const struct airlock_config_vm *mirrored =
		airlock_config_mirrored_to(call->env->config, name);

	if (mirrored != NULL)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"vm.del: name '%s', expected a VM that gets no copies; it gets those of "
			"VM '%s'",
			name, mirrored->name);
	if (id < 0 || airlock_pipeline_del_vm(call->env->pipeline, id) < 0)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"vm.del: name '%.60s', expected that of a VM; vm.list has them", name);
	rpc_baseline_forget(call->env->baseline, id);
	airlock_config_del_vm(call->env->config, name);
	call->result = json_true();
	return 0;
}
