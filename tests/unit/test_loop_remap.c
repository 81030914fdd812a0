/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Delivery by remap in the loop: a guest of this process receives in frames of its window. What
 * goes by its frame, what is copied, and what else can be read in a frame.
 */

#include "test_loop_remap.h"
#include "window_priv.h"

#define LONG_BYTES 1514

static const struct loop_vm_conf variants[] = {
	{REMAP_GUEST},
	{REMAP_GUEST, .no_mergeable = true},
	{REMAP_GUEST, .packed = true},
	{REMAP_GUEST, .packed = true, .no_mergeable = true},
};

/* Of one length, in rounds that the pool has frames for. */
static int
exchange(uint32_t len)
{
	struct airlock_remap_stats stats;

	/* All frames are posted: not one packet of the first round is copied. */
	TEST_ASSERT_SUCCESS(remap_inject(0, 200, len), "first round");
	TEST_ASSERT_SUCCESS(remap_look(0, len), "first round");
	stats = remap_stats(0);
	TEST_ASSERT_EQUAL(stats.remapped.packets, 200, "first round by remap");
	TEST_ASSERT_EQUAL(stats.remapped.bytes, 200 * len, "bytes");
	for (unsigned int round = 0; round < 20; round++) {
		TEST_ASSERT_SUCCESS(remap_inject(0, 150, len), "round %u", round);
		TEST_ASSERT_SUCCESS(remap_look(0, len), "round %u", round);
	}
	stats = remap_stats(0);
	TEST_ASSERT_EQUAL(stats.remapped.packets + stats.copied.packets, 3200, "all are counted");
	/* A frame that lies in the guest's own cache is not posted. */
	TEST_ASSERT(stats.remapped.packets > stats.copied.packets, "%" PRIu64 " by remap",
		stats.remapped.packets);
	TEST_ASSERT_EQUAL(stats.table.mapped, stats.remapped.packets, "a frame a packet");
	TEST_ASSERT(stats.table.unmapped > 0, "frames come back");
	return remap_check();
}

static int
test_packets_arrive_in_their_frames(void)
{
	for (unsigned int i = 0; i < RTE_DIM(variants); i++) {
		TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){
					    REMAP_LOOP, .nb_vms = 1, .vms = {variants[i]}}),
			"variant %u", i);
		TEST_ASSERT_SUCCESS(exchange(LONG_BYTES), "variant %u", i);
		loop_close();
	}
	return TEST_SUCCESS;
}

static int
test_jumbo_packets_arrive_in_frames_of_three_pages(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){REMAP_LOOP, .mtu = 9000,
					    .nb_vms = 1, .vms = {variants[i]}}),
			"open");
		TEST_ASSERT_EQUAL(airlock_pool_table(loop.pool)->frame.pages, 3, "pages");
		TEST_ASSERT_SUCCESS(exchange(9000), "variant %u", i);
		loop_close();
	}
	return TEST_SUCCESS;
}

static int
test_packets_of_65000_bytes_arrive_in_frames_of_64_kib(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){REMAP_LOOP, .mtu = 65000,
					    .nb_vms = 1, .vms = {variants[i]}}),
			"open");
		TEST_ASSERT_SUCCESS(exchange(65000), "variant %u", i);
		loop_close();
	}
	return TEST_SUCCESS;
}

static int
test_length_decides(void)
{
	struct loop_conf conf = {
		REMAP_LOOP, .copy_below = 600, .nb_vms = 1, .vms = {{REMAP_GUEST}}};

	conf.vms[0].deliver = AIRLOCK_DELIVER_AUTO;
	TEST_ASSERT_SUCCESS(remap_open(&conf), "open");
	TEST_ASSERT_SUCCESS(remap_inject(0, 100, 599), "short");
	TEST_ASSERT_SUCCESS(remap_look(0, 599), "short");
	TEST_ASSERT_EQUAL(remap_stats(0).copied.packets, 100, "short ones are copied");
	TEST_ASSERT_SUCCESS(remap_inject(0, 100, 600), "long");
	TEST_ASSERT_SUCCESS(remap_look(0, 600), "long");
	TEST_ASSERT_EQUAL(remap_stats(0).copied.packets, 100, "short ones are copied");
	TEST_ASSERT_EQUAL(remap_stats(0).remapped.packets, 100, "long ones are remapped");
	return remap_check();
}

