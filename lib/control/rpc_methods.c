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

#define NEEDED(name, type, allowed) \
	{ \
		name, type, allowed, false \
	}
#define OPTIONAL(name, type, allowed) \
	{ \
		name, type, allowed, true \
	}
#define NAME_OF_VM NEEDED("name", JSON_STRING, "a VM's name, a string")

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
		{NEEDED("port", JSON_INTEGER, "the port of an uplink, a number")},
		.run = rpc_uplink_show},
	{"stats.get", "all of each VM and uplink, and the balance", .run = rpc_stats_get},
	{"stats.reset", "counters of VMs, uplinks and lcores begin at 0 here",
		.run = rpc_stats_reset},
	{"config.get", "the configuration as it is now", .run = rpc_config_get},
	{"config.save", "write it into a file: file, or that of -c",
		{OPTIONAL("file", JSON_STRING, "an absolute path")}, .run = rpc_config_save},
	{"lcore.list", "what each lcore runs, and what that costs", .run = rpc_lcore_list},
	{"pages.get", "pages of the pool by state", .run = rpc_pages_get},
	{"pages.verify", "hold the pool against mempools, cards, windows and devices",
		.run = rpc_pages_verify},
	{"log.set", "level of log types: type, level",
		{NEEDED("type", JSON_STRING, "a log type, or a pattern such as 'airlock.*'"),
			NEEDED("level", JSON_STRING, "the name of a level, such as 'debug'")},
		.run = rpc_log_set},
	{"capture.start", "capture packets into a file: name, file, and what to capture",
		{NEEDED("name", JSON_STRING, "a name for the capture, a string"),
			NEEDED("file", JSON_STRING, "the file's path, a string"),
			OPTIONAL("vm", JSON_STRING, "a VM's name, a string"),
			OPTIONAL("uplink", JSON_INTEGER, "the port of an uplink, a number"),
			OPTIONAL("direction", JSON_STRING, "a string"),
			OPTIONAL("filter", JSON_STRING,
				"a filter as pcap-filter(7) has it, a string"),
			OPTIONAL("snaplen", JSON_INTEGER, "a number of bytes"),
			OPTIONAL("count", JSON_INTEGER, "a number of packets"),
			OPTIONAL("drops_only", JSON_TRUE, "true or false"),
			OPTIONAL("overwrite", JSON_TRUE, "true or false")},
		.run = rpc_capture_start},
	{"capture.stop", "stop a capture: name",
		{NEEDED("name", JSON_STRING, "a capture's name, a string")},
		.run = rpc_capture_stop},
	{"capture.list", "captures, and what is in their files", .run = rpc_capture_list},
};
const unsigned int rpc_nb_methods = RTE_DIM(rpc_methods);
