/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_CONFIG_H
#define AIRLOCK_CONFIG_H

/**
 * @file
 * What the operator wants: command line and configuration file, parsed and checked in itself.
 *
 * Checks that need the EAL (does the port exist, is the lcore in its set) are made later, by those
 * who use the value; each value therefore keeps where it came from, so that they can say it.
 *
 * Thread rule: main thread. VMs come and go at run time (airlock_config_add_vm()); the rest is
 * read-only once the lcores run.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <rte_ether.h>
#include <rte_os.h>

#include <airlock_pipeline.h>

#define AIRLOCK_NAME_MAX    32 /**< bytes of a VM's name with its terminating zero */
#define AIRLOCK_ORIGIN_MAX  128
#define AIRLOCK_ERROR_MAX   512
#define AIRLOCK_MAX_QUEUES  16 /**< queue pairs of a VM, queues of an uplink */
#define AIRLOCK_MAX_UPLINKS 16 /**< uplinks */
#define AIRLOCK_MAX_VMS	    1024 /**< VMs: as many sockets as rte_vhost takes */

/** Where a value came from: "airlock.conf:12", "--vm" or "default"; a long path is cut in front. */
struct airlock_origin {
	char text[AIRLOCK_ORIGIN_MAX];
};

/** Who may use a socket that airlockd makes. */
struct airlock_config_access {
	char owner[AIRLOCK_NAME_MAX]; /**< a user's name; empty, the default: airlockd's */
	char group[AIRLOCK_NAME_MAX]; /**< a group's name; empty, the default: airlockd's */
	uint16_t mode; /**< as of chmod(2), to 0777; default 0600 */
	struct airlock_socket_access ids; /**< the same in numbers */
};

/** One VM: `--vm` or `[vm NAME]`. */
struct airlock_config_vm {
	char name[AIRLOCK_NAME_MAX];
	struct rte_ether_addr mac;
	char socket[108]; /**< vhost-user socket; default <run-dir>/<name>.sock */
	bool server; /**< listen instead of connecting; default false */
	uint16_t nb_queues; /**< queue pairs, 1 to AIRLOCK_MAX_QUEUES; default 1 */
	uint16_t vlan_id; /**< 1 to 4094; 0, the default: untagged */
	uint16_t uplink_id; /**< index into uplinks[]; default 0, and it must exist if any does */
	bool antispoof; /**< drop foreign source MACs; default true */
	uint32_t storm_pps; /**< flooded packets a second it may send, 0: any; default 10000 */
	/** Bits a second that it may get and send, 8000 to 10^12; 0, the default: any. */
	uint64_t rx_bps;
	uint64_t tx_bps;
	/** Bytes of that at once, 100000 to 10^9; 0, the default: 10 ms of the rate. */
	uint64_t rx_burst_bytes;
	uint64_t tx_burst_bytes;
	char mirror[AIRLOCK_NAME_MAX]; /**< VM that gets copies of its packets; default none */
	enum airlock_mirror_direction mirror_direction; /**< default both */
	enum airlock_deliver deliver; /**< other than copy: it has a window; default copy */
	char window[108]; /**< socket of the window, always <run-dir>/<name>.window */
	uint32_t quota_pages; /**< that it may hold; 0, the default: a fair share */
	enum airlock_stray stray; /**< guest touches a hidden page; default stall */
	char device[20]; /**< PCI address of a device that works for it; empty, the default: none */
	char device_socket[108]; /**< where that is to be had, always <run-dir>/<name>.device */
	enum airlock_iommu iommu; /**< when a frame is taken from the device; default batched */
	struct airlock_origin origin;
};

/** One uplink: `--uplink` or `[uplink PORT]`. */
struct airlock_config_uplink {
	uint16_t port_id; /**< ethdev port */
	uint16_t nb_queues; /**< RX queues, 1 to AIRLOCK_MAX_QUEUES; default 1 */
	uint16_t mtu; /**< bytes, 68 to 65381; default 1500 */
	/** RX and TX descriptors per queue, 64 to 4096; default 1024, with a window 256. */
	uint16_t nb_desc;
	uint32_t storm_pps; /**< flooded packets a second taken from it, 0: any; default 10000 */
	enum airlock_dma dma; /**< whether it may write pages that VMs have; default static */
	struct airlock_origin origin;
};

/** One assignment of `[lcores]`: an lcore runs a stage, for all or for one object. */
struct airlock_config_stage {
	unsigned int lcore_id;
	enum airlock_stage stage;
	/** An even share of the stage's queues that no lcore is given; the rest is unused. */
	bool all;
	uint16_t uplink_id; /**< RX: index into uplinks[] */
	char vm[AIRLOCK_NAME_MAX]; /**< HANDOFF, TX: name, also when it was deleted */
	bool all_queues; /**< every queue of the object; then queue_id is unused */
	uint16_t queue_id;
	struct airlock_origin origin;
};

