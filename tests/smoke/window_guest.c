/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A guest of airlockd in a process, or in a VM (--window pci), which looks at every byte that it
 * gets: packets are those of make_checked.py. Port 0, one queue. Prints its counters as a line of
 * JSON every second and at the end, which SIGINT or SIGTERM brings; exit status 1 if a packet was
 * wrong.
 *
 *     window-guest [EAL options] -- [--window SOCKET|pci[:ADDRESS]] [--pool FILE]
 *         [--private N] [--posted N] [--ring N] [--mtu N] [--count N] [--hold N]
 *         [--keep N] [--interrupt] [--link] [--scan]
 *
 * Without --window it receives into ordinary mbufs. --private is how many private buffers there
 * are, --posted how many of them are in the ring. --count is the number of packets after which
 * their numbers begin again. --hold keeps the first N packets for ever, --keep each packet until N
 * more have come. --interrupt sleeps until there is a packet. --link watches the link, as the
 * driver must to serve an airlockd that comes back. --scan looks through the whole frame of each
 * packet in the window for bytes of a packet for another VM.
 *
 * Thread rule: the main lcore does it all.
 */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_interrupts.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <airlock_compat.h>
#include <airlock_window.h>

#include "window_guest_options.h"

#define PORT	    0
#define BURST	    32
#define WAIT_MS	    10000 /* for airlockd to listen */
#define SLEEP_MS    100
#define OWN_MBUFS   8192
#define CHECK_MAGIC "CHKP"
#define MARK	    "AIRLOK"
#define HEADER_LEN  12 /* of virtio */

/* What stands behind the Ethernet header. */
struct check {
	char magic[4];
	rte_be16_t vm_number;
	rte_be16_t len;
	rte_be32_t number;
};
static_assert(sizeof(struct check) == 12, "as make_checked.py writes it");

static struct counters {
	uint64_t packets;
	uint64_t bytes;
	uint64_t shown; /* in a frame of the window */
	uint64_t copied; /* in a private buffer */
	uint64_t bad; /* not as it was sent */
	uint64_t blank; /* nothing but zeros: airlockd was killed while the packet was here */
	uint64_t missing; /* numbers that were left out */
	uint64_t foreign; /* frames with bytes of another VM's packet */
	uint64_t held;
	uint64_t sleeps;
} counters;

static struct airlock_window *window;
static struct rte_mbuf **held;
static struct rte_mbuf **kept;
static uint16_t own_number; /* of the first good packet's VM */
static uint32_t next_number;
static atomic_bool stop; /* set by the signal handler in this thread; relaxed */

static void
on_signal(int number)
{
	atomic_store_explicit(&stop, true, memory_order_relaxed);
}

/* Of a VM: "pci", or "pci:" and an address. */
static struct airlock_window *
open_window(void)
{
	if (strcmp(options.window, "pci") == 0)
		return airlock_window_open_pci(NULL);
	if (strncmp(options.window, "pci:", 4) == 0)
		return airlock_window_open_pci(options.window + 4);
	return airlock_window_open_process(options.window, options.pool, WAIT_MS);
}

static struct rte_mempool *
create_pool(void)
{
	/* The driver wants room for a tag and its own header, too. */
	const uint32_t room =
		RTE_PKTMBUF_HEADROOM + options.mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + HEADER_LEN;

	if (options.window == NULL)
		return rte_pktmbuf_pool_create(
			"own", OWN_MBUFS, 0, 0, (uint16_t)room, SOCKET_ID_ANY);
	window = open_window();
	if (window == NULL)
		return NULL;
	return airlock_window_rx_pool_create(window,
		&(struct airlock_window_rx_pool_conf){
			.name = "window",
			.nb_desc = options.ring,
			.nb_private = options.nb_private,
			.nb_posted_private = (uint16_t)options.nb_posted,
			.socket_id = SOCKET_ID_ANY,
		});
}

static int
start_port(struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = options.mtu,
		.intr_conf = {.rxq = options.interrupt, .lsc = options.link},
	};
	int ret;

	ret = rte_eth_dev_configure(PORT, 1, 1, &conf);
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(PORT, 0, options.ring, 0, NULL, pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(PORT, 0, options.ring, 0, NULL);
	if (ret == 0)
		ret = rte_eth_dev_start(PORT);
	if (ret == 0 && options.interrupt)
		ret = rte_eth_dev_rx_intr_ctl_q(
			PORT, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL);
	return ret;
}

/* The packet is as it was sent, and for this VM. */
static bool
is_good(const uint8_t *data, uint32_t len, struct check *check)
{
	const uint8_t *body = data + RTE_ETHER_HDR_LEN;
	rte_be32_t crc;

	if (len < RTE_ETHER_HDR_LEN + sizeof(*check) + sizeof(crc))
		return false;
	memcpy(check, body, sizeof(*check));
	memcpy(&crc, data + len - sizeof(crc), sizeof(crc));
	if (memcmp(check->magic, CHECK_MAGIC, sizeof(check->magic)) != 0 ||
		rte_be_to_cpu_16(check->len) != len)
		return false;
	if (own_number == 0)
		own_number = rte_be_to_cpu_16(check->vm_number);
	return rte_be_to_cpu_16(check->vm_number) == own_number &&
		rte_be_to_cpu_32(crc) ==
		airlock_compat_crc32(body, len - RTE_ETHER_HDR_LEN - sizeof(crc));
}

