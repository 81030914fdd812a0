/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The table of all keys.
 *
 * Flags (config_options.c), file (config_file.c), defaults (config.c) and what is said of keys
 * (config_help.c) all go through it, so a key cannot exist in one of them and be missing, or have
 * another range, in another.
 *
 * Thread rule: constant data; any thread.
 */

#include <assert.h>
#include <string.h>

#include "config_priv.h"

#define FIELD(type, field)   .offset = offsetof(type, field), .size = RTE_SIZEOF_FIELD(type, field)
#define AIRLOCK_FIELD(field) .scope = CONFIG_SCOPE_AIRLOCK, FIELD(struct airlock_config, field)
#define UPLINK_FIELD(f)	     .scope = CONFIG_SCOPE_UPLINK, FIELD(struct airlock_config_uplink, f)
#define VM_FIELD(field)	     .scope = CONFIG_SCOPE_VM, FIELD(struct airlock_config_vm, field)

/* No uplink carries a thousand million packets a second: a higher limit would be a slip. */
#define PORT_MAX    (RTE_MAX_ETHPORTS - 1)
#define STORM_MAX   1000000000
#define IDLE_MAX_US 60000000
/* Less than this is a slip, too: a packet would take seconds. */
#define RATE_MIN  8000
#define BURST_MAX 1000000000

