/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What can be said only when file and flags are merged: defaults that depend on other values,
 * required keys, and what must not be. config_unique.c has what no two may share.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "config_priv.h"

/* Descriptors of a port's queue. */
#define DESC_DEFAULT	    1024
#define DESC_DEFAULT_WINDOW 256

bool
config_is_set(struct config_where where)
{
	return where.flag != NULL || where.line != 0;
}

struct config_where
config_where_of(const struct config_draft *draft, uint16_t vm_idx, enum config_key_id id)
{
	const struct config_marks *marks = &draft->vms[vm_idx];

	if (config_is_set(marks->key[id]))
		return marks->key[id];
	return config_is_set(marks->flag) ? marks->flag : marks->file;
}

static int
complete_airlock(struct config_draft *draft)
{
	struct airlock_config *config = draft->config;
	const struct config_marks *marks = &draft->marks;
	int len;

	if (config->nb_vms == 0 && config->nb_uplinks == 0)
		return config_fail(draft, (struct config_where){.flag = "--vm"},
			"no VM and no uplink, expected at least one, as a flag behind -- or in the "
			"file");
	if (!config_is_set(marks->key[CONFIG_KEY_POOL_FILE])) {
		len = snprintf(
			config->pool_file, sizeof(config->pool_file), "%s/pool", config->run_dir);
		if (len >= (int)sizeof(config->pool_file))
			return config_fail(draft, marks->key[CONFIG_KEY_RUN_DIR],
				"run-dir of %zu bytes, expected room for '/pool' in %zu bytes",
				strlen(config->run_dir), sizeof(config->pool_file) - 1);
	}
	config_where_text(draft, marks->key[CONFIG_KEY_RUN_DIR], &config->run_dir_origin);
	config_where_text(draft, marks->key[CONFIG_KEY_POOL_FILE], &config->pool_file_origin);
	config_where_text(draft, marks->key[CONFIG_KEY_POOL_PAGES], &config->pool_pages_origin);
	config_where_text(draft, marks->key[CONFIG_KEY_METRICS], &config->metrics_origin);
	return 0;
}

static int
resolve_uplink(struct config_draft *draft, uint16_t vm_idx)
{
	struct airlock_config *config = draft->config;
	struct airlock_config_vm *vm = &config->vms[vm_idx];

	if (!config_is_set(draft->vms[vm_idx].key[CONFIG_KEY_VM_UPLINK])) {
		vm->uplink_id = 0;
		return 0;
	}
	/* Until here it is what the user wrote: the port. */
	for (uint16_t i = 0; i < config->nb_uplinks; i++)
		if (config->uplinks[i].port_id == vm->uplink_id) {
			vm->uplink_id = i;
			return 0;
		}
	return config_fail(draft, config_where_of(draft, vm_idx, CONFIG_KEY_VM_UPLINK),
		"uplink '%u' of VM '%s', expected the port of a configured uplink", vm->uplink_id,
		vm->name);
}

/* What a device reaches is what is shown in the window. */
static int
complete_device(struct config_draft *draft, uint16_t vm_idx)
{
	struct airlock_config *config = draft->config;
	struct airlock_config_vm *vm = &config->vms[vm_idx];
	int len;

	if (vm->device[0] == '\0')
		return 0;
	if (vm->deliver == AIRLOCK_DELIVER_COPY)
		return config_fail(draft, config_where_of(draft, vm_idx, CONFIG_KEY_VM_DEVICE),
			"dma-device '%s' of VM '%s' without a window, expected deliver=auto or "
			"deliver=remap",
			vm->device, vm->name);
	len = snprintf(vm->device_socket, sizeof(vm->device_socket), "%.*s/%s.device",
		(int)sizeof(vm->device_socket), config->run_dir, vm->name);
	if (len >= (int)sizeof(vm->device_socket))
		return config_fail(draft, config_where_of(draft, vm_idx, CONFIG_KEY_VM_DEVICE),
			"socket <run-dir>/%s.device of %d bytes, expected at most %zu", vm->name,
			len, sizeof(vm->device_socket) - 1);
	return 0;
}

