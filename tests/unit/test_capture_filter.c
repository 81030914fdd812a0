/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Filters of captures let pass what libpcap lets pass, and a wrong one is told in one line.
 */

#include <pcap/pcap.h>
#include <rte_random.h>

#include "test_capture.h"

/* What a filter let pass. */
static struct filtered {
	uint32_t len;
	uint8_t head[64];
} wanted[2001];

/* Of all that filters look at: addresses, tags, protocols, ports, lengths. */
static uint32_t
random_packet(uint8_t *bytes)
{
	struct loop_packet packet = {
		.dst = {{0x02, 0, 0, 0, 0, rte_rand_max(3)}},
		.src = {{0x02, 0, 0, 0, 0, rte_rand_max(3)}},
		.tagged = rte_rand_max(4) == 0,
		.vlan_id = rte_rand_max(3),
		.len = 60 + rte_rand_max(1000),
		.tcp = rte_rand_max(2) == 0,
		.flow = rte_rand_max(4),
		.seq = rte_rand_max(100),
	};
	uint32_t len = loop_packet_write(&packet, bytes);

	if (rte_rand_max(4) == 0)
		bytes[14 + rte_rand_max(30)] = rte_rand();
	return rte_rand_max(8) == 0 ? 14 + rte_rand_max(40) : len;
}

/* With the packet in mbufs, through the whole of a capture, and with its bytes in libpcap. */
static int
check_filter(const char *filter)
{
	struct airlock_capture_conf conf = conf_of("filter");
	const struct airlock_capture_tap *tap = airlock_captures_tap(captures);
	struct airlock_capture_info info;
	struct bpf_program program;
	unsigned int nb_matches = 0;

	conf.filter = filter;
	conf.snaplen_bytes = 64;
	TEST_ASSERT_SUCCESS(capture_filter_compile(&program, filter, error), "%s", error);
	TEST_ASSERT_SUCCESS(airlock_captures_start(captures, &conf, error), "%s", error);
	for (unsigned int i = 0; i < 2000; i++) {
		static uint8_t bytes[LOOP_PACKET_MAX];
		uint32_t len = random_packet(bytes);
		struct pcap_pkthdr head = {.len = len, .caplen = len};
		struct rte_mbuf *m = loop_packet_raw(packets, bytes, len);

		TEST_ASSERT_NOT_NULL(m, "an mbuf");
		airlock_capture_burst(tap, &point, AIRLOCK_IN, &m, 1);
		rte_pktmbuf_free(m);
		wanted[nb_matches] = (struct filtered){.len = len};
		memcpy(wanted[nb_matches].head, bytes, RTE_MIN(len, 64));
		nb_matches += pcap_offline_filter(&program, &head, bytes) != 0;
	}
	pcap_freecode(&program);
	TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, "filter", &info), "stop");
	TEST_ASSERT_SUCCESS(captured_read(path), "the file");
	TEST_ASSERT(nb_matches > 0 && nb_matches < 2000, "%s: %u of 2000", filter, nb_matches);
	TEST_ASSERT_EQUAL(captured.nb_packets, nb_matches, "%s: packets", filter);
	for (unsigned int i = 0; i < nb_matches; i++) {
		const struct captured_packet *found = &captured.packets[i];

		TEST_ASSERT_EQUAL(found->wire_bytes, wanted[i].len, "%s: match %u", filter, i);
		TEST_ASSERT_BUFFERS_ARE_EQUAL(
			found->data, wanted[i].head, found->bytes, "%s: match %u", filter, i);
	}
	return TEST_SUCCESS;
}

static int
test_filters_say_what_libpcap_says(void)
{
	static const char *const filters[] = {
		"ether src 02:00:00:00:00:01",
		"ether dst 02:00:00:00:00:01 or ether src 02:00:00:00:00:02",
		"udp",
		"tcp[tcpflags] & tcp-ack != 0",
		"ip and not tcp",
		"vlan",
		"vlan 2 and udp",
		"udp src port 2 or tcp src portrange 0-1",
		"greater 500",
		"less 100",
		"ip[8] > 64 or ip[6:2] & 0x1fff != 0",
		"len & 1 = 1",
		"ether[len - 1] > 100",
		"ip[2:2] * 2 > 700 and ip[2:2] / 3 < 300",
	};

	for (unsigned int i = 0; i < RTE_DIM(filters); i++) {
		if (check_filter(filters[i]) != TEST_SUCCESS)
			return TEST_FAILED;
	}
	return TEST_SUCCESS;
}

static int
test_filters_that_are_wrong(void)
{
	static const char *const filters[] = {"udp prt 7", "(", "host", "ip[20"};
	struct bpf_program program;

	for (unsigned int i = 0; i < RTE_DIM(filters); i++) {
		TEST_ASSERT_EQUAL(capture_filter_compile(&program, filters[i], error), -EINVAL,
			"%s", filters[i]);
		TEST_ASSERT_NOT_NULL(strstr(error, filters[i]), "%s", error);
		TEST_ASSERT_NULL(strchr(error, '\n'), "one line: %s", error);
		TEST_ASSERT_NULL(program.bf_insns, "nothing is left to be freed");
	}
	return TEST_SUCCESS;
}

static const struct unit_test_suite capture_filter_suite = {
	.suite_name = "capture_filter",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_filters_say_what_libpcap_says),
			TEST_CASE_ST(setup, teardown, test_filters_that_are_wrong),
			TEST_CASES_END(),
		},
};

static int
test_capture_filter(void)
{
	return unit_test_suite_runner(&capture_filter_suite);
}

REGISTER_FAST_TEST(capture_filter_autotest, true, true, test_capture_filter)