const struct config_key config_keys[] = {
	[CONFIG_KEY_FILE] =
		{
			.name = "c",
			.flag = "-c",
			.scope = CONFIG_SCOPE_FLAG,
			FIELD(struct airlock_config, file),
			.type = CONFIG_PATH,
			.arg = "FILE",
			.help = "read FILE first; flags win over it",
		},
	[CONFIG_KEY_RUN_DIR] =
		{
			.name = "run-dir",
			.flag = "--run-dir",
			AIRLOCK_FIELD(run_dir),
			.type = CONFIG_PATH,
			.arg = "DIR",
			.initial = "/run/airlock",
			.help = "directory of the sockets and the pool file",
		},
	[CONFIG_KEY_POOL_PAGES] =
		{
			.name = "pool-pages",
			.flag = "--pool-pages",
			AIRLOCK_FIELD(pool_pages),
			.type = CONFIG_NUMBER,
			.min = 1024,
			.max = 16777216,
			.arg = "N",
			.initial = "8192",
			.help = "pages of 4 KiB in the pool",
		},
	[CONFIG_KEY_POOL_FILE] =
		{
			.name = "pool-file",
			.flag = "--pool-file",
			AIRLOCK_FIELD(pool_file),
			.type = CONFIG_PATH,
			.arg = "PATH",
			.initial_note = "<run-dir>/pool",
			.help = "file that holds the pool",
		},
	[CONFIG_KEY_CONTROL] =
		{
			.name = "control",
			.flag = "--control",
			AIRLOCK_FIELD(control),
			.type = CONFIG_PATH,
			.arg = "PATH",
			.initial_note = "<run-dir>/control.sock",
			.help = "socket of the JSON-RPC control interface",
		},
	[CONFIG_KEY_CONTROL_OWNER] =
		{
			.name = "control-owner",
			.flag = "--control-owner",
			AIRLOCK_FIELD(control_access.owner),
			.type = CONFIG_NAME,
			.arg = "USER",
			.initial_note = "airlockd's",
			.help = "user who owns the control socket",
		},
	[CONFIG_KEY_CONTROL_GROUP] =
		{
			.name = "control-group",
			.flag = "--control-group",
			AIRLOCK_FIELD(control_access.group),
			.type = CONFIG_NAME,
			.arg = "GROUP",
			.initial_note = "airlockd's",
			.help = "group of the control socket",
		},
	[CONFIG_KEY_CONTROL_MODE] =
		{
			.name = "control-mode",
			.flag = "--control-mode",
			AIRLOCK_FIELD(control_access.mode),
			.type = CONFIG_PERMISSIONS,
			.min = 0,
			.max = 0777,
			.arg = "MODE",
			.initial = "0600",
			.help = "permissions of the control socket, octal",
		},
	[CONFIG_KEY_SOCKET_OWNER] =
		{
			.name = "socket-owner",
			.flag = "--socket-owner",
			AIRLOCK_FIELD(socket_access.owner),
			.type = CONFIG_NAME,
			.arg = "USER",
			.initial_note = "airlockd's",
			.help = "user who owns the sockets of VMs that airlockd makes",
		},
	[CONFIG_KEY_SOCKET_GROUP] =
		{
			.name = "socket-group",
			.flag = "--socket-group",
			AIRLOCK_FIELD(socket_access.group),
			.type = CONFIG_NAME,
			.arg = "GROUP",
			.initial_note = "airlockd's",
			.help = "group of the sockets of VMs that airlockd makes",
		},
	[CONFIG_KEY_SOCKET_MODE] =
		{
			.name = "socket-mode",
			.flag = "--socket-mode",
			AIRLOCK_FIELD(socket_access.mode),
			.type = CONFIG_PERMISSIONS,
			.min = 0,
			.max = 0777,
			.arg = "MODE",
			.initial = "0600",
			.help = "permissions of the sockets of VMs that airlockd makes, octal",
		},
	[CONFIG_KEY_METRICS] =
		{
			.name = "metrics",
			.flag = "--metrics",
			AIRLOCK_FIELD(metrics),
			.type = CONFIG_ADDRESS,
			.arg = "[ADDR:]PORT|off",
			.initial = "off",
			.help = "serve OpenMetrics at http://ADDR:PORT/metrics; without ADDR: "
				"127.0.0.1",
		},
	[CONFIG_KEY_STATS] =
		{
			.name = "stats",
			.flag = "--stats",
			AIRLOCK_FIELD(stats_s),
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = 3600,
			.arg = "SECONDS",
			.initial = "0",
			.help = "seconds between tables of counters; 0: none",
		},
	[CONFIG_KEY_RETRIES] =
		{
			.name = "retries",
			.flag = "--retries",
			AIRLOCK_FIELD(retries),
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = 64,
			.arg = "N",
			.initial = "4",
			.help = "further tries on a VM's full ring before a drop",
		},
	[CONFIG_KEY_COPY_BELOW] =
		{
			.name = "copy-below",
			.flag = "--copy-below",
			AIRLOCK_FIELD(copy_below),
			.type = CONFIG_BYTES,
			.min = 0,
			.max = 65535,
			.words = {"auto", "always", "never"},
			.arg = "BYTES|auto|always|never",
			.initial = "auto",
			.help = "with deliver=auto, shorter packets are copied, others remapped",
		},
	[CONFIG_KEY_IDLE] =
		{
			.name = "idle",
			.flag = "--idle",
			AIRLOCK_FIELD(idle.adaptive),
			.type = CONFIG_CHOICE,
			.words = {"poll", "adaptive"},
			.arg = "poll|adaptive",
			.initial = "poll",
			.help = "lcores without packets poll on, or pause, nap and sleep",
		},
	[CONFIG_KEY_IDLE_PAUSE] =
		{
			.name = "idle-pause",
			.flag = "--idle-pause",
			AIRLOCK_FIELD(idle.pause_us),
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = IDLE_MAX_US,
			.arg = "US",
			.initial = "100",
			.help = "microseconds without a packet, then an idle lcore pauses between "
				"polls",
		},
	[CONFIG_KEY_IDLE_SLEEP] =
		{
			.name = "idle-sleep",
			.flag = "--idle-sleep",
			AIRLOCK_FIELD(idle.sleep_us),
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = IDLE_MAX_US,
			.arg = "US",
			.initial = "1000",
			.help = "microseconds without a packet, then it takes short naps",
		},
	[CONFIG_KEY_IDLE_WAIT] =
		{
			.name = "idle-wait",
			.flag = "--idle-wait",
			AIRLOCK_FIELD(idle.wait_us),
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = IDLE_MAX_US,
			.arg = "US",
			.initial = "10000",
			.help = "microseconds without a packet, then it waits for interrupts and "
				"kicks",
		},
	[CONFIG_KEY_CHECK] =
		{
			.name = "check",
			.flag = "--check",
			.scope = CONFIG_SCOPE_FLAG,
			FIELD(struct airlock_config, check),
			.type = CONFIG_SWITCH,
			.help = "validate the configuration and exit",
		},
	[CONFIG_KEY_HELP] =
		{
			.name = "help",
			.flag = "--help",
			.scope = CONFIG_SCOPE_FLAG,
			.type = CONFIG_SWITCH,
			.help = "print this text and exit; also -h",
		},
	[CONFIG_KEY_VERSION] =
		{
			.name = "version",
			.flag = "--version",
			.scope = CONFIG_SCOPE_FLAG,
			.type = CONFIG_SWITCH,
			.help = "print the version and exit",
		},
	[CONFIG_KEY_UPLINK] =
		{
			.name = "uplink",
			.flag = "--uplink",
			.scope = CONFIG_SCOPE_FLAG,
			.type = CONFIG_LIST,
			.arg = "port=N[,KEY=VALUE]...",
			.help = "an ethdev port on which packets come and go; may be repeated",
		},
	[CONFIG_KEY_UPLINK_PORT] =
		{
			.name = "port",
			UPLINK_FIELD(port_id),
			.identity = true,
			.required = true,
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = PORT_MAX,
			.arg = "N",
			.help = "ethdev port",
		},
	[CONFIG_KEY_UPLINK_QUEUES] =
		{
			.name = "queues",
			UPLINK_FIELD(nb_queues),
			.type = CONFIG_NUMBER,
			.min = 1,
			.max = AIRLOCK_MAX_QUEUES,
			.arg = "N",
			.initial = "1",
			.help = "RX queues",
		},
	[CONFIG_KEY_UPLINK_MTU] =
		{
			.name = "mtu",
			UPLINK_FIELD(mtu),
			.type = CONFIG_NUMBER,
			.min = 68,
			.max = 65381,
			.arg = "N",
			.initial = "1500",
			.help = "MTU in bytes",
		},
	[CONFIG_KEY_UPLINK_DESC] =
		{
			.name = "desc",
			UPLINK_FIELD(nb_desc),
			.type = CONFIG_NUMBER,
			.min = 64,
			.max = 4096,
			.arg = "N",
			.initial_note = "1024, or 256 if a VM has a window",
			.help = "descriptors of each RX and TX queue",
		},
	[CONFIG_KEY_UPLINK_STORM] =
		{
			.name = "storm",
			UPLINK_FIELD(storm_pps),
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = STORM_MAX,
			.arg = "PPS",
			.initial = "10000",
			.help = "flooded packets a second taken from it; 0: any",
		},
	[CONFIG_KEY_UPLINK_DMA] =
		{
			.name = "dma",
			UPLINK_FIELD(dma),
			.type = CONFIG_CHOICE,
			.words = {"static", "strict"},
			.arg = "static|strict",
			.initial = "static",
			.help = "strict: the card cannot reach pages that VMs have",
		},
	[CONFIG_KEY_VM] =
		{
			.name = "vm",
			.flag = "--vm",
			.scope = CONFIG_SCOPE_FLAG,
			.type = CONFIG_LIST,
			.arg = "name=NAME,mac=MAC[,KEY=VALUE]...",
			.help = "a virtual machine; may be repeated",
		},
	[CONFIG_KEY_VM_NAME] =
		{
			.name = "name",
			VM_FIELD(name),
			.identity = true,
			.required = true,
			.type = CONFIG_NAME,
			.arg = "NAME",
			.help = "1 to 31 letters, digits, '.', '_' and '-'",
		},
	[CONFIG_KEY_VM_MAC] =
		{
			.name = "mac",
			VM_FIELD(mac),
			.change = config_change_net,
			.required = true,
			.type = CONFIG_MAC,
			.arg = "MAC",
			.help = "the VM's MAC address",
		},
	[CONFIG_KEY_VM_SOCKET] =
		{
			.name = "socket",
			VM_FIELD(socket),
			.type = CONFIG_PATH,
			.arg = "PATH",
			.initial_note = "<run-dir>/<name>.sock",
			.help = "vhost-user socket, at most 107 bytes",
		},
	[CONFIG_KEY_VM_MODE] =
		{
			.name = "mode",
			VM_FIELD(server),
			.type = CONFIG_CHOICE,
			.words = {"client", "server"},
			.arg = "client|server",
			.initial = "client",
			.help = "connect to the VMM's socket, or listen on it",
		},
	[CONFIG_KEY_VM_QUEUES] =
		{
			.name = "queues",
			VM_FIELD(nb_queues),
			.type = CONFIG_NUMBER,
			.min = 1,
			.max = AIRLOCK_MAX_QUEUES,
			.arg = "N",
			.initial = "1",
			.help = "queue pairs",
		},
	[CONFIG_KEY_VM_VLAN] =
		{
			.name = "vlan",
			VM_FIELD(vlan_id),
			.change = config_change_net,
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = 4094,
			.arg = "N",
			.initial = "0",
			.help = "VLAN on the uplink, untagged in the VM; 0: none",
		},
	[CONFIG_KEY_VM_UPLINK] =
		{
			.name = "uplink",
			VM_FIELD(uplink_id),
			.change = config_change_net,
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = PORT_MAX,
			.arg = "PORT",
			.initial_note = "the first uplink",
			.help = "port number of its uplink",
		},
	[CONFIG_KEY_VM_ANTISPOOF] =
		{
			.name = "antispoof",
			VM_FIELD(antispoof),
			.change = config_change_net,
			.type = CONFIG_CHOICE,
			.words = {"off", "on"},
			.arg = "on|off",
			.initial = "on",
			.help = "drop what it sends from a MAC address not its own",
		},
	[CONFIG_KEY_VM_STORM] =
		{
			.name = "storm",
			VM_FIELD(storm_pps),
			.change = config_change_limits,
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = STORM_MAX,
			.arg = "PPS",
			.initial = "10000",
			.help = "flooded packets a second it may send; 0: any",
		},
	[CONFIG_KEY_VM_RX_RATE] =
		{
			.name = "rx-rate",
			VM_FIELD(rx_bps),
			.change = config_change_limits,
			.type = CONFIG_AMOUNT,
			.min = RATE_MIN,
			.max = AIRLOCK_LIMIT_MAX_BPS,
			.arg = "BITS",
			.initial = "0",
			.help = "bits a second that it may get; 0: any",
		},
	[CONFIG_KEY_VM_RX_BURST] =
		{
			.name = "rx-burst",
			VM_FIELD(rx_burst_bytes),
			.change = config_change_limits,
			.type = CONFIG_AMOUNT,
			.min = AIRLOCK_LIMIT_MIN_BURST,
			.max = BURST_MAX,
			.arg = "BYTES",
			.initial = "0",
			.help = "bytes that it may get at once; 0: 10 ms of rx-rate",
		},
	[CONFIG_KEY_VM_TX_RATE] =
		{
			.name = "tx-rate",
			VM_FIELD(tx_bps),
			.change = config_change_limits,
			.type = CONFIG_AMOUNT,
			.min = RATE_MIN,
			.max = AIRLOCK_LIMIT_MAX_BPS,
			.arg = "BITS",
			.initial = "0",
			.help = "bits a second that it may send; 0: any",
		},
	[CONFIG_KEY_VM_TX_BURST] =
		{
			.name = "tx-burst",
			VM_FIELD(tx_burst_bytes),
			.change = config_change_limits,
			.type = CONFIG_AMOUNT,
			.min = AIRLOCK_LIMIT_MIN_BURST,
			.max = BURST_MAX,
			.arg = "BYTES",
			.initial = "0",
			.help = "bytes that it may send at once; 0: 10 ms of tx-rate",
		},
	[CONFIG_KEY_VM_MIRROR] =
		{
			.name = "mirror",
			VM_FIELD(mirror),
			.change = config_change_mirror,
			.type = CONFIG_NAME,
			.arg = "NAME",
			.initial = CONFIG_NO_MIRROR,
			.help = "VM that gets copies of its packets",
		},
	[CONFIG_KEY_VM_MIRROR_DIRECTION] =
		{
			.name = "mirror-direction",
			VM_FIELD(mirror_direction),
			.change = config_change_mirror,
			.type = CONFIG_CHOICE,
			.words = {"both", "rx", "tx"},
			.arg = "both|rx|tx",
			.initial = "both",
			.help = "of which: of those for it, of those from it",
		},
	[CONFIG_KEY_VM_DELIVER] =
		{
			.name = "deliver",
			VM_FIELD(deliver),
			.change = config_change_deliver,
			.type = CONFIG_CHOICE,
			.words = {"copy", "auto", "remap"},
			.arg = "copy|auto|remap",
			.initial = "copy",
			.help = "how it gets packets; auto, remap: it has a window",
		},
	[CONFIG_KEY_VM_QUOTA] =
		{
			.name = "quota",
			VM_FIELD(quota_pages),
			.change = config_change_quota,
			.type = CONFIG_NUMBER,
			.min = 0,
			.max = 16777216,
			.arg = "PAGES",
			.initial = "0",
			.help = "pages of the pool it may hold; 0: a fair share",
		},
	[CONFIG_KEY_VM_STRAY] =
		{
			.name = "stray",
			VM_FIELD(stray),
			.change = config_change_stray,
			.type = CONFIG_CHOICE,
			.words = {"stall", "kill"},
			.arg = "stall|kill",
			.initial = "stall",
			.help = "what becomes of a guest that touches a hidden page",
		},
	[CONFIG_KEY_VM_DEVICE] =
		{
			.name = "dma-device",
			VM_FIELD(device),
			.type = CONFIG_PCI,
			.arg = "ADDRESS",
			.initial_note = "no device",
			.help = "PCI device that works for it, on vfio-pci",
		},
	[CONFIG_KEY_VM_IOMMU] =
		{
			.name = "iommu",
			VM_FIELD(iommu),
			.type = CONFIG_CHOICE,
			.words = {"batched", "strict"},
			.arg = "batched|strict",
			.initial = "batched",
			.help = "pages leave the device with the batch, or at once",
		},
};
static_assert(RTE_DIM(config_keys) == CONFIG_KEY_MAX, "every key has its row");

enum config_key_id
config_key_find(enum config_scope scope, const char *name)
{
	for (unsigned int i = 0; i < CONFIG_KEY_MAX; i++)
		if (config_keys[i].scope == scope && strcmp(config_keys[i].name, name) == 0)
			return i;
	return CONFIG_KEY_MAX;
}
