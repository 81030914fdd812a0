/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The context, and the decision what a packet needs to fit its receiver.
 *
 * request.c has checked the packet; csum.c and segment.c do the work. Whatever needs a frame comes
 * first and leaves the packet alone. It is freed, or changed in place, when nothing can fail any
 * more: that is how it can stay the caller's on an error.
 *
 * Thread rule: a context belongs to one lcore. The frames it gives out may be freed anywhere.
 */

#include <errno.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "airlock_offload.h"
#include "offload_priv.h"

struct airlock_offload *
airlock_offload_create(struct rte_mempool *frames, int socket_id)
{
	const uint32_t data_room_bytes = rte_pktmbuf_data_room_size(frames);
	struct airlock_offload *ctx;

	if (data_room_bytes < RTE_PKTMBUF_HEADROOM + OFFLOAD_MAX_HEADERS_BYTES) {
		rte_errno = EINVAL;
		return NULL;
	}
	ctx = rte_zmalloc_socket("airlock_offload", sizeof(*ctx), RTE_CACHE_LINE_SIZE, socket_id);
	if (ctx == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	ctx->frames = frames;
	ctx->room_bytes = data_room_bytes - RTE_PKTMBUF_HEADROOM;
	return ctx;
}

void
airlock_offload_destroy(struct airlock_offload *ctx)
{
	rte_free(ctx);
}

/* A receiver of segments completes their checksums, too: without that, it is no such receiver. */
static bool
takes_whole(const struct airlock_offload *ctx, const struct rte_mbuf *m, uint32_t caps)
{
	const uint32_t tso = airlock_offload_tso_cap(m->ol_flags) | AIRLOCK_OFFLOAD_L4_CSUM;

	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0)
		return true;
	if ((caps & tso) != tso)
		return false;
	return (caps & AIRLOCK_OFFLOAD_CHAINS) != 0 || m->pkt_len <= ctx->room_bytes;
}

static int
fit_segments(const struct airlock_offload *ctx, struct rte_mbuf *m, uint32_t caps,
	struct rte_mbuf **out, uint16_t size)
{
	const uint32_t longest_bytes = m->l2_len + m->l3_len + m->l4_len + m->tso_segsz;
	int nb_segments;

	if ((caps & AIRLOCK_OFFLOAD_CHAINS) == 0 && longest_bytes > ctx->room_bytes)
		return -EINVAL;
	nb_segments = offload_segment(ctx, m, out, size);
	if (nb_segments < 0)
		return nb_segments;
	/* Cannot fail: a frame has room for the headers. */
	for (int i = 0; (caps & AIRLOCK_OFFLOAD_L4_CSUM) == 0 && i < nb_segments; i++)
		airlock_offload_finish_csum(out[i]);
	rte_pktmbuf_free(m);
	return nb_segments;
}

static int
fit_whole(
	const struct airlock_offload *ctx, struct rte_mbuf *m, uint32_t caps, struct rte_mbuf **out)
{
	struct rte_mbuf *whole = m;
	int ret;

	if (m->nb_segs > 1 && (caps & AIRLOCK_OFFLOAD_CHAINS) == 0) {
		if (m->pkt_len > ctx->room_bytes)
			return -EINVAL;
		whole = airlock_offload_copy(ctx, m);
		if (whole == NULL)
			return -ENOMEM;
	}
	ret = (caps & AIRLOCK_OFFLOAD_L4_CSUM) == 0 ? airlock_offload_finish_csum(whole) : 0;
	if (ret == 0)
		out[0] = whole;
	if (whole != m)
		rte_pktmbuf_free(ret == 0 ? m : whole);
	return ret == 0 ? 1 : ret;
}

int
airlock_offload_fit(struct airlock_offload *ctx, struct rte_mbuf *m, uint32_t caps,
	struct rte_mbuf **out, uint16_t size)
{
	if (airlock_offload_fits(m, caps)) {
		out[0] = m;
		return 1;
	}
	if (takes_whole(ctx, m, caps))
		return fit_whole(ctx, m, caps, out);
	return fit_segments(ctx, m, caps, out, size);
}
