/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Policers are made here, and given to VMs and uplinks: the control side of policer.h. A VM's
 * limits may change while lcores draw from them: another policer takes the place of the old one,
 * which is freed after a quiescent state.
 *
 * Thread rule: control threads; the setter under the pipeline's lock.
 */

#include <errno.h>

#include <rte_malloc.h>

#include "pipeline_priv.h"

/* Without a burst of its own a rate gets what it lets through in this time. */
#define BURST_MS 10

struct policer *
policer_create(uint64_t rate, uint64_t burst, uint64_t tsc)
{
	struct policer *policer =
		rte_zmalloc("airlock_policer", sizeof(*policer), RTE_CACHE_LINE_SIZE);

	if (policer == NULL)
		return NULL;
	policer->start_tsc = tsc;
	policer->units_per_tsc = ((unsigned __int128)rate << POLICER_SHIFT) / rte_get_tsc_hz();
	policer->burst = burst;
	return policer;
}

/* A limit as a policer has it: units a second, 0 for none, and units at once. */
struct spec {
	uint64_t rate;
	uint64_t burst;
};

static struct spec
byte_spec(uint64_t bps, uint64_t burst_bytes)
{
	uint64_t rate = (bps + 7) / 8;

	if (burst_bytes == 0)
		burst_bytes = RTE_MAX(rate * BURST_MS / 1000, (uint64_t)AIRLOCK_LIMIT_MIN_BURST);
	return (struct spec){rate, burst_bytes};
}

static struct spec
packet_spec(uint32_t pps)
{
	return (struct spec){pps, RTE_MAX(pps / 10, (uint32_t)AIRLOCK_BURST)};
}

static struct spec
spec_of(enum limit limit, const struct airlock_limits *limits)
{
	switch (limit) {
	case LIMIT_RX_RATE:
		return byte_spec(limits->rx_bps, limits->rx_burst_bytes);
	case LIMIT_TX_RATE:
		return byte_spec(limits->tx_bps, limits->tx_burst_bytes);
	case LIMIT_STORM:
		return packet_spec(limits->storm_pps);
	case LIMIT_MAX:
		break;
	}
	return (struct spec){0};
}

/* In *policer*: NULL for no limit. */
static int
spec_make(const struct spec *spec, struct policer **policer)
{
	*policer = NULL;
	if (spec->rate == 0)
		return 0;
	*policer = policer_create(spec->rate, spec->burst, rte_rdtsc());
	return *policer == NULL ? -ENOMEM : 0;
}

int
port_limit(struct port *port, uint32_t storm_pps)
{
	const struct spec spec = packet_spec(storm_pps);

	return spec_make(&spec, &port->storm);
}

int
vm_limit(struct vm *vm, const struct airlock_limits *limits)
{
	struct policer *policers[LIMIT_MAX] = {0};
	bool changes[LIMIT_MAX];

	for (unsigned int i = 0; i < LIMIT_MAX; i++) {
		const struct spec old = spec_of(i, &vm->limits), new = spec_of(i, limits);

		/* A limit that stays as it was keeps its bucket. */
		changes[i] = old.rate != new.rate || old.burst != new.burst;
		if (!changes[i] || spec_make(&new, &policers[i]) == 0)
			continue;
		while (i-- > 0)
			rte_free(policers[i]);
		return -ENOMEM;
	}
	/* Pairs with the load in policer_of(). */
	for (unsigned int i = 0; i < LIMIT_MAX; i++) {
		if (changes[i])
			policers[i] = atomic_exchange_explicit(
				&vm->policers[i], policers[i], memory_order_acq_rel);
	}
	vm->limits = *limits;
	rte_rcu_qsbr_synchronize(vm->pipeline->qsv, RTE_QSBR_THRID_INVALID);
	for (unsigned int i = 0; i < LIMIT_MAX; i++)
		rte_free(policers[i]);
	return 0;
}

void
vm_limit_free(struct vm *vm)
{
	for (unsigned int i = 0; i < LIMIT_MAX; i++)
		rte_free(atomic_load_explicit(&vm->policers[i], memory_order_relaxed));
}

int
airlock_pipeline_limit_vm(
	struct airlock_pipeline *pl, uint16_t vm_id, const struct airlock_limits *limits)
{
	struct vm *vm;
	int ret = -ENOENT;

	if (vm_id >= AIRLOCK_FDB_MAX_VMS)
		return -ENOENT;
	pthread_mutex_lock(&pl->lock);
	vm = vm_get(pl, vm_id);
	if (vm != NULL)
		ret = vm_limit(vm, limits);
	pthread_mutex_unlock(&pl->lock);
	return ret;
}
