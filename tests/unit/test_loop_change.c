/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * VMs that are changed while they are there: address, VLAN, quota, way of delivery. Limits are in
 * test_loop_rate.c; that nobody loses a packet meanwhile is in test_loop_churn.c.
 */

#include "test_loop_remap.h"
#include "window_priv.h"

#define LONG_BYTES 1514

static const struct rte_ether_addr other_mac = {{0x02, 0, 0, 0, 0, 0x42}};
static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static int
set_net(unsigned int idx, const struct rte_ether_addr *mac, uint16_t vlan_id, bool antispoof)
{
	struct airlock_pipeline_vm_net net = {
		.mac = *mac, .vlan_id = vlan_id, .antispoof = antispoof};

	return airlock_pipeline_set_vm_net(loop.pipeline, loop.vms[idx].vm_id, &net);
}

static int
inject(const struct rte_ether_addr *dst, uint16_t vlan_id)
{
	struct loop_packet packet = {
		.dst = *dst, .src = remap_stranger, .tagged = vlan_id != 0, .vlan_id = vlan_id};

	return loop_inject(0, &packet);
}

static int
send_from(unsigned int idx, const struct rte_ether_addr *src, const struct rte_ether_addr *dst)
{
	struct loop_packet packet = {.dst = *dst, .src = *src};

	return loop_send(idx, 0, &packet);
}

static int
test_new_address_takes_the_place_of_the_old(void)
{
	struct airlock_pipeline_vm_stats stats;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2}), "open");
	TEST_ASSERT_SUCCESS(set_net(0, &other_mac, 0, true), "change");
	stats = loop_vm_stats(0);
	TEST_ASSERT(rte_is_same_ether_addr(&stats.mac, &other_mac), "shown");

	TEST_ASSERT_SUCCESS(inject(&other_mac, 0), "to the new one");
	TEST_ASSERT_SUCCESS(inject(&loop.vms[0].mac, 0), "to the old one");
	TEST_ASSERT_SUCCESS(inject(&loop.vms[1].mac, 0), "to the other VM");
	TEST_ASSERT_SUCCESS(send_from(1, &loop.vms[1].mac, &other_mac), "from the other VM");
	loop.vms[0].want = 2;
	loop.vms[1].want = 1;
	loop.rx_drops[AIRLOCK_DROP_UNKNOWN_MAC] = 1;
	TEST_ASSERT_SUCCESS(send_from(0, &other_mac, &loop.vms[1].mac), "from the new one");
	loop.vms[1].want++;
	TEST_ASSERT_SUCCESS(send_from(0, &loop.vms[0].mac, &loop.vms[1].mac), "from the old one");
	loop.vms[0].tx_drops[AIRLOCK_DROP_SPOOFED] = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");

	TEST_ASSERT_SUCCESS(set_net(0, &other_mac, 0, false), "may send from any");
	TEST_ASSERT_SUCCESS(send_from(0, &loop.vms[0].mac, &loop.vms[1].mac), "from the old one");
	loop.vms[1].want++;
	return loop_check();
}

static int
test_new_vlan_takes_the_place_of_the_old(void)
{
	struct loop_conf conf = {.nb_vms = 3, .vms = {{.vlan_id = 10}, {.vlan_id = 10}, {0}}};
	const struct loop_vm *vms = loop.vms;

	TEST_ASSERT_SUCCESS(loop_open(&conf), "open");
	TEST_ASSERT_SUCCESS(set_net(0, &vms[0].mac, 20, true), "change");
	TEST_ASSERT_EQUAL(loop_vm_stats(0).vlan_id, 20, "shown");

	TEST_ASSERT_SUCCESS(inject(&vms[0].mac, 20), "to the new one");
	TEST_ASSERT_SUCCESS(inject(&vms[0].mac, 10), "to the old one");
	TEST_ASSERT_SUCCESS(inject(&broadcast, 20), "to all of the new one");
	TEST_ASSERT_SUCCESS(inject(&broadcast, 10), "to all of the old one");
	loop.vms[0].want = 2;
	loop.vms[1].want = 1;
	loop.rx_drops[AIRLOCK_DROP_UNKNOWN_MAC] = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");

	TEST_ASSERT_SUCCESS(send_from(0, &vms[0].mac, &vms[1].mac), "they do not meet");
	loop.wire_want = 1;
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	TEST_ASSERT_SUCCESS(set_net(0, &vms[0].mac, 0, true), "to a third one");
	TEST_ASSERT_SUCCESS(send_from(0, &vms[0].mac, &vms[2].mac), "they meet");
	TEST_ASSERT_SUCCESS(send_from(0, &vms[0].mac, &broadcast), "all of it");
	loop.vms[2].want = 2;
	loop.wire_want = 2;
	TEST_ASSERT_SUCCESS(inject(&broadcast, 20), "to one that nobody is in any more");
	loop.rx_drops[AIRLOCK_DROP_NO_LISTENER] = 1;
	return loop_check();
}

