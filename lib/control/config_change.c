/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM of a configuration that is in use is changed. Which keys may change at run time, and by
 * which function, the table of keys says (config_keys.c): one that can only be used when the VM's
 * socket is opened has none.
 *
 * The configuration's VM is changed in place and checked against all others; then the pipeline is
 * told, each function once. If one of them fails, those before it are told the old values, and the
 * configuration gets them back.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <string.h>

#include "config_priv.h"

int
config_change_net(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm)
{
	struct airlock_pipeline_vm_net net = config_vm_net(vm);

	return airlock_pipeline_set_vm_net(pipeline, vm_id, &net);
}

int
config_change_limits(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm)
{
	struct airlock_limits limits = airlock_config_limits(vm);

	return airlock_pipeline_limit_vm(pipeline, vm_id, &limits);
}

int
config_change_mirror(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm)
{
	int to = -1;

	if (strcmp(vm->mirror, CONFIG_NO_MIRROR) != 0) {
		to = airlock_pipeline_find_vm(pipeline, vm->mirror);
		if (to < 0)
			return to;
	}
	return airlock_pipeline_mirror_vm(pipeline, vm_id, to, vm->mirror_direction);
}

int
config_change_deliver(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm)
{
	return airlock_pipeline_set_vm_deliver(pipeline, vm_id, vm->deliver);
}

int
config_change_quota(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm)
{
	return airlock_pipeline_set_vm_quota(pipeline, vm_id, vm->quota_pages);
}

int
config_change_stray(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm)
{
	return airlock_pipeline_set_vm_stray(pipeline, vm_id, vm->stray);
}

static int
find_vm(struct config_draft *draft, struct config_where where,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs)
{
	const struct airlock_config_pair *name = config_find_pair(pairs, nb_pairs, "name");
	const struct airlock_config *config = draft->config;

	if (name == NULL)
		return config_fail(draft, where, "no name, expected that of a VM");
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (strcmp(config->vms[i].name, name->value) == 0)
			return i;
	return config_fail(
		draft, where, "name '%.60s', expected that of a VM; vm.list has them", name->value);
}

/* Keys that are there may be changed, and there are some. */
static int
check_changeable(struct config_draft *draft, struct config_where where,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs)
{
	unsigned int nb_changes = 0;
	char names[CONFIG_NAMES_MAX];

	if (config_check_keys(draft, where, pairs, nb_pairs) < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < nb_pairs; i++) {
		const struct config_key *key =
			&config_keys[config_key_find(CONFIG_SCOPE_VM, pairs[i].key)];

		nb_changes += key->change != NULL;
		if (key->change == NULL && !key->identity)
			return config_fail(draft, where,
				"%s cannot be changed while the VM is there, expected one of %s",
				key->name, config_key_changeable(names, sizeof(names)));
	}
	if (nb_changes == 0)
		return config_fail(draft, where, "nothing to change, expected one of %s",
			config_key_changeable(names, sizeof(names)));
	return 0;
}

/* A VM has a window for all of its life, or never. */
static int
check_window(struct config_draft *draft, struct config_where where,
	const struct airlock_config_vm *old, const struct airlock_config_vm *vm)
{
	bool had = old->deliver != AIRLOCK_DELIVER_COPY;

	if (had == (vm->deliver != AIRLOCK_DELIVER_COPY))
		return 0;
	return config_fail(draft, where, "deliver '%s', expected %s: VM '%s' has %s",
		airlock_deliver_name(vm->deliver), had ? "auto or remap" : "copy", vm->name,
		had ? "a window" : "no window");
}

static int
draft_change(struct config_draft *draft, struct config_where where, uint16_t idx,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs)
{
	struct airlock_config_vm *vm = &draft->config->vms[idx];
	const struct airlock_config_vm old = *vm;

	draft->vms[idx].flag = where;
	for (unsigned int i = 0; i < nb_pairs; i++)
		if (config_set(draft, config_key_find(CONFIG_SCOPE_VM, pairs[i].key), vm,
			    &draft->vms[idx], where, pairs[i].value) < 0)
			return -EINVAL;
	return check_window(draft, where, &old, vm) < 0 ? -EINVAL : config_check_change(draft, idx);
}

/* Is it the change of a key that was given, and of none before it that was? */
static bool
is_first(const struct config_marks *marks, unsigned int id)
{
	if (config_keys[id].change == NULL || marks->key[id].flag == NULL)
		return false;
	for (unsigned int i = 0; i < id; i++)
		if (marks->key[i].flag != NULL && config_keys[i].change == config_keys[id].change)
			return false;
	return true;
}

static int
tell_pipeline(struct config_draft *draft, struct airlock_pipeline *pipeline, uint16_t idx,
	const struct airlock_config_vm *old)
{
	const struct airlock_config_vm *vm = &draft->config->vms[idx];
	const struct config_marks *marks = &draft->vms[idx];
	int vm_id = airlock_pipeline_find_vm(pipeline, vm->name), ret;

	if (vm_id < 0)
		return vm_id;
	for (unsigned int id = 0; id < CONFIG_KEY_MAX; id++) {
		if (!is_first(marks, id))
			continue;
		ret = config_keys[id].change(pipeline, vm_id, vm);
		if (ret == 0)
			continue;
		/* It has changed nothing; those before it are taken back. */
		while (id-- > 0)
			if (is_first(marks, id))
				config_keys[id].change(pipeline, vm_id, old);
		return ret;
	}
	return 0;
}

static int
change(struct config_draft *draft, struct airlock_pipeline *pipeline,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs, const char *origin)
{
	struct config_where where = {.flag = origin};
	int idx = find_vm(draft, where, pairs, nb_pairs), ret;
	struct airlock_config_vm *vm, old;

	if (idx < 0 || check_changeable(draft, where, pairs, nb_pairs) < 0)
		return -EINVAL;
	vm = &draft->config->vms[idx];
	old = *vm;
	ret = draft_change(draft, where, idx, pairs, nb_pairs);
	if (ret == 0) {
		ret = tell_pipeline(draft, pipeline, idx, &old);
		if (ret < 0)
			config_fail(draft, where, "cannot change VM '%s': %s", vm->name,
				strerror(-ret));
	}
	if (ret < 0)
		*vm = old;
	return ret < 0 ? ret : idx;
}

int
airlock_config_set_vm(struct airlock_config *config, struct airlock_pipeline *pipeline,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs, const char *origin,
	char error[static AIRLOCK_ERROR_MAX])
{
	struct config_draft *draft = config_draft_create(config, 0, error);
	int ret;

	if (draft == NULL) {
		snprintf(error, AIRLOCK_ERROR_MAX, "%s: out of memory", origin);
		return -ENOMEM;
	}
	ret = change(draft, pipeline, pairs, nb_pairs, origin);
	config_draft_destroy(draft);
	return ret;
}