static int
complete_vm(struct config_draft *draft, uint16_t vm_idx)
{
	struct airlock_config *config = draft->config;
	struct airlock_config_vm *vm = &config->vms[vm_idx];
	const struct config_marks *marks = &draft->vms[vm_idx];
	int len;

	if (!config_is_set(marks->key[CONFIG_KEY_VM_MAC]))
		return config_fail(draft, config_where_of(draft, vm_idx, CONFIG_KEY_VM_MAC),
			"VM '%s' without a mac, expected mac=52:54:00:00:00:01 or the like",
			vm->name);
	if (!config_is_set(marks->key[CONFIG_KEY_VM_SOCKET])) {
		len = snprintf(vm->socket, sizeof(vm->socket), "%.*s/%s.sock",
			(int)sizeof(vm->socket), config->run_dir, vm->name);
		if (len >= (int)sizeof(vm->socket))
			return config_fail(draft,
				config_where_of(draft, vm_idx, CONFIG_KEY_VM_SOCKET),
				"socket <run-dir>/%s.sock of %zu bytes, expected at most %zu",
				vm->name,
				strlen(config->run_dir) + strlen("/.sock") + strlen(vm->name),
				sizeof(vm->socket) - 1);
	}
	len = snprintf(vm->window, sizeof(vm->window), "%.*s/%s.window", (int)sizeof(vm->window),
		config->run_dir, vm->name);
	if (vm->deliver != AIRLOCK_DELIVER_COPY && len >= (int)sizeof(vm->window))
		return config_fail(draft, config_where_of(draft, vm_idx, CONFIG_KEY_VM_DELIVER),
			"window socket <run-dir>/%s.window of %d bytes, expected at most %zu",
			vm->name, len, sizeof(vm->window) - 1);
	return complete_device(draft, vm_idx) < 0 ? -EINVAL : resolve_uplink(draft, vm_idx);
}

/* Names of users and groups become numbers here, while they can still be refused. */
static int
resolve_access(struct config_draft *draft, struct airlock_config_access *access,
	enum config_key_id owner, enum config_key_id group)
{
	const struct passwd *user = access->owner[0] != '\0' ? getpwnam(access->owner) : NULL;
	const struct group *of = access->group[0] != '\0' ? getgrnam(access->group) : NULL;

	if (access->owner[0] != '\0' && user == NULL)
		return config_fail(draft, draft->marks.key[owner],
			"%s '%s', expected a user of this host", config_keys[owner].name,
			access->owner);
	if (access->group[0] != '\0' && of == NULL)
		return config_fail(draft, draft->marks.key[group],
			"%s '%s', expected a group of this host", config_keys[group].name,
			access->group);
	access->ids = (struct airlock_socket_access){
		.uid = user != NULL ? user->pw_uid : (uid_t)-1,
		.gid = of != NULL ? of->gr_gid : (gid_t)-1,
		.mode = access->mode,
	};
	return 0;
}

/* The control socket is one more socket of the run directory. */
static int
complete_control(struct config_draft *draft)
{
	struct airlock_config *config = draft->config;
	struct config_where where = draft->marks.key[CONFIG_KEY_CONTROL];
	int len;

	config_where_text(draft, where, &config->control_origin);
	if (config_is_set(where))
		return 0;
	len = snprintf(config->control, sizeof(config->control), "%.*s/control.sock",
		(int)sizeof(config->control), config->run_dir);
	if (len >= (int)sizeof(config->control))
		return config_fail(draft, draft->marks.key[CONFIG_KEY_RUN_DIR],
			"control socket <run-dir>/control.sock of %zu bytes, expected at most %zu, "
			"or control=PATH",
			strlen(config->run_dir) + strlen("/control.sock"),
			sizeof(config->control) - 1);
	return 0;
}

/* A port that holds fewer frames leaves more of its partition for VMs with a window. */
uint16_t
config_default_desc(const struct airlock_config *config)
{
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (config->vms[i].deliver != AIRLOCK_DELIVER_COPY)
			return DESC_DEFAULT_WINDOW;
	return DESC_DEFAULT;
}

