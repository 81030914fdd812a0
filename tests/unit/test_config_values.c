/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Configuration of lib/control: values that can be written in several ways, as flags and in a file.
 */

#include <arpa/inet.h>

#include "test_config.h"

static int
test_rates_are_set(void)
{
	static const struct {
		const char *text;
		uint64_t bps;
	} rates[] = {
		{"0", 0},
		{"0G", 0},
		{"8000", 8000},
		{"8K", 8000},
		{"100M", 100000000},
		{"1G", 1000000000},
		{"1T", 1000000000000},
		{"1000000000000", 1000000000000},
	};
	struct airlock_limits limits;
	char text[128];

	for (unsigned int i = 0; i < RTE_DIM(rates); i++) {
		snprintf(text, sizeof(text), WEB ",tx-rate=%s", rates[i].text);
		verdict = PARSE(false, "--vm", text);
		TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
		TEST_ASSERT_EQUAL(config.vms[0].tx_bps, rates[i].bps, "%s", rates[i].text);
	}
	verdict = parse_file(VM_WEB "rx-rate = 2G\nrx-burst = 100K\ntx-rate = 10M\n"
				    "tx-burst = 1G\nstorm = 3\n");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	limits = airlock_config_limits(&config.vms[0]);
	TEST_ASSERT_EQUAL(limits.rx_bps, 2000000000, "rx-rate");
	TEST_ASSERT_EQUAL(limits.rx_burst_bytes, 100000, "rx-burst");
	TEST_ASSERT_EQUAL(limits.tx_bps, 10000000, "tx-rate");
	TEST_ASSERT_EQUAL(limits.tx_burst_bytes, 1000000000, "tx-burst");
	TEST_ASSERT_EQUAL(limits.storm_pps, 3, "storm");
	return TEST_SUCCESS;
}

static int
test_metrics_are_served_on_loopback_unless_told_otherwise(void)
{
	static const struct {
		const char *text;
		int family;
		const char *host;
		uint16_t port;
	} addresses[] = {
		{"off", AF_UNSPEC, "", 0},
		{"9100", AF_INET, "127.0.0.1", 9100},
		{":65535", AF_INET, "127.0.0.1", 65535},
		{"0.0.0.0:1", AF_INET, "0.0.0.0", 1},
		{"192.0.2.7:9100", AF_INET, "192.0.2.7", 9100},
		{"[::]:9100", AF_INET6, "::", 9100},
		{"[2001:db8:1111:2222:3333:4444:5555:6666]:9100", AF_INET6,
			"2001:db8:1111:2222:3333:4444:5555:6666", 9100},
	};
	char host[INET6_ADDRSTRLEN];

	for (unsigned int i = 0; i < RTE_DIM(addresses); i++) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&config.metrics;
		const struct sockaddr_in *in = (const struct sockaddr_in *)&config.metrics;
		bool is_in6 = addresses[i].family == AF_INET6;

		verdict = PARSE(false, "--vm", WEB, "--metrics", addresses[i].text);
		TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
		TEST_ASSERT_EQUAL(
			config.metrics.ss_family, addresses[i].family, "%s", addresses[i].text);
		if (addresses[i].family == AF_UNSPEC)
			continue;
		inet_ntop(addresses[i].family,
			is_in6 ? (const void *)&in6->sin6_addr : &in->sin_addr, host, sizeof(host));
		ASSERT_TEXT(host, addresses[i].host, "address");
		TEST_ASSERT_EQUAL(ntohs(is_in6 ? in6->sin6_port : in->sin_port), addresses[i].port,
			"%s", addresses[i].text);
		ASSERT_TEXT(config.metrics_origin.text, "--metrics", "origin");
	}
	verdict = parse_file("[airlock]\nmetrics = 9100\n" VM_WEB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.metrics.ss_family, AF_INET, "by file");
	return TEST_SUCCESS;
}