static int
test_packets_of_other_vms_and_floods(void)
{
	struct loop_packet packet = {.len = LONG_BYTES};
	struct rte_mbuf *m;

	TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 3,
				    .vms = {{0}, {REMAP_GUEST}, {REMAP_GUEST}}}),
		"open");
	packet.dst = loop.vms[1].mac;
	packet.src = loop.vms[0].mac;
	for (packet.seq = 0; packet.seq < 100; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "packet %u", packet.seq);
	loop.vms[1].want = 100;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	for (packet.seq = 0; packet.seq < 100; packet.seq++) {
		m = loop.vms[1].sink.mbufs[packet.seq];
		TEST_ASSERT(loop_packet_is(m, &packet), "packet %u", packet.seq);
		TEST_ASSERT(airlock_window_contains(loop.vms[1].window, m->buf_addr), "packet %u",
			packet.seq);
	}
	TEST_ASSERT_EQUAL(remap_stats(1).remapped.packets, 100, "from VM to VM");
	memset(&packet.dst, 0xff, sizeof(packet.dst));
	packet.src = remap_stranger;
	for (packet.seq = 0; packet.seq < 50; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "flood %u", packet.seq);
	for (unsigned int i = 0; i < 3; i++)
		loop.vms[i].want += 50;
	TEST_ASSERT_SUCCESS(loop_wait(), "floods");
	for (unsigned int i = 1; i < 3; i++) {
		packet.seq = 49;
		m = loop.vms[i].sink.mbufs[loop.vms[i].sink.n - 1];
		TEST_ASSERT(loop_packet_is(m, &packet), "the last one, at VM %u", i);
		TEST_ASSERT_EQUAL(remap_stats(i).copied.packets, 50, "VM %u: copies", i);
	}
	TEST_ASSERT_EQUAL(remap_stats(1).remapped.packets, 100, "from VM to VM");
	return remap_check();
}

/* Frames in which a VM got a packet, by VM. */
static bool had[2][REMAP_POOL_FRAMES];

/* Nothing but the packet and what this VM alone may know. */
static int
look_whole(unsigned int idx, uint8_t foreign)
{
	struct loop_vm *vm = &loop.vms[idx];

	for (uint32_t i = 0; i < vm->sink.n; i++) {
		const uint8_t *frame = vm->sink.mbufs[i]->buf_addr;

		if (!airlock_window_contains(vm->window, frame))
			continue;
		had[idx][(frame - vm->window->base) / AIRLOCK_PAGE_SIZE] = true;
		for (unsigned int at = 0; at < AIRLOCK_PAGE_SIZE; at++)
			TEST_ASSERT(frame[at] != foreign, "VM %u, packet %u: byte %u is another's",
				idx, i, at);
	}
	loop_forget(&vm->sink);
	return TEST_SUCCESS;
}

/* Raw bytes, so that no byte of the one's packets is in the other's. */
static int
inject_filled(unsigned int idx, unsigned int nb, uint16_t len, uint8_t fill)
{
	struct rte_ether_hdr eth = {.dst_addr = loop.vms[idx].mac, .src_addr = remap_stranger};
	uint8_t bytes[LONG_BYTES];

	memset(bytes, fill, sizeof(bytes));
	memcpy(bytes, &eth, sizeof(eth));
	for (unsigned int i = 0; i < nb; i++)
		TEST_ASSERT_SUCCESS(loop_inject_raw(0, bytes, len), "packet %u", i);
	loop.vms[idx].want += nb;
	return TEST_SUCCESS;
}

