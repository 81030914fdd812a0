/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Captures by themselves: the file holds what was captured, and what finds no buffer is missed and
 * counted. No lcore runs; this thread plays one. Filters are in test_capture_filter.c.
 */

#include <pcap/pcap.h>

#include "test_capture.h"

static struct airlock_point uplink = {.name = "uplink 0", .tags = true};

static struct rte_mbuf *
packet_of(uint32_t len, uint32_t seq)
{
	struct loop_packet packet = {.len = len, .seq = seq};

	return loop_packet_mbuf(packets, &packet);
}

static int
check_bytes(const struct captured_packet *found, const struct loop_packet *packet, uint32_t snaplen)
{
	static uint8_t bytes[LOOP_PACKET_MAX];
	uint32_t len = loop_packet_write(packet, bytes);

	TEST_ASSERT_EQUAL(found->wire_bytes, len, "on the wire");
	TEST_ASSERT_EQUAL(found->bytes, RTE_MIN(len, snaplen), "in the file");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(found->data, bytes, found->bytes, "its bytes");
	return TEST_SUCCESS;
}

static int
test_file_holds_what_was_captured(void)
{
	static const uint32_t lens[] = {60, 61, 62, 63, 1514, 2048, 2049, 9014, 65000};
	struct airlock_drops drops = {0};
	struct airlock_capture_conf conf = conf_of("all");
	const struct airlock_capture_tap *tap = airlock_captures_tap(captures);
	struct airlock_capture_info info;

	airlock_drops_init(&drops, &point, AIRLOCK_OUT);
	TEST_ASSERT_SUCCESS(airlock_captures_start(captures, &conf, error), "%s", error);
	for (unsigned int i = 0; i < RTE_DIM(lens); i++) {
		struct rte_mbuf *m = packet_of(lens[i], i);

		TEST_ASSERT_NOT_NULL(m, "an mbuf");
		airlock_capture_burst(tap, i % 2 ? &point : &uplink, i % 2, &m, 1);
		airlock_capture_drop(tap, &drops, AIRLOCK_DROP_RUNT, &m, 1);
		rte_pktmbuf_free(m);
	}
	TEST_ASSERT_EQUAL(drops.by_reason[AIRLOCK_DROP_RUNT], RTE_DIM(lens), "drops are counted");
	TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, "all", &info), "stop");
	TEST_ASSERT_EQUAL(info.packets, RTE_DIM(lens), "packets");
	TEST_ASSERT_EQUAL(info.missed, 0, "missed");
	TEST_ASSERT_SUCCESS(captured_read(path), "the file");
	TEST_ASSERT_EQUAL(info.bytes, captured.file_bytes, "bytes of the file");
	TEST_ASSERT_EQUAL(captured.nb_packets, RTE_DIM(lens), "in the file");
	TEST_ASSERT_STRINGS_ARE_EQUAL(captured.interfaces[0], "uplink 0", "first seen");
	TEST_ASSERT_STRINGS_ARE_EQUAL(captured.interfaces[1], "vm web", "then seen");
	for (unsigned int i = 0; i < RTE_DIM(lens); i++) {
		const struct captured_packet *found = &captured.packets[i];
		struct loop_packet packet = {.len = lens[i], .seq = i};

		TEST_ASSERT_EQUAL(found->interface_id, i % 2, "its interface");
		TEST_ASSERT_EQUAL(found->flags, i % 2 ? 2 : 1, "its direction");
		TEST_ASSERT_STRINGS_ARE_EQUAL(found->comment, "", "no comment");
		TEST_ASSERT_SUCCESS(
			check_bytes(found, &packet, conf.snaplen_bytes), "packet %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_drops_only_has_reasons_and_snaplen_cuts(void)
{
	struct airlock_capture_conf conf = conf_of("drops");
	const struct airlock_capture_tap *tap = airlock_captures_tap(captures);
	struct airlock_capture_info info;
	struct rte_mbuf *m = packet_of(1000, 1);

	conf.drops_only = true;
	conf.point = &point;
	conf.directions[AIRLOCK_IN] = false;
	conf.snaplen_bytes = 77;
	TEST_ASSERT_SUCCESS(airlock_captures_start(captures, &conf, error), "%s", error);
	airlock_capture_burst(tap, &point, AIRLOCK_OUT, &m, 1);
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++) {
		for (unsigned int way = 0; way < AIRLOCK_DIRECTION_MAX; way++) {
			struct airlock_drops drops = {0};

			airlock_drops_init(&drops, &point, way);
			airlock_capture_drop(tap, &drops, i, &m, 1);
			drops.point = &uplink;
			airlock_capture_drop(tap, &drops, i, &m, 1);
		}
	}
	rte_pktmbuf_free(m);
	TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, "drops", &info), "stop");
	TEST_ASSERT_SUCCESS(captured_read(path), "the file");
	TEST_ASSERT_EQUAL(captured.nb_packets, AIRLOCK_DROP_MAX, "one for each reason");
	TEST_ASSERT_EQUAL(captured.nb_statistics, 1, "of one interface");
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++) {
		struct loop_packet packet = {.len = 1000, .seq = 1};
		char comment[64];

		snprintf(comment, sizeof(comment), "drop: %s", airlock_drop_name(i));
		TEST_ASSERT_STRINGS_ARE_EQUAL(captured.packets[i].comment, comment, "its reason");
		TEST_ASSERT_SUCCESS(check_bytes(&captured.packets[i], &packet, 77), "reason %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_tag_that_was_taken_out_is_there_again(void)
{
	struct airlock_capture_conf conf = conf_of("tags");
	const struct airlock_capture_tap *tap = airlock_captures_tap(captures);
	struct airlock_capture_info info;
	struct loop_packet packet = {.len = 100, .tagged = true, .vlan_id = 7};
	struct rte_mbuf *m = loop_packet_mbuf(packets, &packet);

	conf.filter = "vlan 7";
	TEST_ASSERT_SUCCESS(airlock_captures_start(captures, &conf, error), "%s", error);
	rte_vlan_strip(m);
	airlock_capture_burst(tap, &point, AIRLOCK_IN, &m, 1);
	airlock_capture_burst(tap, &uplink, AIRLOCK_OUT, &m, 1);
	airlock_capture_burst(tap, &uplink, AIRLOCK_IN, &m, 1);
	TEST_ASSERT_EQUAL(m->pkt_len, 100, "the packet itself is as it was");
	rte_pktmbuf_free(m);
	TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, "tags", &info), "stop");
	TEST_ASSERT_SUCCESS(captured_read(path), "the file");
	TEST_ASSERT_EQUAL(captured.nb_packets, 1, "where the tag is part of it");
	return check_bytes(&captured.packets[0], &packet, conf.snaplen_bytes);
}

