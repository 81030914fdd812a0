/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Configuration of lib/control: what flags and file are read as, and which of them wins.
 */

#include <stdlib.h>

#include "test_config.h"

static int
test_defaults_are_those_of_the_help_text(void)
{
	const struct airlock_config_uplink *uplink = &config.uplinks[0];
	const struct airlock_config_vm *vm;

	verdict = PARSE(false, "--uplink", "port=3", "--vm", WEB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	ASSERT_TEXT(error, "", "no error");
	ASSERT_TEXT(config.file, "", "no file");
	ASSERT_TEXT(config.run_dir, "/run/airlock", "run-dir");
	ASSERT_TEXT(config.pool_file, "/run/airlock/pool", "pool-file");
	ASSERT_TEXT(config.run_dir_origin.text, "default", "origin");
	ASSERT_TEXT(config.pool_file_origin.text, "default", "origin");
	ASSERT_TEXT(config.pool_pages_origin.text, "default", "origin");
	TEST_ASSERT_EQUAL(config.pool_pages, 8192, "pool-pages");
	TEST_ASSERT_EQUAL(config.metrics.ss_family, AF_UNSPEC, "metrics");
	TEST_ASSERT_EQUAL(config.stats_s, 0, "stats");
	TEST_ASSERT_EQUAL(config.retries, 4, "retries");
	TEST_ASSERT_EQUAL(config.copy_below, AIRLOCK_COPY_BELOW_AUTO, "copy-below");
	TEST_ASSERT(!config.idle.adaptive, "idle");
	TEST_ASSERT_EQUAL(config.idle.pause_us, 100, "idle-pause");
	TEST_ASSERT_EQUAL(config.idle.sleep_us, 1000, "idle-sleep");
	TEST_ASSERT_EQUAL(config.idle.wait_us, 10000, "idle-wait");
	TEST_ASSERT(!config.check, "check");
	TEST_ASSERT_EQUAL(config.nb_stages, 0, "stages");

	TEST_ASSERT_EQUAL(config.nb_uplinks, 1, "uplinks");
	TEST_ASSERT_EQUAL(uplink->port_id, 3, "port");
	TEST_ASSERT_EQUAL(uplink->nb_queues, 1, "queues");
	TEST_ASSERT_EQUAL(uplink->mtu, 1500, "mtu");
	TEST_ASSERT_EQUAL(uplink->nb_desc, 1024, "desc");
	TEST_ASSERT_EQUAL(uplink->storm_pps, 10000, "storm");
	ASSERT_TEXT(uplink->origin.text, "--uplink", "origin");

	TEST_ASSERT_EQUAL(config.nb_vms, 1, "VMs");
	vm = &config.vms[0];
	ASSERT_TEXT(vm->name, "web", "name");
	ASSERT_TEXT(vm->socket, "/run/airlock/web.sock", "socket");
	TEST_ASSERT(!vm->server, "mode");
	TEST_ASSERT_EQUAL(vm->nb_queues, 1, "queues");
	TEST_ASSERT_EQUAL(vm->vlan_id, 0, "vlan");
	TEST_ASSERT_EQUAL(vm->uplink_id, 0, "uplink");
	TEST_ASSERT(vm->antispoof, "antispoof");
	TEST_ASSERT_EQUAL(vm->storm_pps, 10000, "storm");
	TEST_ASSERT_EQUAL(vm->rx_bps, 0, "rx-rate");
	TEST_ASSERT_EQUAL(vm->tx_bps, 0, "tx-rate");
	TEST_ASSERT_EQUAL(vm->deliver, AIRLOCK_DELIVER_COPY, "deliver");
	TEST_ASSERT_EQUAL(vm->quota_pages, 0, "quota");
	TEST_ASSERT_EQUAL(vm->stray, AIRLOCK_STRAY_STALL, "stray");
	TEST_ASSERT(vm->device[0] == '\0', "device");
	TEST_ASSERT_EQUAL(vm->iommu, AIRLOCK_IOMMU_BATCHED, "iommu");
	ASSERT_TEXT(vm->origin.text, "--vm", "origin");
	return TEST_SUCCESS;
}

static int
test_flags_set_every_value(void)
{
	static const struct rte_ether_addr mac = {{0x52, 0x54, 0x00, 0xab, 0xCD, 0xef}};
	const struct airlock_config_uplink *uplink = &config.uplinks[1];
	const struct airlock_config_vm *vm;

	verdict = PARSE(false, "--run-dir=/tmp/a", "--pool-pages", "16777216", "--pool-file",
		"/dev/hugepages/p", "--stats", "3600", "--retries=0", "--check", "--uplink",
		"port=0", "--uplink=mtu=9000,queues=16,port=31,desc=64,storm=0", "--vm",
		"vlan=4094,mac=52:54:00:ab:CD:ef,name=Db-1_x.y,socket=/tmp/"
		"a=b,mode=server,queues=16,"
		"uplink=31,antispoof=off,storm=1000000000");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	ASSERT_TEXT(config.run_dir, "/tmp/a", "run-dir");
	ASSERT_TEXT(config.run_dir_origin.text, "--run-dir", "origin");
	ASSERT_TEXT(config.pool_file, "/dev/hugepages/p", "pool-file");
	ASSERT_TEXT(config.pool_file_origin.text, "--pool-file", "origin");
	TEST_ASSERT_EQUAL(config.pool_pages, 16777216, "pool-pages");
	ASSERT_TEXT(config.pool_pages_origin.text, "--pool-pages", "origin");
	TEST_ASSERT_EQUAL(config.stats_s, 3600, "stats");
	TEST_ASSERT_EQUAL(config.retries, 0, "retries");
	TEST_ASSERT(config.check, "check");

	TEST_ASSERT_EQUAL(config.nb_uplinks, 2, "uplinks");
	TEST_ASSERT_EQUAL(uplink->port_id, 31, "port");
	TEST_ASSERT_EQUAL(uplink->nb_queues, 16, "queues");
	TEST_ASSERT_EQUAL(uplink->mtu, 9000, "mtu");
	TEST_ASSERT_EQUAL(uplink->nb_desc, 64, "desc");
	TEST_ASSERT_EQUAL(uplink->storm_pps, 0, "storm");

	TEST_ASSERT_EQUAL(config.nb_vms, 1, "VMs");
	vm = &config.vms[0];
	ASSERT_TEXT(vm->name, "Db-1_x.y", "name");
	TEST_ASSERT(rte_is_same_ether_addr(&vm->mac, &mac), "mac");
	ASSERT_TEXT(vm->socket, "/tmp/a=b", "socket");
	TEST_ASSERT(vm->server, "mode");
	TEST_ASSERT_EQUAL(vm->nb_queues, 16, "queues");
	TEST_ASSERT_EQUAL(vm->vlan_id, 4094, "vlan");
	TEST_ASSERT_EQUAL(vm->uplink_id, 1, "index of the uplink, not its port");
	TEST_ASSERT(!vm->antispoof, "antispoof");
	TEST_ASSERT_EQUAL(vm->storm_pps, 1000000000, "storm");
	return TEST_SUCCESS;
}

static int
test_file_sets_every_value(void)
{
	char origin[64];

	verdict = parse_file("; a comment\r\n"
			     "\t[ airlock ] ; another\r\n"
			     "run-dir=/tmp/a b\n"
			     "  pool-pages =  1024  ; pages = of 4 KiB\n"
			     "pool-file = /tmp/p\nstats = 1\nretries = 64\n"
			     "idle=adaptive\nidle-pause=0\nidle-sleep=0\nidle-wait=60000000\n"
			     "\n"
			     "[vm  web]\n"
			     "mac = 52:54:00:00:00:01\nsocket = /tmp/w,x.sock\nmode = "
			     "server\nqueues = 2\n"
			     "vlan = 7\nuplink = 5\nantispoof = off\nstorm = 1\n"
			     "[uplink 4]\n"
			     "[uplink 5]\nqueues = 3\nmtu = 68\ndesc = 4096\nstorm = 2");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	ASSERT_TEXT(config.file, conf_path, "file");
	ASSERT_TEXT(config.run_dir, "/tmp/a b", "run-dir");
	ASSERT_TEXT(config.pool_file, "/tmp/p", "pool-file");
	TEST_ASSERT_EQUAL(config.pool_pages, 1024, "pool-pages");
	snprintf(origin, sizeof(origin), "%s:4", conf_path);
	ASSERT_TEXT(config.pool_pages_origin.text, origin, "origin");
	TEST_ASSERT_EQUAL(config.stats_s, 1, "stats");
	TEST_ASSERT_EQUAL(config.retries, 64, "retries");
	TEST_ASSERT(config.idle.adaptive, "idle");
	TEST_ASSERT_EQUAL(config.idle.sleep_us, 0, "idle-sleep");
	TEST_ASSERT_EQUAL(config.idle.wait_us, 60000000, "idle-wait");

	TEST_ASSERT_EQUAL(config.nb_vms, 1, "VMs");
	ASSERT_TEXT(config.vms[0].name, "web", "name");
	TEST_ASSERT_EQUAL(config.vms[0].mac.addr_bytes[5], 1, "mac");
	ASSERT_TEXT(config.vms[0].socket, "/tmp/w,x.sock", "socket");
	TEST_ASSERT(config.vms[0].server, "mode");
	TEST_ASSERT_EQUAL(config.vms[0].nb_queues, 2, "queues");
	TEST_ASSERT_EQUAL(config.vms[0].vlan_id, 7, "vlan");
	TEST_ASSERT_EQUAL(config.vms[0].uplink_id, 1, "uplink");
	TEST_ASSERT(!config.vms[0].antispoof, "antispoof");
	TEST_ASSERT_EQUAL(config.vms[0].storm_pps, 1, "storm");
	snprintf(origin, sizeof(origin), "%s:13", conf_path);
	ASSERT_TEXT(config.vms[0].origin.text, origin, "origin");

	TEST_ASSERT_EQUAL(config.nb_uplinks, 2, "uplinks");
	TEST_ASSERT_EQUAL(config.uplinks[0].port_id, 4, "port");
	TEST_ASSERT_EQUAL(config.uplinks[1].port_id, 5, "port");
	TEST_ASSERT_EQUAL(config.uplinks[1].nb_queues, 3, "queues");
	TEST_ASSERT_EQUAL(config.uplinks[1].mtu, 68, "mtu");
	TEST_ASSERT_EQUAL(config.uplinks[1].nb_desc, 4096, "desc");
	TEST_ASSERT_EQUAL(config.uplinks[1].storm_pps, 2, "storm");
	return TEST_SUCCESS;
}

static int
test_flags_win_over_file_key_by_key(void)
{
	static const char text[] =
		"[airlock]\nrun-dir = /tmp/file\nstats = 5\nretries = 1\n" VM_WEB
		"queues = 4\nvlan = 3\n" VM_DB "[uplink 0]\nmtu = 9000\nqueues = 2\n";
	char origin[64];

	TEST_ASSERT_SUCCESS(write_conf(text, strlen(text)), "file");
	verdict = PARSE(true, "--stats", "7", "--vm", "name=web,queues=2", "--vm",
		"name=new,mac=52:54:00:00:00:03", "--uplink", "port=0,mtu=1400", "--uplink",
		"port=1");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.stats_s, 7, "the flag's");
	TEST_ASSERT_EQUAL(config.retries, 1, "the file's");
	TEST_ASSERT_EQUAL(config.nb_vms, 3, "VMs");
	TEST_ASSERT_EQUAL(config.vms[0].nb_queues, 2, "the flag's");
	TEST_ASSERT_EQUAL(config.vms[0].vlan_id, 3, "the file's");
	TEST_ASSERT_EQUAL(config.vms[0].mac.addr_bytes[5], 1, "the file's");
	ASSERT_TEXT(config.vms[0].origin.text, "--vm", "changed by a flag");
	snprintf(origin, sizeof(origin), "%s:9", conf_path);
	ASSERT_TEXT(config.vms[1].origin.text, origin, "not changed");
	ASSERT_TEXT(config.vms[1].socket, "/tmp/file/db.sock", "file's run-dir");
	ASSERT_TEXT(config.vms[2].name, "new", "the flag's");
	TEST_ASSERT_EQUAL(config.nb_uplinks, 2, "uplinks");
	TEST_ASSERT_EQUAL(config.uplinks[0].mtu, 1400, "the flag's");
	TEST_ASSERT_EQUAL(config.uplinks[0].nb_queues, 2, "the file's");
	TEST_ASSERT_EQUAL(config.uplinks[1].port_id, 1, "the flag's");

	verdict = PARSE(true, "--run-dir", "/tmp/flag");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	ASSERT_TEXT(config.vms[0].socket, "/tmp/flag/web.sock", "follows run-dir");
	ASSERT_TEXT(config.pool_file, "/tmp/flag/pool", "follows run-dir");
	return TEST_SUCCESS;
}

