/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What no two VMs may share, nor a VM with the control socket: an address, a device, a path.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <string.h>

#include "config_priv.h"

#define MAC_VALUE(mac) \
	(mac)->addr_bytes[0], (mac)->addr_bytes[1], (mac)->addr_bytes[2], (mac)->addr_bytes[3], \
		(mac)->addr_bytes[4], (mac)->addr_bytes[5]

/* The sockets of a VM, what each is called, and the key that it is there for. */
enum vm_socket {
	VHOST_SOCKET,
	WINDOW_SOCKET,
	DEVICE_SOCKET,
	NB_VM_SOCKETS
};

static const struct {
	const char *what;
	enum config_key_id key;
} vm_sockets[NB_VM_SOCKETS] = {
	[VHOST_SOCKET] = {"socket", CONFIG_KEY_VM_SOCKET},
	[WINDOW_SOCKET] = {"window socket", CONFIG_KEY_VM_DELIVER},
	[DEVICE_SOCKET] = {"device socket", CONFIG_KEY_VM_DEVICE},
};

/* NULL: the VM has none of that kind. */
static const char *
socket_path(const struct airlock_config_vm *vm, enum vm_socket kind)
{
	if (kind == WINDOW_SOCKET)
		return vm->deliver != AIRLOCK_DELIVER_COPY ? vm->window : NULL;
	if (kind == DEVICE_SOCKET)
		return vm->device[0] != '\0' ? vm->device_socket : NULL;
	return vm->socket;
}

static int
check_control(struct config_draft *draft, uint16_t vm_idx)
{
	const struct airlock_config *config = draft->config;
	const struct airlock_config_vm *vm = &config->vms[vm_idx];

	for (enum vm_socket kind = 0; kind < NB_VM_SOCKETS; kind++) {
		const char *path = socket_path(vm, kind);

		if (path != NULL && strcmp(path, config->control) == 0)
			return config_fail(draft,
				config_where_of(draft, vm_idx, vm_sockets[kind].key),
				"%s '%s' of VM '%s' is the control socket (%s), expected another",
				vm_sockets[kind].what, path, vm->name, config->control_origin.text);
	}
	return 0;
}

/* Where the key of a VM was given; of one that an earlier draft completed, where the VM was. */
static const char *
told_at(const struct config_draft *draft, uint16_t vm_idx, enum config_key_id id,
	struct airlock_origin *origin)
{
	struct config_where where = config_where_of(draft, vm_idx, id);

	return config_is_set(where) ? config_where_text(draft, where, origin)
				    : draft->config->vms[vm_idx].origin.text;
}

/* Is a socket of *b*, the later one or the same, one of *a* as well? */
static int
check_sockets(struct config_draft *draft, uint16_t a, uint16_t b)
{
	const struct airlock_config_vm *first = &draft->config->vms[a];
	const struct airlock_config_vm *second = &draft->config->vms[b];
	struct airlock_origin origin;

	for (enum vm_socket i = 0; i < NB_VM_SOCKETS; i++)
		for (enum vm_socket j = 0; j < NB_VM_SOCKETS; j++) {
			const char *theirs = socket_path(first, i), *path = socket_path(second, j);

			if (a == b && i >= j)
				continue;
			if (theirs != NULL && path != NULL && strcmp(theirs, path) == 0)
				return config_fail(draft,
					config_where_of(draft, b, vm_sockets[j].key),
					"%s '%s' of VM '%s' is the %s of VM '%s' (%s), "
					"expected another",
					vm_sockets[j].what, path, second->name, vm_sockets[i].what,
					first->name, told_at(draft, a, vm_sockets[i].key, &origin));
		}
	return 0;
}

/* Is *b*, the later one, too like *a*? */
static int
check_pair(struct config_draft *draft, uint16_t a, uint16_t b)
{
	const struct airlock_config_vm *first = &draft->config->vms[a];
	const struct airlock_config_vm *second = &draft->config->vms[b];
	struct airlock_origin origin;

	if (first->uplink_id == second->uplink_id && first->vlan_id == second->vlan_id &&
		rte_is_same_ether_addr(&first->mac, &second->mac))
		return config_fail(draft, config_where_of(draft, b, CONFIG_KEY_VM_MAC),
			"mac " RTE_ETHER_ADDR_PRT_FMT
			" of VM '%s' is that of VM '%s' (%s) on the same "
			"uplink and VLAN, expected another",
			MAC_VALUE(&second->mac), second->name, first->name,
			told_at(draft, a, CONFIG_KEY_VM_MAC, &origin));
	if (second->device[0] != '\0' && strcmp(first->device, second->device) == 0)
		return config_fail(draft, config_where_of(draft, b, CONFIG_KEY_VM_DEVICE),
			"dma-device '%s' of VM '%s' is that of VM '%s' (%s), expected another",
			second->device, second->name, first->name,
			told_at(draft, a, CONFIG_KEY_VM_DEVICE, &origin));
	return check_sockets(draft, a, b);
}

int
config_unique(struct config_draft *draft, uint16_t vm_idx, uint16_t nb_others)
{
	for (uint16_t i = 0; i < nb_others; i++)
		if (i != vm_idx && check_pair(draft, i, vm_idx) < 0)
			return -EINVAL;
	if (check_sockets(draft, vm_idx, vm_idx) < 0)
		return -EINVAL;
	return check_control(draft, vm_idx);
}