static int
test_mirrors_are_set(void)
{
	verdict = PARSE(false, "--vm", WEB ",mirror=db,mirror-direction=tx", "--vm", DB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	ASSERT_TEXT(config.vms[0].mirror, "db", "mirror");
	TEST_ASSERT_EQUAL(config.vms[0].mirror_direction, AIRLOCK_MIRROR_TX, "mirror-direction");
	ASSERT_TEXT(config.vms[1].mirror, "none", "mirror");
	TEST_ASSERT_EQUAL(config.vms[1].mirror_direction, AIRLOCK_MIRROR_BOTH, "mirror-direction");
	TEST_ASSERT(airlock_config_mirrored_to(&config, "db") == &config.vms[0], "to db");
	TEST_ASSERT(airlock_config_mirrored_to(&config, "web") == NULL, "to web");
	return TEST_SUCCESS;
}

static int
test_windows_are_set(void)
{
	static const struct {
		const char *text;
		uint32_t bytes;
	} below[] = {
		{"auto", AIRLOCK_COPY_BELOW_AUTO},
		{"always", AIRLOCK_COPY_BELOW_ALWAYS},
		{"never", AIRLOCK_COPY_BELOW_NEVER},
		{"0", 0},
		{"65535", 65535},
	};

	for (unsigned int i = 0; i < RTE_DIM(below); i++) {
		verdict = PARSE(false, "--vm", WEB, "--copy-below", below[i].text);
		TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
		TEST_ASSERT_EQUAL(config.copy_below, below[i].bytes, "%s", below[i].text);
	}
	verdict = PARSE(false, "--uplink", "port=0", "--vm", WEB ",deliver=auto,quota=16777216",
		"--vm", DB ",deliver=remap,stray=kill,quota=1");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.vms[0].deliver, AIRLOCK_DELIVER_AUTO, "deliver");
	TEST_ASSERT_EQUAL(config.vms[0].quota_pages, 16777216, "quota");
	ASSERT_TEXT(config.vms[0].window, "/run/airlock/web.window", "window");
	TEST_ASSERT_EQUAL(config.vms[1].deliver, AIRLOCK_DELIVER_REMAP, "deliver");
	TEST_ASSERT_EQUAL(config.vms[1].stray, AIRLOCK_STRAY_KILL, "stray");
	TEST_ASSERT_EQUAL(config.uplinks[0].nb_desc, 256, "desc, with a window");
	verdict = PARSE(false, "--uplink", "port=0,desc=1024", "--vm", WEB ",deliver=auto");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.uplinks[0].nb_desc, 1024, "desc, as set");
	verdict = parse_file(
		"[airlock]\ncopy-below = 600\n" VM_WEB "deliver = remap\nquota = 64\nstray = kill\n"
		"dma-device = 5e:00.1\niommu = strict\n");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.copy_below, 600, "copy-below");
	TEST_ASSERT_EQUAL(config.vms[0].deliver, AIRLOCK_DELIVER_REMAP, "deliver");
	TEST_ASSERT_EQUAL(config.vms[0].quota_pages, 64, "quota");
	TEST_ASSERT_EQUAL(config.vms[0].stray, AIRLOCK_STRAY_KILL, "stray");
	ASSERT_TEXT(config.vms[0].device, "0000:5e:00.1", "device");
	ASSERT_TEXT(config.vms[0].device_socket, "/run/airlock/web.device", "its socket");
	TEST_ASSERT_EQUAL(config.vms[0].iommu, AIRLOCK_IOMMU_STRICT, "iommu");
	return TEST_SUCCESS;
}

static const struct unit_test_suite config_values_suite = {
	.suite_name = "config_values",
	.unit_test_cases =
		{
			CONFIG_CASE(test_rates_are_set),
			CONFIG_CASE(test_metrics_are_served_on_loopback_unless_told_otherwise),
			CONFIG_CASE(test_mirrors_are_set),
			CONFIG_CASE(test_windows_are_set),
			TEST_CASES_END(),
		},
};

static int
test_config_values(void)
{
	return unit_test_suite_runner(&config_values_suite);
}

REGISTER_FAST_TEST(config_values_autotest, true, true, test_config_values)
