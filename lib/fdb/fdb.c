/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The forwarding database: a table from (MAC, domain) to VM, and beside it the flood groups
 * (flood.c) that it keeps in step. Who reads it is lib/pipeline.
 *
 * Every entry is in an rte_hash with lock-free readers. Asking that costs 15 to 20 ns a key, which
 * is more than forwarding the packet may. So most entries are in a second place, too: the front, an
 * array with one slot for each value of a hash of the key. It answers in 1 to 2 ns. A key that
 * finds its slot taken is in the rte_hash alone: about 2 % of 1000 random ones, 11 % of 4096. A
 * look-up asks the front for the whole burst without a branch, and only then the rte_hash.
 *
 * A front slot is two words, written one after the other. What makes the pair safe to read is RCU:
 * a slot goes from a key to empty, and then to another key only after every reader has passed a
 * quiescent state, so a reader that saw its key reads that key's VM, or "none" if it was just
 * deleted. Empty is key 0. A packet may carry that key, so its own slot, number 0, is never used.
 *
 * Thread rule: one writer at a time; readers under RCU. The deletion from the rte_hash
 * (RTE_HASH_QSBR_MODE_SYNC) waits for the readers; what else was deleted is taken away from them
 * before, and freed or used again after.
 */

#include <errno.h>

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "airlock_fdb.h"
#include "fdb_priv.h"

/* Twice the entries: buckets stay half empty, and an insertion finds room. */
#define HASH_ENTRIES (2 * AIRLOCK_FDB_MAX_VMS)

/* What fits beside the prefixes that rte_hash and rte_ring put to it; they would cut it off. */
#define NAME_MAX_CHARS 25

#define FRONT_BITS  14
#define FRONT_SLOTS (1 << FRONT_BITS)

/* Writer: the database's. Readers: lcores, under RCU. */
struct front_slot {
	_Atomic uint64_t key;
	_Atomic uint16_t vm_id; /* AIRLOCK_FDB_MISS in an empty slot */
} __rte_aligned(16);

struct airlock_fdb {
	struct front_slot front[FRONT_SLOTS]; /* first: a slot's address is one addition */
	struct rte_hash *hash;
	struct fdb_flood *flood;
	struct rte_rcu_qsbr *qsv;
	_Atomic uint32_t count; /* writer: the database's; readers: any */
};

static uint32_t
hash_key(const void *key, uint32_t len, uint32_t seed)
{
	uint64_t word;

	memcpy(&word, key, sizeof(word));
	return rte_hash_crc_8byte(word, seed);
}

/* Multiplicative hashing: the top bits depend on all bits of the key. Key 0 gets slot 0. */
static inline uint32_t
front_index(uint64_t key)
{
	return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - FRONT_BITS));
}

static void
front_add(struct airlock_fdb *fdb, uint64_t key, uint16_t vm_id)
{
	const uint32_t idx = front_index(key);
	struct front_slot *slot = &fdb->front[idx];

	if (idx == 0 || atomic_load_explicit(&slot->key, memory_order_relaxed) != 0)
		return;
	atomic_store_explicit(&slot->vm_id, vm_id, memory_order_relaxed);
	/* Pairs with the acquire in front_lookup(): who sees the key sees its VM. */
	atomic_store_explicit(&slot->key, key, memory_order_release);
}

static void
front_del(struct airlock_fdb *fdb, uint64_t key)
{
	struct front_slot *slot = &fdb->front[front_index(key)];

	if (atomic_load_explicit(&slot->key, memory_order_relaxed) != key)
		return;
	atomic_store_explicit(&slot->vm_id, AIRLOCK_FDB_MISS, memory_order_relaxed);
	atomic_store_explicit(&slot->key, 0, memory_order_relaxed);
}

static void
front_init(struct airlock_fdb *fdb)
{
	for (unsigned int i = 0; i < FRONT_SLOTS; i++)
		atomic_init(&fdb->front[i].vm_id, AIRLOCK_FDB_MISS);
}

static struct rte_hash *
create_hash(const char *name, struct rte_rcu_qsbr *qsv, int socket_id)
{
	const struct rte_hash_parameters params = {
		.name = name,
		.entries = HASH_ENTRIES,
		.key_len = sizeof(uint64_t),
		.hash_func = hash_key,
		.socket_id = socket_id,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};
	struct rte_hash_rcu_config rcu = {.v = qsv, .mode = RTE_HASH_QSBR_MODE_SYNC};
	struct rte_hash *hash = rte_hash_create(&params);

	if (hash == NULL)
		return NULL;
	if (rte_hash_rcu_qsbr_add(hash, &rcu) != 0) {
		rte_hash_free(hash);
		rte_errno = ENOMEM;
		return NULL;
	}
	return hash;
}