static int
test_nothing_of_another_vm_can_be_read(void)
{
	static const uint8_t fills[] = {0xa5, 0x5a};
	uint32_t nb_both = 0;

	memset(had, 0, sizeof(had));
	TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 2,
				    .vms = {{REMAP_GUEST}, {REMAP_GUEST}}}),
		"open");
	for (unsigned int round = 0; round < 60; round++) {
		unsigned int idx = round % 2;

		/* Long ones for the one, short ones for the other, and the other way round. */
		TEST_ASSERT_SUCCESS(
			inject_filled(idx, 120, round % 4 < 2 ? LONG_BYTES : 60, fills[idx]),
			"round %u", round);
		TEST_ASSERT_SUCCESS(inject_filled(idx, 30, 60, fills[idx]), "round %u", round);
		TEST_ASSERT_SUCCESS(loop_wait(), "round %u", round);
		TEST_ASSERT_SUCCESS(look_whole(idx, fills[1 - idx]), "round %u", round);
	}
	for (unsigned int i = 0; i < REMAP_POOL_FRAMES; i++)
		nb_both += had[0][i] && had[1][i];
	TEST_ASSERT(remap_stats(0).scrubbed_bytes > 0, "the first VM's frames were scrubbed");
	printf("    %u frames went to both\n", nb_both);
	return remap_check();
}

/* Frames that VM *idx* has in its hands go into had[], or must not be in that of another. */
static int
note_held(unsigned int idx, unsigned int other)
{
	const struct airlock_page_table *pages = airlock_pool_table(loop.pool);
	const struct loop_vm *vm = &loop.vms[idx];
	struct airlock_rxring *posted =
		airlock_vnic_rxring(vm_get(loop.pipeline, loop.vms[other].vm_id)->vnic, 0);

	for (uint32_t i = 0; i < vm->sink.n; i++) {
		const uint8_t *at = vm->sink.mbufs[i]->buf_addr;
		uint32_t frame = (at - vm->window->base) / AIRLOCK_PAGE_SIZE;

		if (!airlock_window_contains(vm->window, at))
			continue;
		TEST_ASSERT(!had[other][frame], "frame %u is in the hands of both", frame);
		had[idx][frame] = true;
		TEST_ASSERT_EQUAL(
			airlock_page_state_get(pages, frame), AIRLOCK_PAGE_LEASED, "%u", frame);
		TEST_ASSERT(idx != 0 || airlock_rxring_has_frame(posted, frame),
			"frame %u is not posted by the other", frame);
	}
	return TEST_SUCCESS;
}

/*
 * The second VM posts a frame again that was taken from it and went to the first one: as the table
 * has it, for no honest guest does that.
 */
static int
post_what_is_anothers(void)
{
	struct airlock_page_table *pages = airlock_pool_table(loop.pool);
	struct airlock_rxring *ring =
		airlock_vnic_rxring(vm_get(loop.pipeline, loop.vms[1].vm_id)->vnic, 0);
	uint32_t anothers = airlock_page_word(AIRLOCK_PAGE_LEASED, remap_stats(0).table.tag);
	uint32_t frame = 0, own;

	while (frame < REMAP_FRAMES && !had[1][frame])
		frame++;
	own = airlock_page_word_get(pages, frame);
	airlock_page_word_set(pages, frame, anothers);
	for (unsigned int i = 0; i < 100 && !airlock_rxring_has_frame(ring, frame); i++) {
		TEST_ASSERT_SUCCESS(remap_look(1, LONG_BYTES), "round %u", i);
		TEST_ASSERT_SUCCESS(remap_inject(1, 100, LONG_BYTES), "round %u", i);
		TEST_ASSERT_SUCCESS(loop_wait(), "round %u", i);
	}
	TEST_ASSERT(airlock_rxring_has_frame(ring, frame), "frame %u is not posted", frame);
	TEST_ASSERT_EQUAL(airlock_page_word_get(pages, frame), anothers, "still the first VM's");
	airlock_page_word_set(pages, frame, own);
	return TEST_SUCCESS;
}