static int
test_vm_may_share_a_mac_on_another_vlan_or_uplink(void)
{
	verdict = PARSE(false, "--uplink", "port=0", "--uplink", "port=1", "--vm", WEB, "--vm",
		"name=b,mac=52:54:00:00:00:01,vlan=2", "--vm",
		"name=c,mac=52:54:00:00:00:01,uplink=1");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.nb_vms, 3, "VMs");
	return TEST_SUCCESS;
}

/* Also where one was before that has been deleted, or that was refused. */
static int
test_vm_that_is_added_has_nothing_of_another(void)
{
	static const struct airlock_config_pair device[] = {{"name", "old"},
		{"mac", "52:54:00:00:00:02"}, {"deliver", "auto"}, {"dma-device", "00:05.0"}};
	static const struct airlock_config_pair refused[] = {{"name", "bad"},
		{"mac", "52:54:00:00:00:01"}, {"deliver", "auto"}, {"dma-device", "00:06.0"}};
	static const struct airlock_config_pair plain[] = {
		{"name", "new"}, {"mac", "52:54:00:00:00:03"}};
	const struct airlock_config_vm *vm;

	TEST_ASSERT_EQUAL(parse_file(VM_WEB), AIRLOCK_CONFIG_RUN, "%s", error);
	vm = &config.vms[1];
	TEST_ASSERT(airlock_config_add_vm(&config, device, RTE_DIM(device), "add", error) == 1,
		"%s", error);
	ASSERT_TEXT(vm->device, "0000:00:05.0", "device");
	airlock_config_del_vm(&config, "old");
	TEST_ASSERT(airlock_config_add_vm(&config, plain, RTE_DIM(plain), "add", error) == 1, "%s",
		error);
	ASSERT_TEXT(vm->device, "", "deleted");
	airlock_config_del_vm(&config, "new");
	TEST_ASSERT_EQUAL(airlock_config_add_vm(&config, refused, RTE_DIM(refused), "add", error),
		-EINVAL, "the MAC address is web's");
	TEST_ASSERT(airlock_config_add_vm(&config, plain, RTE_DIM(plain), "add", error) == 1, "%s",
		error);
	ASSERT_TEXT(vm->device, "", "refused");
	return TEST_SUCCESS;
}