struct airlock_fdb *
airlock_fdb_create(const char *name, struct rte_rcu_qsbr *qsv, int socket_id)
{
	struct airlock_fdb *fdb;

	if (name == NULL || name[0] == '\0' || strlen(name) > NAME_MAX_CHARS || qsv == NULL) {
		rte_errno = EINVAL;
		return NULL;
	}
	fdb = rte_zmalloc_socket("fdb", sizeof(*fdb), RTE_CACHE_LINE_SIZE, socket_id);
	if (fdb == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	fdb->qsv = qsv;
	front_init(fdb);
	fdb->flood = fdb_flood_create(socket_id);
	if (fdb->flood == NULL) {
		rte_errno = ENOMEM;
		goto free_fdb;
	}
	fdb->hash = create_hash(name, qsv, socket_id);
	if (fdb->hash == NULL)
		goto destroy_flood;
	return fdb;

destroy_flood:
	fdb_flood_destroy(fdb->flood);
free_fdb:
	rte_free(fdb);
	return NULL;
}

void
airlock_fdb_destroy(struct airlock_fdb *fdb)
{
	if (fdb == NULL)
		return;
	rte_hash_free(fdb->hash);
	fdb_flood_destroy(fdb->flood);
	rte_free(fdb);
}

static int
find_key(const struct airlock_fdb *fdb, uint64_t key)
{
	void *data;
	int ret = rte_hash_lookup_data(fdb->hash, &key, &data);

	return ret < 0 ? ret : (int)(uintptr_t)data;
}

static uint32_t
count_add(struct airlock_fdb *fdb, int32_t n)
{
	const uint32_t count = airlock_fdb_count(fdb) + (uint32_t)n;

	atomic_store_explicit(&fdb->count, count, memory_order_relaxed);
	return count;
}

int
airlock_fdb_add(
	struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain, uint16_t vm_id)
{
	const uint64_t key = airlock_fdb_key_mac(mac, domain);
	struct airlock_fdb_group *old_group, *group;
	int ret;

	if (!rte_is_valid_assigned_ether_addr(mac) || vm_id >= AIRLOCK_FDB_MAX_VMS)
		return -EINVAL;
	if (find_key(fdb, key) >= 0)
		return -EEXIST;
	if (airlock_fdb_count(fdb) == AIRLOCK_FDB_MAX_VMS)
		return -ENOSPC;
	old_group = fdb_flood_get(fdb->flood, domain);
	group = fdb_group_with(old_group, vm_id);
	if (group == NULL)
		return -ENOMEM;
	ret = rte_hash_add_key_data(fdb->hash, &key, (void *)(uintptr_t)vm_id);
	if (ret < 0) {
		rte_free(group);
		return ret;
	}
	front_add(fdb, key, vm_id);
	fdb_flood_set(fdb->flood, domain, group);
	count_add(fdb, 1);
	if (old_group != NULL) {
		rte_rcu_qsbr_synchronize(fdb->qsv, RTE_QSBR_THRID_INVALID);
		rte_free(old_group);
	}
	return 0;
}

int
airlock_fdb_del(struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain)
{
	const uint64_t key = airlock_fdb_key_mac(mac, domain);
	struct airlock_fdb_group *old_group, *group = NULL;
	int vm_id = find_key(fdb, key);
	bool shared;

	if (vm_id < 0)
		return -ENOENT;
	old_group = fdb_flood_get(fdb->flood, domain);
	shared = old_group->nb_vms > 1;
	if (shared)
		group = fdb_group_without(old_group, (uint16_t)vm_id);
	front_del(fdb, key);
	fdb_flood_set(fdb->flood, domain, group);
	rte_hash_del_key(fdb->hash, &key);
	/* That has waited for the readers: the front's slot and the old group have none left. */
	if (shared && group == NULL) {
		/* No memory for another one: the others were not flooded for so long. */
		fdb_group_remove(old_group, (uint16_t)vm_id);
		fdb_flood_set(fdb->flood, domain, old_group);
	} else {
		rte_free(old_group);
	}
	count_add(fdb, -1);
	return 0;
}

/* The groups of a VM's domains before and after it moves from one to the other. */
struct group_move {
	struct airlock_fdb_group *old_from, *from; /* from: NULL if nobody is left */
	struct airlock_fdb_group *old_to, *to;
};

static int
group_move_init(struct group_move *move, const struct airlock_fdb *fdb, uint16_t from, uint16_t to,
	uint16_t vm_id)
{
	*move = (struct group_move){
		.old_from = fdb_flood_get(fdb->flood, from),
		.old_to = fdb_flood_get(fdb->flood, to),
	};
	move->to = fdb_group_with(move->old_to, vm_id);
	if (move->to == NULL)
		return -ENOMEM;
	if (move->old_from->nb_vms == 1)
		return 0;
	move->from = fdb_group_without(move->old_from, vm_id);
	if (move->from != NULL)
		return 0;
	rte_free(move->to);
	return -ENOMEM;
}

int
airlock_fdb_move(struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain,
	const struct rte_ether_addr *new_mac, uint16_t new_domain)
{
	const uint64_t key = airlock_fdb_key_mac(mac, domain);
	const uint64_t new_key = airlock_fdb_key_mac(new_mac, new_domain);
	int vm_id = find_key(fdb, key), ret;
	struct group_move move = {0};

	if (vm_id < 0)
		return -ENOENT;
	if (!rte_is_valid_assigned_ether_addr(new_mac))
		return -EINVAL;
	if (new_key == key)
		return 0;
	if (find_key(fdb, new_key) >= 0)
		return -EEXIST;
	if (domain != new_domain && group_move_init(&move, fdb, domain, new_domain, vm_id) < 0)
		return -ENOMEM;
	ret = rte_hash_add_key_data(fdb->hash, &new_key, (void *)(uintptr_t)vm_id);
	if (ret < 0) {
		rte_free(move.from);
		rte_free(move.to);
		return ret;
	}
	front_add(fdb, new_key, vm_id);
	if (domain != new_domain) {
		fdb_flood_set(fdb->flood, new_domain, move.to);
		fdb_flood_set(fdb->flood, domain, move.from);
	}
	front_del(fdb, key);
	rte_hash_del_key(fdb->hash, &key);
	/* That has waited for the readers: the front's slot and the old groups have none left. */
	rte_free(move.old_from);
	rte_free(move.old_to);
	return 0;
}

int
airlock_fdb_find(const struct airlock_fdb *fdb, const struct rte_ether_addr *mac, uint16_t domain)
{
	int vm_id = find_key(fdb, airlock_fdb_key_mac(mac, domain));

	return vm_id < 0 ? -ENOENT : vm_id;
}

uint32_t
airlock_fdb_count(const struct airlock_fdb *fdb)
{
	return atomic_load_explicit(&fdb->count, memory_order_relaxed);
}

/* Ask the front for a key. @return 0 if it has it; then *vm_id is its VM, else anything */
static inline uint64_t
front_lookup(const struct airlock_fdb *fdb, uint64_t key, uint16_t *vm_id)
{
	const struct front_slot *slot = &fdb->front[front_index(key)];
	/* Pairs with the release in front_add(). */
	const uint64_t differs = atomic_load_explicit(&slot->key, memory_order_acquire) ^ key;

	*vm_id = atomic_load_explicit(&slot->vm_id, memory_order_relaxed);
	return differs;
}

/* Ask the front, and for keys that it does not have the rte_hash: for equal ones in a row once. */
static __rte_noinline void
lookup_both(const struct airlock_fdb *fdb, const uint64_t *keys, uint16_t n, uint16_t *vm_ids)
{
	const void *asked[AIRLOCK_FDB_MAX_BURST];
	void *found[AIRLOCK_FDB_MAX_BURST];
	uint8_t asker[AIRLOCK_FDB_MAX_BURST], answer[AIRLOCK_FDB_MAX_BURST];
	unsigned int nb_askers = 0, nb_asked = 0;
	uint64_t hits = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (front_lookup(fdb, keys[i], &vm_ids[i]) == 0)
			continue;
		if (nb_askers == 0 || keys[asker[nb_askers - 1]] != keys[i])
			asked[nb_asked++] = &keys[i];
		answer[nb_askers] = (uint8_t)(nb_asked - 1);
		asker[nb_askers++] = (uint8_t)i;
	}
	if (nb_asked == 0)
		return;
	rte_hash_lookup_bulk_data(fdb->hash, asked, nb_asked, &hits, found);
	for (unsigned int i = 0; i < nb_askers; i++) {
		vm_ids[asker[i]] = (hits & RTE_BIT64(answer[i])) == 0
			? AIRLOCK_FDB_MISS
			: (uint16_t)(uintptr_t)found[answer[i]];
	}
}

void
airlock_fdb_lookup_burst(
	const struct airlock_fdb *fdb, const uint64_t *keys, uint16_t n, uint16_t *vm_ids)
{
	uint64_t differ = 0;

	for (unsigned int i = 0; i < n; i++)
		differ |= front_lookup(fdb, keys[i], &vm_ids[i]);
	if (differ != 0)
		lookup_both(fdb, keys, n, vm_ids);
}

const struct airlock_fdb_group *
airlock_fdb_flood(const struct airlock_fdb *fdb, uint16_t domain)
{
	return fdb_flood_get(fdb->flood, domain);
}