struct airlock_config {
	char file[PATH_MAX]; /**< -c; empty: none */
	char *text; /**< what was in it, owned; NULL: there is none */
	size_t text_len;
	char run_dir[PATH_MAX]; /**< default /run/airlock */
	struct airlock_origin run_dir_origin;
	char pool_file[PATH_MAX]; /**< default <run-dir>/pool */
	struct airlock_origin pool_file_origin;
	uint32_t pool_pages; /**< pages of 4 KiB, 1024 to 16777216; default 8192 */
	struct airlock_origin pool_pages_origin;
	char control[108]; /**< control socket; default <run-dir>/control.sock */
	struct airlock_origin control_origin;
	struct airlock_config_access control_access; /**< of the control socket */
	/** Of sockets of VMs that airlockd makes: those with mode=server, and windows. */
	struct airlock_config_access socket_access;
	struct sockaddr_storage metrics; /**< where to serve them; family 0, the default: nowhere */
	struct airlock_origin metrics_origin;
	uint32_t stats_s; /**< seconds between tables, 0: none; default 0, at most 3600 */
	uint32_t retries; /**< further tries on a full VM ring, 0 to 64; default 4 */
	uint32_t copy_below; /**< bytes, or AIRLOCK_COPY_BELOW_*; default AUTO */
	/** Default poll, and 100, 1000 and 10000 us, each at most a minute, in ascending order. */
	struct airlock_idle idle;
	bool check; /**< validate and exit */

	uint16_t nb_uplinks;
	struct airlock_config_uplink uplinks[AIRLOCK_MAX_UPLINKS];
	uint16_t nb_vms;
	struct airlock_config_vm *vms; /**< nb_vms of AIRLOCK_MAX_VMS, owned; as they are now */
	uint16_t nb_stages;
	struct airlock_config_stage *stages; /**< nb_stages of them, owned; none: all on all */
};

/** What airlock_config_parse() found the operator to want. */
enum airlock_config_verdict {
	AIRLOCK_CONFIG_RUN,
	AIRLOCK_CONFIG_HELP, /**< --help: print airlock_config_help() and exit 0 */
	AIRLOCK_CONFIG_VERSION, /**< --version */
	AIRLOCK_CONFIG_BAD, /**< one line in *error*, exit 2 */
};

/**
 * Parse airlock's own options and the configuration file that -c names; flags win over the file.
 *
 * @param argc   of what stands behind the EAL's `--`, with a program name as argv[0]
 * @param error  receives one line without a newline: where, what was found, what was expected
 * @return a verdict; in any case the caller gives *config* to airlock_config_fini()
 */
enum airlock_config_verdict airlock_config_parse(
	struct airlock_config *config, int argc, char **argv, char error[static AIRLOCK_ERROR_MAX]);

/** A key of a VM and its value, as `--vm` has them. */
struct airlock_config_pair {
	const char *key;
	const char *value;
};

/**
 * Add a VM to a configuration that was parsed; the pipeline does not learn of it.
 *
 * @param pairs   keys of `--vm`, among them name and mac
 * @param origin  what an error says where the values came from: "vm.add"
 * @param error   receives one line: origin, what was found, what was expected
 * @return index into vms[], its last; -EINVAL or -ENOMEM with the configuration unchanged
 */
int airlock_config_add_vm(struct airlock_config *config, const struct airlock_config_pair *pairs,
	unsigned int nb_pairs, const char *origin, char error[static AIRLOCK_ERROR_MAX]);

/**
 * Change a VM, in the configuration and in the pipeline, while it runs.
 *
 * @param pairs   name, and keys of `--vm` that may change at run time
 * @param origin  what an error says where the values came from: "vm.set"
 * @param error   receives one line: origin, what was found, what was expected
 * @return index into vms[]; -EINVAL: a value is wrong, or no such VM; -ENOMEM, or what the pipeline
 *         said. On error neither has changed.
 */
int airlock_config_set_vm(struct airlock_config *config, struct airlock_pipeline *pipeline,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs, const char *origin,
	char error[static AIRLOCK_ERROR_MAX]);

/**
 * Write the configuration into a file, as it is now; what was read from -c is changed as little as
 * can be, comments and order included.
 *
 * The file is replaced when it is whole and was read back: on error, and after a crash, it is as it
 * was.
 *
 * @param path    NULL: that of -c
 * @param origin  what an error begins with: "config.save"
 * @param error   receives one line
 * @return 0, or -EINVAL
 */
int airlock_config_save(struct airlock_config *config, const char *path, const char *origin,
	char error[static AIRLOCK_ERROR_MAX]);

/** Take a VM out of a configuration. A name that is not there is ignored. */
void airlock_config_del_vm(struct airlock_config *config, const char *name);

/** The limits of a configured VM, as a pipeline takes them. */
struct airlock_limits airlock_config_limits(const struct airlock_config_vm *vm);

/**
 * Check that a VM's device is one that it can have, on this machine: with the EAL up.
 *
 * @param error  receives one line: origin, what was found, what was expected
 * @return 0, also for a VM without a device; -EINVAL
 */
int airlock_config_check_device(
	const struct airlock_config_vm *vm, char error[static AIRLOCK_ERROR_MAX]);

/**
 * Give a configured VM to a pipeline.
 *
 * @return its identifier, or what airlock_pipeline_add_vm() said
 */
int airlock_config_start_vm(const struct airlock_config *config, const struct airlock_config_vm *vm,
	struct airlock_pipeline *pipeline);

/**
 * Give the mirror of a configured VM to a pipeline that has that VM, and the one that is to get the
 * copies.
 *
 * @return 0, or what airlock_pipeline_mirror_vm() said
 */
int airlock_config_start_mirror(
	const struct airlock_config_vm *vm, struct airlock_pipeline *pipeline);

/** The VM whose packets are copied to the one of this name; NULL: none is. */
const struct airlock_config_vm *airlock_config_mirrored_to(
	const struct airlock_config *config, const char *name);

/** Free what the configuration owns. May be called twice, or on one of all zeroes. */
void airlock_config_fini(struct airlock_config *config);

/** Print the help text. */
void airlock_config_help(FILE *out);

#endif /* AIRLOCK_CONFIG_H */
