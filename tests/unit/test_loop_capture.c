/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Captures in the pipeline: what a capture says was delivered is what was delivered, by copy and by
 * remap; a drop is in a capture under the reason that it is counted under.
 */

#include <unistd.h>

#include "captured.h"
#include "test_loop_remap.h"

static const struct rte_ether_addr stranger = {{0x02, 0, 0, 0, 0, 0x99}};
static char path[64];
static char error[AIRLOCK_CAPTURE_ERROR_MAX];
static struct airlock_capture_info info;

static int
capture(const struct airlock_point *point, bool in, bool out, bool drops_only)
{
	struct airlock_capture_conf conf = {
		.name = "loop",
		.path = path,
		.overwrite = true,
		.point = point,
		.directions = {in, out},
		.drops_only = drops_only,
		.snaplen_bytes = AIRLOCK_CAPTURE_SNAPLEN_MAX,
	};

	snprintf(path, sizeof(path), "/dev/shm/airlock-loop-capture-%d", getpid());
	TEST_ASSERT_SUCCESS(
		airlock_captures_start(airlock_pipeline_captures(loop.pipeline), &conf, error),
		"%s", error);
	return TEST_SUCCESS;
}

static int
stop(void)
{
	TEST_ASSERT_SUCCESS(
		airlock_captures_stop(airlock_pipeline_captures(loop.pipeline), "loop", &info),
		"stop");
	TEST_ASSERT_EQUAL(info.missed, 0, "missed");
	return captured_read(path);
}

static void
close_capture(void)
{
	loop_close();
	captured_free();
	unlink(path);
}

static const struct airlock_point *
vm_point(unsigned int idx)
{
	return airlock_pipeline_vm_point(loop.pipeline, loop.vms[idx].vm_id);
}

/* Each packet's bytes, in order. */
static int
check_captured(const struct loop_packet *packet, unsigned int n)
{
	static uint8_t bytes[LOOP_PACKET_MAX];
	struct loop_packet wanted = *packet;

	TEST_ASSERT_EQUAL(captured.nb_packets, n, "packets in the file");
	for (wanted.seq = 0; wanted.seq < n; wanted.seq++) {
		const struct captured_packet *found = &captured.packets[wanted.seq];
		uint32_t len = loop_packet_write(&wanted, bytes);

		TEST_ASSERT_EQUAL(found->bytes, len, "packet %u", wanted.seq);
		TEST_ASSERT_BUFFERS_ARE_EQUAL(found->data, bytes, len, "packet %u", wanted.seq);
	}
	return TEST_SUCCESS;
}

static int
check_delivered(const struct loop_conf *conf)
{
	struct loop_packet packet = {.src = stranger, .len = 1400};
	const unsigned int n = LOOP_RING_SIZE / 2;

	TEST_ASSERT_SUCCESS(loop_open(conf), "open");
	packet.dst = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(capture(vm_point(0), false, true, false), "start");
	for (packet.seq = 0; packet.seq < n; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	loop.vms[0].want = n;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(0).delivered.packets == n), "counted");
	TEST_ASSERT_SUCCESS(stop(), "stop");
	TEST_ASSERT_SUCCESS(check_captured(&packet, n), "captured");
	return loop_check();
}

static int
test_delivered_by_copy(void)
{
	return check_delivered(&(struct loop_conf){.nb_vms = 1});
}

/* Frames are the guest's from then on: what a capture has is what it was before. */
static int
test_delivered_by_remap(void)
{
	struct loop_packet packet = {.src = remap_stranger, .len = 1514};

	TEST_ASSERT_SUCCESS(
		remap_open(&(struct loop_conf){REMAP_LOOP, .nb_vms = 1, .vms = {{REMAP_GUEST}}}),
		"open");
	TEST_ASSERT_SUCCESS(capture(vm_point(0), false, true, false), "start");
	TEST_ASSERT_SUCCESS(remap_inject(0, 200, 1514), "long ones");
	TEST_ASSERT_SUCCESS(remap_look(0, 1514), "arrival");
	TEST_ASSERT(remap_stats(0).remapped.packets > 0, "some by remap");
	TEST_ASSERT_SUCCESS(stop(), "stop");
	packet.dst = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(check_captured(&packet, 200), "captured");
	return remap_check();
}