/* Numbers go up by one, and begin again after *count*. The first packet may have any. */
static void
follow(uint32_t number)
{
	uint32_t gap = number - next_number;

	if (options.count != 0)
		gap = (number + options.count - next_number) % options.count;
	if (counters.packets > 1)
		counters.missing += gap;
	next_number = number + 1;
}

/*
 * A mark with another VM's number, anywhere in the frame. VMs count from 1: a mark with 0 was read
 * to its half when the frame was hidden, and came back empty.
 */
static bool
has_foreign(const struct rte_mbuf *mbuf)
{
	const size_t mark_len = strlen(MARK);
	const uint8_t *start = mbuf->buf_addr, *at = start, *end = at + mbuf->buf_len;

	while ((at = memmem(at, end - at, MARK, mark_len)) != NULL) {
		unsigned int number;

		at += mark_len;
		number = end - at >= 2 ? at[0] * 256 + at[1] : 0;
		if (number == 0 || number == own_number)
			continue;
		printf("foreign: packet %" PRIu64 " of %u bytes, frame at %p: a byte of VM %u at "
		       "%td\n",
			counters.packets, mbuf->pkt_len, mbuf->buf_addr, number, at - start);
		return true;
	}
	return false;
}

/* A frame that was hidden, and came back empty; half of it may have been read before. */
static bool
is_blank(const struct rte_mbuf *mbuf)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(mbuf, const uint8_t *);

	for (uint32_t i = 0; i < mbuf->data_len; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

static void
look_at(const struct rte_mbuf *mbuf)
{
	const bool shown = window != NULL && airlock_window_contains(window, mbuf->buf_addr);
	struct check check;

	counters.packets++;
	counters.bytes += mbuf->pkt_len;
	counters.shown += shown;
	counters.copied += !shown;
	if (mbuf->nb_segs == 1 &&
		is_good(rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->pkt_len, &check))
		follow(rte_be_to_cpu_32(check.number));
	else if (shown && is_blank(mbuf))
		counters.blank++;
	else
		counters.bad++;
	if (shown && options.scan)
		counters.foreign += has_foreign(mbuf);
}

/* The one that came nb_keep packets before this one goes. */
static void
keep(struct rte_mbuf *mbuf)
{
	struct rte_mbuf **slot = &kept[counters.packets % options.nb_keep];

	rte_pktmbuf_free(*slot);
	*slot = mbuf;
}

static uint16_t
receive(void)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n;

	n = rte_eth_rx_burst(PORT, 0, mbufs, BURST);
	for (uint16_t i = 0; i < n; i++) {
		look_at(mbufs[i]);
		if (counters.held < options.nb_hold)
			held[counters.held++] = mbufs[i];
		else if (options.nb_keep != 0)
			keep(mbufs[i]);
		else
			rte_pktmbuf_free(mbufs[i]);
	}
	return n;
}

/* A packet that came before the interrupt was enabled brings none. */
static void
sleep_until_packet(void)
{
	struct rte_epoll_event event;

	rte_eth_dev_rx_intr_enable(PORT, 0);
	if (receive() == 0) {
		counters.sleeps++;
		rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, SLEEP_MS);
	}
	rte_eth_dev_rx_intr_disable(PORT, 0);
}

static void
print_counters(void)
{
	printf("{\"packets\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"shown\": %" PRIu64
	       ", \"copied\": %" PRIu64 ", \"bad\": %" PRIu64 ", \"blank\": %" PRIu64
	       ", \"missing\": %" PRIu64 ", \"foreign\": %" PRIu64 ", \"held\": %" PRIu64
	       ", \"sleeps\": %" PRIu64 "}\n",
		counters.packets, counters.bytes, counters.shown, counters.copied, counters.bad,
		counters.blank, counters.missing, counters.foreign, counters.held, counters.sleeps);
	fflush(stdout);
}

static void
run(void)
{
	const uint64_t second_tsc = rte_get_tsc_hz();
	uint64_t print_tsc = rte_get_tsc_cycles() + second_tsc;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		if (receive() == 0 && options.interrupt)
			sleep_until_packet();
		if (rte_get_tsc_cycles() < print_tsc)
			continue;
		print_counters();
		print_tsc += second_tsc;
	}
}

static int
fail(const char *what, int err)
{
	fprintf(stderr, "window-guest: %s: %s\n", what, rte_strerror(err));
	return 1;
}

int
main(int argc, char **argv)
{
	struct rte_mempool *pool;
	int ret;

	ret = rte_eal_init(argc, argv);
	if (ret < 0)
		return fail("EAL", rte_errno);
	if (!read_options(argc - ret, argv + ret))
		return fail("options", EINVAL);
	held = calloc(options.nb_hold + 1, sizeof(*held));
	kept = calloc(options.nb_keep + 1, sizeof(*kept));
	if (held == NULL || kept == NULL)
		return fail("--hold, --keep", ENOMEM);
	pool = create_pool();
	if (pool == NULL)
		return fail("mempool", rte_errno);
	ret = start_port(pool);
	if (ret < 0)
		return fail("port 0", -ret);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	print_counters();
	run();
	print_counters();
	rte_eth_dev_stop(PORT);
	rte_eth_dev_close(PORT);
	return counters.bad != 0 || counters.foreign != 0;
}