static void
complete_uplinks(struct config_draft *draft)
{
	struct airlock_config *config = draft->config;

	for (uint16_t i = 0; i < config->nb_uplinks; i++)
		if (!config_is_set(draft->uplinks[i].key[CONFIG_KEY_UPLINK_DESC]))
			config->uplinks[i].nb_desc = config_default_desc(config);
}

/* Copies go to another VM, and no further. */
static int
check_mirror(struct config_draft *draft, uint16_t vm_idx)
{
	struct config_where where = config_where_of(draft, vm_idx, CONFIG_KEY_VM_MIRROR);
	const struct airlock_config *config = draft->config;
	const struct airlock_config_vm *vm = &config->vms[vm_idx], *to = NULL, *from;

	if (strcmp(vm->mirror, CONFIG_NO_MIRROR) == 0)
		return 0;
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (i != vm_idx && strcmp(config->vms[i].name, vm->mirror) == 0)
			to = &config->vms[i];
	if (to == NULL)
		return config_fail(draft, where,
			"mirror '%s' of VM '%s', expected another VM, or " CONFIG_NO_MIRROR,
			vm->mirror, vm->name);
	if (strcmp(to->mirror, CONFIG_NO_MIRROR) != 0)
		return config_fail(draft, where,
			"mirror '%s' of VM '%s' is mirrored itself, expected a VM that is not",
			vm->mirror, vm->name);
	from = airlock_config_mirrored_to(config, vm->name);
	if (from != NULL)
		return config_fail(draft, where,
			"mirror '%s' of VM '%s', which gets copies of VM '%s', "
			"expected " CONFIG_NO_MIRROR,
			vm->mirror, vm->name, from->name);
	return 0;
}

int
config_check_vm(struct config_draft *draft, uint16_t vm_idx)
{
	if (complete_vm(draft, vm_idx) < 0 || config_unique(draft, vm_idx, vm_idx) < 0)
		return -EINVAL;
	return check_mirror(draft, vm_idx);
}

static int
check_idle(struct config_draft *draft)
{
	const struct airlock_idle *idle = &draft->config->idle;

	if (idle->sleep_us < idle->pause_us)
		return config_fail(draft, draft->marks.key[CONFIG_KEY_IDLE_SLEEP],
			"idle-sleep %u is less than idle-pause %u, expected at least that",
			idle->sleep_us, idle->pause_us);
	if (idle->wait_us < idle->sleep_us)
		return config_fail(draft, draft->marks.key[CONFIG_KEY_IDLE_WAIT],
			"idle-wait %u is less than idle-sleep %u, expected at least that",
			idle->wait_us, idle->sleep_us);
	return 0;
}

int
config_check_change(struct config_draft *draft, uint16_t vm_idx)
{
	if (config_is_set(draft->vms[vm_idx].key[CONFIG_KEY_VM_UPLINK]) &&
		resolve_uplink(draft, vm_idx) < 0)
		return -EINVAL;
	if (config_unique(draft, vm_idx, draft->config->nb_vms) < 0)
		return -EINVAL;
	return check_mirror(draft, vm_idx);
}

int
config_check(struct config_draft *draft)
{
	const struct airlock_config *config = draft->config;

	if (complete_airlock(draft) < 0 || check_idle(draft) < 0)
		return -EINVAL;
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (complete_vm(draft, i) < 0)
			return -EINVAL;
	complete_uplinks(draft);
	if (complete_control(draft) < 0 ||
		resolve_access(draft, &draft->config->control_access, CONFIG_KEY_CONTROL_OWNER,
			CONFIG_KEY_CONTROL_GROUP) < 0 ||
		resolve_access(draft, &draft->config->socket_access, CONFIG_KEY_SOCKET_OWNER,
			CONFIG_KEY_SOCKET_GROUP) < 0)
		return -EINVAL;
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (config_unique(draft, i, i) < 0 || check_mirror(draft, i) < 0)
			return -EINVAL;
	return 0;
}