static int
test_help_and_version_come_before_anything_else_is_read(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	verdict = PARSE(false, "-h");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_HELP, "%s", error);
	verdict = PARSE(false, "--vm", "bad", "--help");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_HELP, "%s", error);
	verdict = PARSE(false, "-c", "/nonexistent", "--version");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_VERSION, "%s", error);

	out = open_memstream(&text, &size);
	TEST_ASSERT_NOT_NULL(out, "memory");
	airlock_config_help(out);
	fclose(out);
	/* The range and the default come from the table that the parser itself uses. */
	size = strstr(text, "usage: airlockd [EAL options] -- [options]") == text &&
		strstr(text, "--pool-pages N ") != NULL &&
		strstr(text, "[1024 to 16777216, default 8192]") != NULL &&
		strstr(text, "mode=client|server ") != NULL && strstr(text, "[lcores]") != NULL;
	free(text);
	TEST_ASSERT(size != 0, "help text");
	return TEST_SUCCESS;
}

static int
test_lines_as_long_as_they_may_be_are_read_in_full(void)
{
	/* 322 bytes with its comment; a path as long as a value may be. */
	static const char text[] =
		"[airlock]\nrun-dir = /" X10("1234567890123456789012345") "5678 ;" X10(
			"12345") "12345\ncontrol = /c\n" VM_WEB "socket = /x\n";

	verdict = parse_file(text);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(strlen(config.run_dir), 255, "all of it");
	TEST_ASSERT_EQUAL(config.nb_vms, 1, "the line after it");
	return TEST_SUCCESS;
}