static int
test_changes_that_cannot_be_are_refused(void)
{
	struct airlock_pipeline *pl;
	const uint16_t nobody = AIRLOCK_FDB_MAX_VMS - 1;
	int vm_id;

	TEST_ASSERT_SUCCESS(loop_open(&(struct loop_conf){.nb_vms = 2}), "open");
	pl = loop.pipeline;
	vm_id = loop.vms[0].vm_id;
	TEST_ASSERT_EQUAL(set_net(0, &loop.vms[1].mac, 0, true), -EEXIST, "another's address");
	TEST_ASSERT_EQUAL(set_net(0, &broadcast, 0, true), -EINVAL, "no address of a VM");
	TEST_ASSERT_EQUAL(airlock_pipeline_set_vm_deliver(pl, vm_id, AIRLOCK_DELIVER_REMAP),
		-ENOTSUP, "without a window");
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_set_vm_deliver(pl, vm_id, AIRLOCK_DELIVER_COPY), "as it is");
	TEST_ASSERT_EQUAL(airlock_pipeline_set_vm_net(
				  pl, nobody, &(struct airlock_pipeline_vm_net){.mac = other_mac}),
		-ENOENT, "net");
	TEST_ASSERT_EQUAL(airlock_pipeline_set_vm_quota(pl, UINT16_MAX, 1), -ENOENT, "quota");
	TEST_ASSERT_EQUAL(
		airlock_pipeline_set_vm_deliver(pl, nobody, AIRLOCK_DELIVER_COPY), -ENOENT, "way");
	TEST_ASSERT_EQUAL(
		airlock_pipeline_set_vm_stray(pl, nobody, AIRLOCK_STRAY_KILL), -ENOENT, "stray");

	for (unsigned int i = 0; i < 2; i++) {
		TEST_ASSERT_SUCCESS(inject(&loop.vms[i].mac, 0), "as before");
		loop.vms[i].want = 1;
	}
	return loop_check();
}

static int
test_way_of_delivery_and_quota_change(void)
{
	struct loop_conf conf = {
		REMAP_LOOP, .copy_below = 600, .nb_vms = 1, .vms = {{REMAP_GUEST}}};
	int vm_id;

	TEST_ASSERT_SUCCESS(remap_open(&conf), "open");
	vm_id = loop.vms[0].vm_id;
	TEST_ASSERT_SUCCESS(remap_inject(0, 50, 100), "short");
	TEST_ASSERT_SUCCESS(remap_look(0, 100), "short");
	TEST_ASSERT_EQUAL(remap_stats(0).remapped.packets, 50, "by remap");
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_set_vm_deliver(loop.pipeline, vm_id, AIRLOCK_DELIVER_AUTO),
		"by length");
	TEST_ASSERT_EQUAL(loop_vm_stats(0).deliver, AIRLOCK_DELIVER_AUTO, "shown");
	TEST_ASSERT_SUCCESS(remap_inject(0, 50, 100), "short");
	TEST_ASSERT_SUCCESS(remap_look(0, 100), "short");
	TEST_ASSERT_EQUAL(remap_stats(0).copied.packets, 50, "by copy");
	TEST_ASSERT_EQUAL(
		airlock_pipeline_set_vm_deliver(loop.pipeline, vm_id, AIRLOCK_DELIVER_COPY),
		-ENOTSUP, "it has a window");

	TEST_ASSERT_SUCCESS(airlock_pipeline_set_vm_quota(loop.pipeline, vm_id, 40), "quota");
	TEST_ASSERT_EQUAL(remap_stats(0).quota, 40, "shown");
	TEST_ASSERT_SUCCESS(remap_inject(0, 100, LONG_BYTES), "long");
	TEST_ASSERT_SUCCESS(loop_wait(), "arrival");
	/* The guest gives nothing back before its packets are looked at. */
	TEST_ASSERT(remap_stats(0).table.held <= 50, "%u held", remap_stats(0).table.held);
	TEST_ASSERT_SUCCESS(remap_look(0, LONG_BYTES), "long");
	TEST_ASSERT_SUCCESS(
		airlock_pipeline_set_vm_quota(loop.pipeline, vm_id, 0), "a fair share again");
	TEST_ASSERT(remap_stats(0).quota > 40, "%u frames", remap_stats(0).quota);
	return remap_check();
}

#define CASE(fn) TEST_CASE_ST(NULL, loop_close, fn)

static const struct unit_test_suite change_suite = {
	.suite_name = "loop_change",
	.unit_test_cases =
		{
			CASE(test_new_address_takes_the_place_of_the_old),
			CASE(test_new_vlan_takes_the_place_of_the_old),
			CASE(test_changes_that_cannot_be_are_refused),
			CASE(test_way_of_delivery_and_quota_change),
			TEST_CASES_END(),
		},
};

static int
test_loop_change(void)
{
	return unit_test_suite_runner(&change_suite);
}

REGISTER_FAST_TEST(loop_change_autotest, true, true, test_loop_change)