/* A capture without a thread: nobody takes what is in its ring. */
static int
source_create(struct capture_source *source, unsigned int nb_buffers, unsigned int nb_slots)
{
	*source = (struct capture_source){
		.directions = {true, true},
		.snaplen_bytes = AIRLOCK_CAPTURE_SNAPLEN_MAX,
	};
	source->buffers = rte_pktmbuf_pool_create("test_capture_few", nb_buffers, 0,
		RTE_ALIGN(sizeof(struct capture_record), 8), 2048 + 128, SOCKET_ID_ANY);
	source->ring = rte_ring_create(
		"test_capture_few", nb_slots, SOCKET_ID_ANY, RING_F_EXACT_SZ | RING_F_SC_DEQ);
	TEST_ASSERT(source->buffers != NULL && source->ring != NULL, "memory");
	return TEST_SUCCESS;
}

static unsigned int
source_empty(struct capture_source *source)
{
	unsigned int n = 0;
	void *m;

	while (rte_ring_dequeue(source->ring, &m) == 0) {
		rte_pktmbuf_free(m);
		n++;
	}
	return n;
}

static int
check_missed(unsigned int nb_buffers, unsigned int nb_slots, uint32_t len, unsigned int fit)
{
	struct capture_source source;
	struct capture_list list = {.n = 1, .sources = {&source}};
	struct rte_mbuf *m = packet_of(len, 0);

	TEST_ASSERT_SUCCESS(source_create(&source, nb_buffers, nb_slots), "a source");
	for (unsigned int round = 1; round <= 3; round++) {
		for (unsigned int i = 0; i < 20; i++)
			capture_copy(&list, &point, AIRLOCK_IN, AIRLOCK_DROP_MAX, &m, 1);
		TEST_ASSERT_EQUAL(source.missed, round * (20 - fit), "round %u", round);
		TEST_ASSERT_EQUAL(source_empty(&source), fit, "round %u", round);
		TEST_ASSERT_EQUAL(rte_mempool_avail_count(source.buffers), nb_buffers,
			"all buffers are back");
	}
	/* What is missed does not count against the packets that are wanted. */
	source.count = fit + 2;
	for (unsigned int i = 0; i < 20; i++)
		capture_copy(&list, &point, AIRLOCK_IN, AIRLOCK_DROP_MAX, &m, 1);
	TEST_ASSERT_EQUAL(source_empty(&source), fit, "as many as there is room for");
	for (unsigned int i = 0; i < 20; i++)
		capture_copy(&list, &point, AIRLOCK_IN, AIRLOCK_DROP_MAX, &m, 1);
	TEST_ASSERT_EQUAL(source_empty(&source), 2, "and then the others");
	rte_pktmbuf_free(m);
	rte_ring_free(source.ring);
	rte_mempool_free(source.buffers);
	return TEST_SUCCESS;
}