/* Each has all frames posted, so also those that the other one holds. */
static int
test_posting_a_frame_that_another_vm_holds_gives_no_access(void)
{
	memset(had, 0, sizeof(had));
	TEST_ASSERT_SUCCESS(remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 2,
				    .vms = {{REMAP_GUEST}, {REMAP_GUEST}}}),
		"open");
	TEST_ASSERT_SUCCESS(remap_inject(0, 150, LONG_BYTES), "first VM");
	TEST_ASSERT_SUCCESS(loop_wait(), "first VM");
	TEST_ASSERT_SUCCESS(note_held(0, 1), "first VM");
	TEST_ASSERT_SUCCESS(remap_inject(1, 150, LONG_BYTES), "second VM");
	TEST_ASSERT_SUCCESS(loop_wait(), "second VM");
	TEST_ASSERT_SUCCESS(note_held(1, 0), "second VM");
	TEST_ASSERT(
		remap_stats(0).remapped.packets == 150 && remap_stats(1).remapped.packets == 150,
		"all by remap");
	/* A page of the one that the other could read is found here. */
	TEST_ASSERT_SUCCESS(remap_verify(), "windows");
	TEST_ASSERT_SUCCESS(post_what_is_anothers(), "second VM");
	TEST_ASSERT_SUCCESS(remap_look(0, LONG_BYTES), "first VM");
	TEST_ASSERT_SUCCESS(remap_look(1, LONG_BYTES), "second VM");
	for (unsigned int i = 0; i < AIRLOCK_RXRING_REFUSALS; i++)
		TEST_ASSERT(i == AIRLOCK_RXRING_NO_WINDOW || remap_stats(1).refused[i] == 0,
			"no buffer is refused for it: %s", airlock_rxring_refusal_name(i));
	return remap_check();
}

static int
test_same_owner_is_not_scrubbed(void)
{
	struct airlock_remap_stats stats;

	TEST_ASSERT_SUCCESS(
		remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 1, .vms = {{REMAP_GUEST}}}),
		"open");
	for (unsigned int round = 0; round < 60; round++) {
		TEST_ASSERT_SUCCESS(remap_inject(0, 100, LONG_BYTES), "round %u", round);
		TEST_ASSERT_SUCCESS(remap_look(0, LONG_BYTES), "round %u", round);
	}
	stats = remap_stats(0);
	/* Once a frame, and once more after a packet in it was copied. */
	TEST_ASSERT(stats.scrubbed_bytes <=
			(REMAP_FRAMES + stats.copied.packets) * (AIRLOCK_PAGE_SIZE - LONG_BYTES),
		"%" PRIu64 " bytes of %" PRIu64 " packets", stats.scrubbed_bytes,
		stats.remapped.packets);
	TEST_ASSERT(stats.remapped.packets > 2 * (REMAP_FRAMES + stats.copied.packets),
		"frames were used again: %" PRIu64 " remapped, %" PRIu64 " copied",
		stats.remapped.packets, stats.copied.packets);
	return remap_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite remap_suite = {
	.suite_name = "loop_remap",
	.unit_test_cases =
		{
			CASE(test_packets_arrive_in_their_frames),
			CASE(test_jumbo_packets_arrive_in_frames_of_three_pages),
			CASE(test_packets_of_65000_bytes_arrive_in_frames_of_64_kib),
			CASE(test_length_decides),
			CASE(test_packets_of_other_vms_and_floods),
			CASE(test_nothing_of_another_vm_can_be_read),
			CASE(test_posting_a_frame_that_another_vm_holds_gives_no_access),
			CASE(test_same_owner_is_not_scrubbed),
			TEST_CASES_END(),
		},
};

static int
test_loop_remap(void)
{
	return unit_test_suite_runner(&remap_suite);
}

REGISTER_FAST_TEST(loop_remap_autotest, true, true, test_loop_remap)