static int
test_added_vm_has_nothing_of_one_that_was_there(void)
{
	static const struct airlock_config_pair pairs[] = {
		{"name", "new"}, {"mac", "52:54:00:00:00:07"}, {"deliver", "auto"}};

	verdict = PARSE(false, "--vm", WEB, "--vm", DB ",deliver=auto,dma-device=00:05.0");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	airlock_config_del_vm(&config, "db");
	TEST_ASSERT_EQUAL(airlock_config_add_vm(&config, pairs, RTE_DIM(pairs), "add", error), 1,
		"%s", error);
	ASSERT_TEXT(config.vms[1].device, "", "the device was the other's");
	return TEST_SUCCESS;
}

static int
test_fini_takes_zeroes_and_may_come_twice(void)
{
	struct airlock_config zero;

	memset(&zero, 0, sizeof(zero));
	airlock_config_fini(&zero);
	verdict = PARSE(false, "--vm", WEB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	airlock_config_fini(&config);
	TEST_ASSERT_NULL(config.vms, "freed");
	TEST_ASSERT_EQUAL(config.nb_vms, 0, "none left");
	airlock_config_fini(&config);
	return TEST_SUCCESS;
}

static const struct unit_test_suite config_suite = {
	.suite_name = "config",
	.unit_test_cases =
		{
			CONFIG_CASE(test_defaults_are_those_of_the_help_text),
			CONFIG_CASE(test_flags_set_every_value),
			CONFIG_CASE(test_file_sets_every_value),
			CONFIG_CASE(test_flags_win_over_file_key_by_key),
			CONFIG_CASE(test_vm_may_share_a_mac_on_another_vlan_or_uplink),
			CONFIG_CASE(test_vm_that_is_added_has_nothing_of_another),
			CONFIG_CASE(test_help_and_version_come_before_anything_else_is_read),
			CONFIG_CASE(test_lines_as_long_as_they_may_be_are_read_in_full),
			CONFIG_CASE(test_added_vm_has_nothing_of_one_that_was_there),
			CONFIG_CASE(test_fini_takes_zeroes_and_may_come_twice),
			TEST_CASES_END(),
		},
};

static int
test_config(void)
{
	return unit_test_suite_runner(&config_suite);
}

REGISTER_FAST_TEST(config_autotest, true, true, test_config)