static int
test_without_buffers_packets_are_missed(void)
{
	TEST_ASSERT_SUCCESS(check_missed(7, 16, 60, 7), "too few buffers");
	TEST_ASSERT_SUCCESS(check_missed(7, 16, 5000, 2), "three buffers for a packet");
	TEST_ASSERT_SUCCESS(check_missed(16, 5, 60, 5), "too small a ring");
	return TEST_SUCCESS;
}

static int
test_count_ends_it(void)
{
	struct airlock_capture_conf conf = conf_of("some");
	const struct airlock_capture_tap *tap = airlock_captures_tap(captures);
	struct airlock_capture_info info;
	struct rte_mbuf *burst[20];

	for (unsigned int i = 0; i < RTE_DIM(burst); i++)
		burst[i] = packet_of(100, i);
	conf.count = 7;
	TEST_ASSERT_SUCCESS(airlock_captures_start(captures, &conf, error), "%s", error);
	TEST_ASSERT(airlock_capture_is_on(tap), "published");
	airlock_capture_burst(tap, &point, AIRLOCK_IN, burst, RTE_DIM(burst));
	for (unsigned int i = 0; i < 5000 && airlock_capture_is_on(tap); i++)
		usleep(1000);
	TEST_ASSERT(!airlock_capture_is_on(tap), "gone by itself");
	TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, "some", &info), "stop");
	TEST_ASSERT_EQUAL(info.state, AIRLOCK_CAPTURE_COMPLETE, "complete");
	TEST_ASSERT_EQUAL(info.packets, 7, "seven");
	TEST_ASSERT_SUCCESS(captured_read(path), "the file");
	TEST_ASSERT_EQUAL(captured.nb_packets, 7, "in the file");
	rte_pktmbuf_free_bulk(burst, RTE_DIM(burst));
	return TEST_SUCCESS;
}

static int
test_limits(void)
{
	struct airlock_capture_conf conf = conf_of("a");
	char paths[AIRLOCK_CAPTURE_MAX + 1][96], name[32] = "a";
	struct airlock_capture_info info;

	conf.snaplen_bytes = 64;
	conf.name = name;
	for (unsigned int i = 0; i <= AIRLOCK_CAPTURE_MAX; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s-%u", path, i);
		snprintf(name, sizeof(name), "a%u", i);
		conf.path = paths[i];
		TEST_ASSERT_EQUAL(airlock_captures_start(captures, &conf, error),
			i < AIRLOCK_CAPTURE_MAX ? 0 : -ENOSPC, "capture %u: %s", i, error);
	}
	TEST_ASSERT_FAIL(access(paths[AIRLOCK_CAPTURE_MAX], F_OK), "no file of the last");
	for (unsigned int i = 0; i < AIRLOCK_CAPTURE_MAX; i++) {
		snprintf(name, sizeof(name), "a%u", i);
		TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, name, &info), "%s", name);
		TEST_ASSERT_EQUAL(info.state, AIRLOCK_CAPTURE_STOPPED, "%s", name);
		unlink(paths[i]);
	}
	TEST_ASSERT_EQUAL(airlock_captures_info(captures, 0, &info), -ENOENT, "none is left");
	return TEST_SUCCESS;
}

static int
test_file_without_packets_can_be_read(void)
{
	struct airlock_capture_conf conf = conf_of("empty");
	struct airlock_capture_info info;
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *pcap;

	TEST_ASSERT_SUCCESS(airlock_captures_start(captures, &conf, error), "%s", error);
	TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, "empty", &info), "stop");
	pcap = pcap_open_offline(path, why);
	TEST_ASSERT_NOT_NULL(pcap, "%s", why);
	pcap_close(pcap);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static const struct unit_test_suite suite = {
	.suite_name = "capture",
	.unit_test_cases =
		{
			CASE(test_file_holds_what_was_captured),
			CASE(test_drops_only_has_reasons_and_snaplen_cuts),
			CASE(test_tag_that_was_taken_out_is_there_again),
			CASE(test_without_buffers_packets_are_missed),
			CASE(test_count_ends_it),
			CASE(test_limits),
			CASE(test_file_without_packets_can_be_read),
			TEST_CASES_END(),
		},
};

static int
test_capture(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(capture_autotest, true, true, test_capture);
