/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * VMs of a configuration that is in use: one is added or taken out, and a configured one is given
 * to the pipeline.
 *
 * A new VM goes through the same steps as one of the command line: the table of keys
 * (config_keys.c), defaults (config.c), and the checks of the whole (config_check.c). All happens
 * behind the last VM of vms[], so that until it succeeds nothing has changed.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <airlock_dmatable.h>

#include "config_priv.h"

const struct airlock_config_pair *
config_find_pair(const struct airlock_config_pair *pairs, unsigned int nb_pairs, const char *key)
{
	for (unsigned int i = 0; i < nb_pairs; i++)
		if (strcmp(pairs[i].key, key) == 0)
			return &pairs[i];
	return NULL;
}

int
config_check_keys(struct config_draft *draft, struct config_where where,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs)
{
	char names[CONFIG_NAMES_MAX];

	for (unsigned int i = 0; i < nb_pairs; i++)
		if (config_key_find(CONFIG_SCOPE_VM, pairs[i].key) == CONFIG_KEY_MAX)
			return config_fail(draft, where, "key '%.60s', expected one of %s",
				pairs[i].key,
				config_key_names(CONFIG_SCOPE_VM, true, names, sizeof(names)));
	return 0;
}

/* Behind the last VM; leaves nb_vms one higher, or not. */
static int
draft_vm(struct config_draft *draft, struct config_where where,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs)
{
	const struct airlock_config_pair *name = config_find_pair(pairs, nb_pairs, "name");
	struct airlock_config *config = draft->config;
	int idx;

	if (config_check_keys(draft, where, pairs, nb_pairs) < 0)
		return -EINVAL;
	if (name == NULL)
		return config_fail(
			draft, where, "no name, expected %s", config_keys[CONFIG_KEY_VM_NAME].help);
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (strcmp(config->vms[i].name, name->value) == 0)
			return config_fail(draft, where,
				"name '%s' is that of a VM that is there, expected another",
				name->value);
	idx = config_open_vm(draft, name->value, where);
	for (unsigned int i = 0; i < nb_pairs && idx >= 0; i++)
		if (config_set(draft, config_key_find(CONFIG_SCOPE_VM, pairs[i].key),
			    &config->vms[idx], &draft->vms[idx], where, pairs[i].value) < 0)
			return -EINVAL;
	return idx < 0 || config_check_vm(draft, idx) < 0 ? -EINVAL : idx;
}

int
airlock_config_add_vm(struct airlock_config *config, const struct airlock_config_pair *pairs,
	unsigned int nb_pairs, const char *origin, char error[static AIRLOCK_ERROR_MAX])
{
	struct config_draft *draft = config_draft_create(config, 0, error);
	uint16_t nb_before = config->nb_vms;
	int idx;

	if (draft == NULL) {
		snprintf(error, AIRLOCK_ERROR_MAX, "%s: out of memory", origin);
		return -ENOMEM;
	}
	idx = draft_vm(draft, (struct config_where){.flag = origin}, pairs, nb_pairs);
	if (idx < 0)
		config->nb_vms = nb_before;
	config_draft_destroy(draft);
	return idx;
}

void
airlock_config_del_vm(struct airlock_config *config, const char *name)
{
	for (uint16_t i = 0; i < config->nb_vms; i++) {
		if (strcmp(config->vms[i].name, name) != 0)
			continue;
		config->nb_vms--;
		memmove(&config->vms[i], &config->vms[i + 1],
			(config->nb_vms - i) * sizeof(config->vms[0]));
		return;
	}
}

struct airlock_limits
airlock_config_limits(const struct airlock_config_vm *vm)
{
	return (struct airlock_limits){
		.rx_bps = vm->rx_bps,
		.rx_burst_bytes = vm->rx_burst_bytes,
		.tx_bps = vm->tx_bps,
		.tx_burst_bytes = vm->tx_burst_bytes,
		.storm_pps = vm->storm_pps,
	};
}

struct airlock_pipeline_vm_net
config_vm_net(const struct airlock_config_vm *vm)
{
	return (struct airlock_pipeline_vm_net){
		.mac = vm->mac,
		.vlan_id = vm->vlan_id,
		.uplink_id = vm->uplink_id,
		.antispoof = vm->antispoof,
	};
}

/* The port that has taken the device, or -1. */
static int
port_of_device(const char *device)
{
	struct rte_eth_dev_info info;
	uint16_t port_id;

	RTE_ETH_FOREACH_DEV (port_id) {
		if (rte_eth_dev_info_get(port_id, &info) == 0 &&
			strcmp(rte_dev_name(info.device), device) == 0)
			return port_id;
	}
	return -1;
}

int
airlock_config_check_device(
	const struct airlock_config_vm *vm, char error[static AIRLOCK_ERROR_MAX])
{
	char why[AIRLOCK_ERROR_MAX / 2];
	int port_id, ret;

	if (vm->device[0] == '\0')
		return 0;
	port_id = port_of_device(vm->device);
	if (port_id >= 0)
		snprintf(why, sizeof(why),
			"is port %d, expected one that the EAL does not use (-a, -b)", port_id);
	ret = port_id >= 0 ? -EINVAL : airlock_dmatable_check_device(vm->device, why, sizeof(why));
	if (ret < 0)
		snprintf(error, AIRLOCK_ERROR_MAX, "%s: dma-device '%s' of VM '%s' %s",
			vm->origin.text, vm->device, vm->name, why);
	return ret;
}

int
airlock_config_start_vm(const struct airlock_config *config, const struct airlock_config_vm *vm,
	struct airlock_pipeline *pipeline)
{
	char record[sizeof(config->run_dir) + sizeof(vm->name) + sizeof("/.rings")];
	struct airlock_pipeline_vm conf = {
		.name = vm->name,
		.socket = vm->socket,
		.server = vm->server,
		.nb_queues = vm->nb_queues,
		.net = config_vm_net(vm),
		.limits = airlock_config_limits(vm),
		.deliver = vm->deliver,
		.window = vm->window,
		.record = record,
		.quota_pages = vm->quota_pages,
		.stray = vm->stray,
		.device = vm->device[0] != '\0' ? vm->device : NULL,
		.device_socket = vm->device_socket,
		.iommu = vm->iommu,
	};

	snprintf(record, sizeof(record), "%s/%s.rings", config->run_dir, vm->name);
	return airlock_pipeline_add_vm(pipeline, &conf);
}

int
airlock_config_start_mirror(const struct airlock_config_vm *vm, struct airlock_pipeline *pipeline)
{
	int id = airlock_pipeline_find_vm(pipeline, vm->name);

	return id < 0 ? id : config_change_mirror(pipeline, id, vm);
}

const struct airlock_config_vm *
airlock_config_mirrored_to(const struct airlock_config *config, const char *name)
{
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (strcmp(config->vms[i].mirror, name) == 0)
			return &config->vms[i];
	return NULL;
}