static int
test_full_ring_is_a_drop_and_no_delivery(void)
{
	const unsigned int nb = LOOP_RING_SIZE + 50;
	struct loop_packet packet = {.src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1}), "open");
	packet.dst = loop.vms[0].mac;
	loop.vms[0].deaf = true;
	TEST_ASSERT_SUCCESS(capture(vm_point(0), false, true, true), "start");
	for (packet.seq = 0; packet.seq < nb; packet.seq++)
		TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "packet %u", packet.seq);
	loop.vms[0].want = LOOP_RING_SIZE;
	loop.vms[0].rx_drops[AIRLOCK_DROP_RING_FULL] = nb - LOOP_RING_SIZE;
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(0).rx_drops.by_reason[AIRLOCK_DROP_RING_FULL] ==
			    nb - LOOP_RING_SIZE),
		"dropped");
	TEST_ASSERT_SUCCESS(stop(), "stop");
	TEST_ASSERT_EQUAL(captured.nb_packets, nb - LOOP_RING_SIZE, "captured");
	for (unsigned int i = 0; i < captured.nb_packets; i++)
		TEST_ASSERT_STRINGS_ARE_EQUAL(
			captured.packets[i].comment, "drop: ring_full", "packet %u", i);
	return loop_check();
}

static unsigned int
nb_with(const char *comment, const char *interface)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < captured.nb_packets; i++)
		n += strcmp(captured.packets[i].comment, comment) == 0 &&
			strcmp(captured.interfaces[captured.packets[i].interface_id], interface) ==
				0;
	return n;
}

static int
test_drops_of_all_points(void)
{
	struct loop_conf conf = {.nb_vms = 2, .vms = {{0}, {.absent = true}}};
	struct loop_packet packet = {.dst = stranger, .src = stranger};

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(capture(NULL, true, true, true), "start");
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "unknown");
	loop.rx_drops[AIRLOCK_DROP_UNKNOWN_MAC] = 1;
	packet.dst = loop.vms[0].mac;
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "delivered");
	loop.vms[0].want = 1;
	packet.dst = loop.vms[1].mac;
	TEST_ASSERT_SUCCESS(loop_inject(0, &packet), "for one that is down");
	loop.vms[1].rx_drops[AIRLOCK_DROP_VM_DOWN] = 1;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "spoofed");
	loop.vms[0].tx_drops[AIRLOCK_DROP_SPOOFED] = 1;
	packet.src = loop.vms[0].mac;
	packet.dst = stranger;
	packet.len = 1515;
	TEST_ASSERT_SUCCESS(loop_send(0, 0, &packet), "too long for the wire");
	loop.tx_drops[AIRLOCK_DROP_TOO_LONG] = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT(LOOP_UNTIL(loop_uplink_stats().tx_drops.by_reason[AIRLOCK_DROP_TOO_LONG] == 1 &&
			    loop_vm_stats(1).rx_drops.by_reason[AIRLOCK_DROP_VM_DOWN] == 1),
		"dropped");
	TEST_ASSERT_SUCCESS(stop(), "stop");
	TEST_ASSERT_EQUAL(captured.nb_packets, 4, "drops");
	TEST_ASSERT_EQUAL(captured.nb_interfaces, 3, "places");
	for (unsigned int i = 0; i < 2; i++) {
		char name[64];

		snprintf(name, sizeof(name), "uplink %u", loop.port_id);
		TEST_ASSERT_EQUAL(nb_with(i == 0 ? "drop: unknown_mac" : "drop: too_long", name), 1,
			"of the uplink");
		TEST_ASSERT_EQUAL(
			nb_with(i == 0 ? "drop: spoofed" : "drop: vm_down", vm_point(i)->name), 1,
			"of VM %u", i);
	}
	return loop_check();
}

static int
test_vm_that_is_deleted_ends_its_capture(void)
{
	struct airlock_captures *captures;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 1}), "open");
	captures = airlock_pipeline_captures(loop.pipeline);
	TEST_ASSERT_SUCCESS(capture(vm_point(0), true, true, false), "start");
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_del_vm(loop.pipeline, loop.vms[0].vm_id), "delete the VM");
	loop.vms[0].vm_id = -1;
	TEST_ASSERT(LOOP_UNTIL(airlock_captures_info(captures, 0, &info) == 0 &&
			    info.state == AIRLOCK_CAPTURE_GONE),
		"ended");
	return stop();
}

#define CASE(fn) TEST_CASE_ST(NULL, close_capture, fn)

static const struct unit_test_suite suite = {
	.suite_name = "loop_capture",
	.unit_test_cases =
		{
			CASE(test_delivered_by_copy),
			CASE(test_delivered_by_remap),
			CASE(test_full_ring_is_a_drop_and_no_delivery),
			CASE(test_drops_of_all_points),
			CASE(test_vm_that_is_deleted_ends_its_capture),
			TEST_CASES_END(),
		},
};

static int
test_loop_capture(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(loop_capture_autotest, true, true, test_loop_capture)
