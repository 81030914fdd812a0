/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The table of methods, and those about the server itself. docs/rpc.md has the same for people.
 *
 * Thread rule: main thread.
 */

#include <rte_version.h>

#include <rte_common.h>

#include "rpc_priv.h"

static int
list_methods(struct rpc_call *call)
{
	call->result = json_array();
	for (unsigned int i = 0; i < call->env->nb_methods; i++)
		json_array_append_new(call->result,
			json_pack("{s:s, s:s}", "name", call->env->methods[i].name, "help",
				call->env->methods[i].help));
	return 0;
}

static int
tell_version(struct rpc_call *call)
{
	call->result = json_pack("{s:s, s:s}", "airlock", AIRLOCK_VERSION, "dpdk", rte_version());
	return 0;
}

#define NAME_OF_VM \
	{ \
		"name", JSON_STRING, "a VM's name, a string" \
	}

const struct rpc_method rpc_methods[] = {
	{"rpc.methods", "the methods", .run = list_methods},
	{"version", "versions of airlock and DPDK", .run = tell_version},
	{"vm.list", "name, MAC, state and delivery of each VM", .run = rpc_vm_list},
	{"vm.show", "all of one VM: name", {NAME_OF_VM}, .run = rpc_vm_show},
	{"vm.add", "add a VM: the keys of --vm", .own_params = true, .run = rpc_vm_add},
	{"vm.set", "change a VM: name, and keys of --vm", .own_params = true, .run = rpc_vm_set},
	{"vm.del", "delete a VM: name", {NAME_OF_VM}, .run = rpc_vm_del},
	{"uplink.list", "all of each uplink", .run = rpc_uplink_list},
	{"uplink.show", "all of one uplink: port",
		{{"port", JSON_INTEGER, "the port of an uplink, a number"}},
		.run = rpc_uplink_show},
	{"stats.get", "all of each VM and uplink, and the balance", .run = rpc_stats_get},
	{"lcore.list", "what each lcore runs, and what that costs", .run = rpc_lcore_list},
	{"pages.get", "pages of the pool by state", .run = rpc_pages_get},
	{"pages.verify", "hold pool and windows against mempools and page tables",
		.run = rpc_pages_verify},
	{"log.set", "level of log types: type, level",
		{{"type", JSON_STRING, "a log type, or a pattern such as 'airlock.*'"},
			{"level", JSON_STRING, "the name of a level, such as 'debug'"}},
		.run = rpc_log_set},
};
const unsigned int rpc_nb_methods = RTE_DIM(rpc_methods);
