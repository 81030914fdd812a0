/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Port mirrors: of the packets that go into a VM, or come out of it, another VM gets copies. The
 * copies are packets of their own, in frames of their own, and are delivered like any others: by
 * the lcore that owns the other VM's ring, within its rate limit, and dropped, by the same reasons,
 * if it does not keep up. The packets themselves go their way whatever becomes of the copies.
 *
 * What is mirrored has passed: for a VM what is within its limit, before it is known whether its
 * ring has room; from a VM what is within its limit and not refused. A copy is no packet for the VM
 * that gets it, as far as that one's own mirror goes, so there are no loops.
 *
 * In the balance each copy is a *part*; nothing is split.
 *
 * Thread rule: any lcore of the pipeline.
 */

#include "mirror.h"
#include "pipeline_priv.h"

void
mirror_copies(
	struct lcore *lc, const struct mirror *mirror, struct rte_mbuf *const *mbufs, uint16_t n)
{
	struct vm *to = vm_get(lc->pipeline, mirror->vm_id);
	struct rte_mbuf *copies[AIRLOCK_BURST];
	uint16_t nb = 0;

	/* It may have been deleted, and its place taken by another. */
	if (to == NULL || to->stamp != mirror->stamp)
		return;
	airlock_count(&lc->handoff.parts, n);
	for (uint16_t i = 0; i < n; i++) {
		copies[nb] = airlock_offload_copy(lc->handoff.offload, mbufs[i]);
		if (likely(copies[nb] != NULL))
			nb++;
		else
			airlock_capture_drop(lc->handoff.tap, &to->blocks[lc->idx].rx_drops,
				AIRLOCK_DROP_NO_PAGE, &mbufs[i], 1);
	}
	if (nb > 0)
		deliver_copies(lc, to, copies, nb);
}
