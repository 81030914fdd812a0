/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_FDB_H
#define AIRLOCK_FDB_H

/**
 * @file
 * Forwarding database: which VM a destination MAC belongs to, and who gets a flooded packet.
 *
 * A broadcast domain is an uplink and a VLAN (0: untagged). Entries are static: a VM has one MAC in
 * one domain, told by configuration, never learnt.
 *
 * Thread rule: one writer at a time (add, del, move); any number of readers, who must be registered
 * and online in the rte_rcu_qsbr variable given at creation, and who may keep what a look-up
 * returned until their next quiescent state. A writer must not be such a reader.
 */

#include <stdint.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ether.h>

struct rte_rcu_qsbr;

/** VMs at most; identifiers are 0 to AIRLOCK_FDB_MAX_VMS - 1. */
#define AIRLOCK_FDB_MAX_VMS 4096
/** Uplinks at most; identifiers are 0 to AIRLOCK_FDB_MAX_UPLINKS - 1. */
#define AIRLOCK_FDB_MAX_UPLINKS 16
/** VLAN identifiers are 0 (untagged) to AIRLOCK_FDB_MAX_VLANS - 2. */
#define AIRLOCK_FDB_MAX_VLANS 4096
/** Keys in one look-up burst at most. */
#define AIRLOCK_FDB_MAX_BURST 64
/** What a look-up returns for a key that no VM has. */
#define AIRLOCK_FDB_MISS UINT16_MAX

struct airlock_fdb;

/** The VMs of one broadcast domain. Read-only for those who got it from a look-up. */
struct airlock_fdb_group {
	uint16_t nb_vms;
	uint16_t vm_ids[];
};

/** A domain as one number. @param uplink_id 0 to 15 @param vlan_id 0 to 4094 */
static inline uint16_t
airlock_fdb_domain(uint16_t uplink_id, uint16_t vlan_id)
{
	return (uint16_t)(uplink_id << 12 | vlan_id);
}

/**
 * Key of a MAC address in a domain.
 *
 * @param mac     at least 8 readable bytes, of which the first 6 count: a packet's Ethernet header
 *                will do, a struct rte_ether_addr alone will not (see airlock_fdb_key_mac())
 * @param domain  from airlock_fdb_domain()
 */
static inline uint64_t
airlock_fdb_key(const void *mac, uint16_t domain)
{
	uint64_t word;

	memcpy(&word, mac, sizeof(word));
	return (word & (RTE_BIT64(48) - 1)) | (uint64_t)domain << 48;
}

/** Key of a MAC address that stands alone in memory. */
static inline uint64_t
airlock_fdb_key_mac(const struct rte_ether_addr *mac, uint16_t domain)
{
	uint8_t padded[8] = {0};

	memcpy(padded, mac, sizeof(*mac));
	return airlock_fdb_key(padded, domain);
}

/**
 * Create an empty database.
 *
 * @param name       unique among rte_hash tables, 1 to 25 characters
 * @param qsv        readers' quiescent state variable; must outlive the database
 * @param socket_id  NUMA node, or SOCKET_ID_ANY
 * @return the database, to be given to airlock_fdb_destroy(); NULL with rte_errno ENOMEM, EEXIST
 *         (name in use) or EINVAL
 */
struct airlock_fdb *airlock_fdb_create(const char *name, struct rte_rcu_qsbr *qsv, int socket_id);

/** Destroy; no reader may be left. NULL is ignored. */
void airlock_fdb_destroy(struct airlock_fdb *fdb);

/**
 * Add a VM: its MAC to the look-up table and itself to its domain's flood group.
 *
 * Waits until no reader uses the flood group that this replaces.
 *
 * @param mac     unicast, not zero
 * @param domain  from airlock_fdb_domain()
 * @param vm_id   0 to AIRLOCK_FDB_MAX_VMS - 1
 * @return 0; -EINVAL (address or identifier out of range); -EEXIST (MAC already in the domain);
 *         -ENOSPC (table full); -ENOMEM. On error nothing has changed.
 */
int airlock_fdb_add(
	struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain, uint16_t vm_id);

/**
 * Delete a VM's MAC and its place in the flood group.
 *
 * On return no reader uses what was deleted: the VM may be freed. Needs no memory: without any the
 * rest of the group gets no floods for a moment.
 *
 * @return 0; -ENOENT (MAC not in the domain)
 */
int airlock_fdb_del(struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain);

/**
 * Give a VM another MAC, another domain, or both.
 *
 * The new key is there before the old one goes: a packet for either finds the VM meanwhile. In one
 * domain the flood group stays as it is; else the VM is in both groups meanwhile.
 *
 * @param mac, domain          as they are
 * @param new_mac, new_domain  as airlock_fdb_add() takes them; if both are as they are, nothing
 *                             happens
 * @return 0; -ENOENT (MAC not in the domain); -EINVAL (new address out of range); -EEXIST (new MAC
 *         already in the new domain); -ENOSPC; -ENOMEM. On error nothing has changed.
 */
int airlock_fdb_move(struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain,
	const struct rte_ether_addr *new_mac, uint16_t new_domain);

/** The VM of a MAC. Writer or reader. @return 0 to AIRLOCK_FDB_MAX_VMS - 1, or -ENOENT */
int airlock_fdb_find(
	const struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain);

/** Number of entries. Any thread. */
uint32_t airlock_fdb_count(const struct airlock_fdb *fdb);

/**
 * Look up a burst of keys.
 *
 * Reader. One to two nanoseconds a key for known keys that come again, some 15 for unknown ones.
 *
 * @param keys    from airlock_fdb_key()
 * @param n       1 to AIRLOCK_FDB_MAX_BURST
 * @param vm_ids  receives n identifiers, AIRLOCK_FDB_MISS where there is none
 */
void airlock_fdb_lookup_burst(
	const struct airlock_fdb *fdb, const uint64_t *keys, uint16_t n, uint16_t *vm_ids);

/**
 * The VMs that a broadcast or multicast packet of a domain is for.
 *
 * Reader; valid until the reader's next quiescent state.
 *
 * @return the group, never empty; NULL where the domain has no VM
 */
const struct airlock_fdb_group *airlock_fdb_flood(const struct airlock_fdb *fdb, uint16_t domain);

#endif /* AIRLOCK_FDB_H */
