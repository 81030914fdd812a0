/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Configuration of lib/control: what flags and file are read as, which of them wins, and that
 * whatever is wrong is said in one line that names the place.
 *
 * Files are memfds, so nothing is left on disk; their name, "/proc/self/fd/N", is what errors show.
 */

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "airlock_config.h"
#include "test.h"

#define MAX_ARGS 16
#define WEB	 "name=web,mac=52:54:00:00:00:01"
#define DB	 "name=db,mac=52:54:00:00:00:02"
#define VM_WEB	 "[vm web]\nmac = 52:54:00:00:00:01\n"
#define VM_DB	 "[vm db]\nmac = 52:54:00:00:00:02\n"
#define ASSERT_TEXT(text, wanted, message) \
	TEST_ASSERT(strcmp(text, wanted) == 0, "%s: '%s', not '%s'", message, text, wanted)
#define X10(x) x x x x x x x x x x

static struct airlock_config config;
static enum airlock_config_verdict verdict;
static char error[AIRLOCK_ERROR_MAX];
static char conf_path[32];
static int conf_fd = -1;

static int
setup(void)
{
	conf_fd = memfd_create("test_config", MFD_CLOEXEC);
	if (conf_fd < 0)
		return TEST_FAILED;
	snprintf(conf_path, sizeof(conf_path), "/proc/self/fd/%d", conf_fd);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	airlock_config_fini(&config);
	if (conf_fd >= 0)
		close(conf_fd);
	conf_fd = -1;
}

static int
write_conf(const char *text, size_t len)
{
	if (ftruncate(conf_fd, 0) < 0 || pwrite(conf_fd, text, len, 0) != (ssize_t)len)
		return TEST_FAILED;
	return TEST_SUCCESS;
}

/* Parse flags; with a file in front of them if *with_file*. */
static enum airlock_config_verdict
parse_args(bool with_file, const char *const *args, unsigned int nb_args)
{
	char name[] = "airlockd";
	char flag[] = "-c";
	char *argv[MAX_ARGS + 4] = {name, flag, conf_path};
	int argc = with_file ? 3 : 1;

	for (unsigned int i = 0; i < nb_args; i++)
		argv[argc++] = (char *)(uintptr_t)args[i];
	argv[argc] = NULL;
	airlock_config_fini(&config);
	return airlock_config_parse(&config, argc, argv, error);
}

#define PARSE(with_file, ...) \
	parse_args(with_file, (const char *const[]){__VA_ARGS__}, \
		RTE_DIM(((const char *const[]){__VA_ARGS__})))

static enum airlock_config_verdict
parse_file(const char *text)
{
	if (write_conf(text, strlen(text)) != TEST_SUCCESS)
		return AIRLOCK_CONFIG_VERSION;
	return parse_args(true, NULL, 0);
}

/* The error is "WHERE: FOUND, expected EXPECTED" on one line. */
static int
check_error(const char *where, const char *found, const char *input)
{
	TEST_ASSERT_EQUAL(strncmp(error, where, strlen(where)), 0, "%s for '%s', not: %s", where,
		input, error);
	TEST_ASSERT_EQUAL(strncmp(error + strlen(where), ": ", 2), 0, "'%s': %s", input, error);
	TEST_ASSERT_NOT_NULL(strstr(error, found), "'%s' for '%s', not: %s", found, input, error);
	TEST_ASSERT_NOT_NULL(strstr(error, "expected "), "'%s': %s", input, error);
	for (const char *c = error; *c != '\0'; c++)
		TEST_ASSERT((unsigned char)*c >= ' ' && *c != 0x7f, "'%s': byte 0x%02x", input,
			(unsigned char)*c);
	return TEST_SUCCESS;
}

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
	TEST_ASSERT_EQUAL(config.stats_s, 0, "stats");
	TEST_ASSERT_EQUAL(config.retries, 4, "retries");
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
	snprintf(origin, sizeof(origin), "%s:9", conf_path);
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

struct bad_flags {
	const char *args[8];
	const char *where;
	const char *found;
};

static const struct bad_flags bad_flags[] = {
	{{NULL}, "--vm", "no VM and no uplink"},
	{{"--nonsense"}, "--nonsense", "unknown flag"},
	{{"--metrics=:9090"}, "--metrics", "unknown flag"},
	{{"--control", "/x"}, "--control", "unknown flag"},
	{{"--run", "/tmp"}, "--run", "unknown flag"}, /* not even where it is unambiguous */
	{{"--p=1"}, "--p", "unknown flag"},
	{{"-x"}, "-x", "unknown flag"},
	{{"--check=yes"}, "--check", "'yes'"},
	{{"web"}, "command line", "stray argument 'web'"},
	{{"--vm", WEB, ""}, "command line", "stray argument ''"},
	{{"--", "web"}, "command line", "stray argument 'web'"},
	{{"--vm"}, "--vm", "no value"},
	{{"--stats"}, "--stats", "no value, expected a number from 0 to 3600"},
	{{"-c"}, "-c", "no value"},
	{{"-c", ""}, "-c", "''"},
	{{"-c", "/nonexistent/airlock.conf"}, "-c", "/nonexistent/airlock.conf: No such file"},
	{{"-c", "/proc"}, "-c", "/proc: Is a directory"},
	{{"-c", "/dev/zero"}, "-c", "/dev/zero: more than 1 MiB"},
	{{"-c", "/dev/null", "-c", "/dev/null"}, "-c", "second"},
	{{"--run-dir", ""}, "--run-dir", "''"},
	{{"--pool-file="}, "--pool-file", "''"},
	{{"--pool-pages", "1023"}, "--pool-pages", "'1023', expected a number from 1024"},
	{{"--pool-pages", "16777217"}, "--pool-pages", "'16777217'"},
	{{"--pool-pages", "8192k"}, "--pool-pages", "'8192k'"},
	{{"--pool-pages", "-1"}, "--pool-pages", "'-1'"},
	{{"--pool-pages", "+8192"}, "--pool-pages", "'+8192'"},
	{{"--pool-pages", " 8192"}, "--pool-pages", "' 8192'"},
	{{"--pool-pages", "0x2000"}, "--pool-pages", "'0x2000'"},
	{{"--pool-pages", "18446744073709559808"}, "--pool-pages", "'18446744073709559808'"},
	{{"--pool-pages", "4294975488"}, "--pool-pages", "'4294975488'"},
	{{"--pool-pages", "2048", "--pool-pages", "2048"}, "--pool-pages", "second"},
	{{"--stats", "3601"}, "--stats", "'3601'"},
	{{"--retries", "65"}, "--retries", "'65'"},

	{{"--uplink", ""}, "--uplink", "key ''"},
	{{"--uplink", "0"}, "--uplink", "key '0'"},
	{{"--uplink", "mtu=1500"}, "--uplink", "'mtu=1500', expected port=N"},
	{{"--uplink", "port"}, "--uplink", "'port' without a value"},
	{{"--uplink", "port="}, "--uplink", "port ''"},
	{{"--uplink", "port=99"}, "--uplink", "port '99'"},
	{{"--uplink", "port=0,"}, "--uplink", "key ''"},
	{{"--uplink", "port=0,mac=1"}, "--uplink", "key 'mac', expected one of port, queues"},
	{{"--uplink", "port=0,port=1"}, "--uplink", "port '1' is a second one"},
	{{"--uplink", "port=0,queues=0"}, "--uplink", "queues '0', expected a number from 1 to 16"},
	{{"--uplink", "port=0,queues=17"}, "--uplink", "queues '17'"},
	{{"--uplink", "port=0,mtu=67"}, "--uplink", "mtu '67'"},
	{{"--uplink", "port=0,mtu=9001"}, "--uplink", "mtu '9001'"},
	{{"--uplink", "port=0,mtu=67036"}, "--uplink", "mtu '67036'"}, /* 1500 in 16 bits */
	{{"--uplink", "port=0,desc=63"}, "--uplink", "desc '63'"},
	{{"--uplink", "port=0,desc=4097"}, "--uplink", "desc '4097'"},
	{{"--uplink", "port=0,storm=1000000001"}, "--uplink", "storm '1000000001'"},
	{{"--uplink", "port=0", "--uplink", "port=0"}, "--uplink", "uplink 0 is a second one"},

	{{"--vm", "mac=52:54:00:00:00:01"}, "--vm", "expected name=NAME"},
	{{"--vm", "name=web"}, "--vm", "VM 'web' without a mac"},
	{{"--vm", WEB ",quota=5"}, "--vm", "key 'quota'"},
	{{"--vm", WEB ",deliver=copy"}, "--vm", "key 'deliver'"},
	{{"--vm", WEB ",mac=52:54:00:00:00:02"}, "--vm", "mac '52:54:00:00:00:02' is a second one"},
	{{"--vm", "name=,mac=52:54:00:00:00:01"}, "--vm", "name ''"},
	{{"--vm", "name=.,mac=52:54:00:00:00:01"}, "--vm", "name '.'"},
	{{"--vm", "name=..,mac=52:54:00:00:00:01"}, "--vm", "name '..'"},
	{{"--vm", "name=a/b,mac=52:54:00:00:00:01"}, "--vm", "name 'a/b'"},
	{{"--vm", "name=a b,mac=52:54:00:00:00:01"}, "--vm", "name 'a b'"},
	{{"--vm", "name=a\nb,mac=52:54:00:00:00:01"}, "--vm", "name 'a?b'"},
	{{"--vm", "name=12345678901234567890123456789012,mac=52:54:00:00:00:01"}, "--vm",
		"expected 1 to 31"},
	{{"--vm", "name=web,mac="}, "--vm", "mac ''"},
	{{"--vm", "name=web,mac=52:54:00:00:00"}, "--vm", "mac '52:54:00:00:00'"},
	{{"--vm", "name=web,mac=52:54:00:00:00:0g"}, "--vm", "mac '52:54:00:00:00:0g'"},
	{{"--vm", "name=web,mac=52:54:00:00:00:011"}, "--vm", "mac '52:54:00:00:00:011'"},
	{{"--vm", "name=web,mac=52-54-00-00-00-01"}, "--vm", "mac '52-54-00-00-00-01'"},
	{{"--vm", "name=web,mac=5254:0000:0001"}, "--vm", "mac '5254:0000:0001'"},
	{{"--vm", "name=web,mac=01:00:5e:00:00:01"}, "--vm", "expected a unicast MAC"},
	{{"--vm", "name=web,mac=ff:ff:ff:ff:ff:ff"}, "--vm", "expected a unicast MAC"},
	{{"--vm", "name=web,mac=00:00:00:00:00:00"}, "--vm", "expected a unicast MAC"},
	{{"--vm", WEB ",mode=listen"}, "--vm", "mode 'listen', expected client or server"},
	{{"--vm", WEB ",antispoof=yes"}, "--vm", "antispoof 'yes', expected off or on"},
	{{"--vm", WEB ",queues=0"}, "--vm", "queues '0'"},
	{{"--vm", WEB ",queues=17"}, "--vm", "queues '17'"},
	{{"--vm", WEB ",vlan=4095"}, "--vm", "vlan '4095'"},
	{{"--vm", WEB ",vlan=65537"}, "--vm", "vlan '65537'"},
	{{"--vm", WEB ",uplink=0"}, "--vm", "uplink '0' of VM 'web'"},
	{{"--vm", WEB ",uplink=1", "--uplink", "port=0"}, "--vm", "uplink '1' of VM 'web'"},
	{{"--vm", WEB ",socket="}, "--vm", "socket ''"},
	{{"--vm", WEB ",socket=/" X10("1234567890") "1234567"}, "--vm", "1 to 107 bytes"},
	{{"--run-dir", "/" X10("1234567890"), "--vm", WEB}, "--vm", "of 110 bytes"},
	{{"--vm", WEB, "--vm", WEB}, "--vm", "VM 'web' is a second one"},
	{{"--vm", WEB, "--vm", "name=db,mac=52:54:00:00:00:01"}, "--vm",
		"mac 52:54:00:00:00:01 of VM 'db' is that of VM 'web' (--vm)"},
	{{"--vm", WEB ",vlan=5", "--vm", "name=db,mac=52:54:00:00:00:01,vlan=5"}, "--vm",
		"is that of VM 'web'"},
	{{"--vm", WEB ",socket=/tmp/s", "--vm", DB ",socket=/tmp/s"}, "--vm",
		"socket '/tmp/s' of VM 'db' is that of VM 'web'"},
	{{"--vm", WEB ",socket=/run/airlock/db.sock", "--vm", DB}, "--vm",
		"socket '/run/airlock/db.sock'"},
	{{"--vm", X10("a=1,") X10("a=1,")}, "--vm", "more than 16 keys"},
	{{"--vm", X10(X10(X10("x")))}, "--vm", "expected one of name, mac"},
};

static int
test_wrong_flag_is_named_in_one_line(void)
{
	for (unsigned int i = 0; i < RTE_DIM(bad_flags); i++) {
		const struct bad_flags *bad = &bad_flags[i];
		const char *last = "(none)";
		unsigned int n = 0;

		while (bad->args[n] != NULL)
			last = bad->args[n++];
		verdict = parse_args(false, bad->args, n);
		TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_BAD, "'%s'", last);
		if (check_error(bad->where, bad->found, last) != TEST_SUCCESS)
			return TEST_FAILED;
	}
	return TEST_SUCCESS;
}

struct bad_file {
	const char *text;
	unsigned int line; /* 0: an error of -c */
	const char *found;
};

static const struct bad_file bad_files[] = {
	{"[airlock]\nfoo = 1\n" VM_WEB, 2, "key 'foo', expected one of run-dir, pool-pages"},
	{"[airlock]\ncheck = on\n" VM_WEB, 2, "key 'check'"},
	{"; x\n\n[airlock]\n\nstats = 1\n; y\nstats = 2\n", 7, "stats '2' is a second one after"},
	{"[airlock]\n[vm a]\nmac = 52:54:00:00:00:01\n[airlock]\n", 4, "[airlock] is a second one"},
	{"[airlock]\npool-pages = 12\n", 2, "pool-pages '12', expected a number from 1024"},
	{"[airlock]\npool-pages = 8192 pages\n", 2, "pool-pages '8192 pages'"},
	{"[airlock]\npool-pages\n", 2, "'pool-pages', expected [SECTION], key = value"},
	{"[airlock]\npool-pages =\n", 2, "'pool-pages' without a value"},
	{"[airlock]\npool-pages = ; 8192\n", 2, "'pool-pages' without a value"},
	{"[airlock]\n= 8192\n", 2, "'=' without a key"},
	{"# no comment\n[airlock]\n", 1, "'# no comment'"},
	{"pool-pages = 8192\n[airlock]\n", 1, "key 'pool-pages' outside a section"},
	{"[airlock\n", 1, "'[' without ']'"},
	{"[airlock] stats = 1\n", 1, "text after ']'"},
	{"[]\n", 1, "section []"},
	{"[ ]\n", 1, "section []"},
	{"[Airlock]\n", 1, "section [Airlock], expected [airlock]"},
	{"[airlock 1]\n", 1, "section [airlock 1]"},
	{"[lcores 1]\n", 1, "section [lcores 1]"},
	{"[vm]\nmac = 52:54:00:00:00:01\n", 1, "section [vm]"},
	{"[vm a b]\n", 1, "name 'a b'"},
	{"[vm ../a]\n", 1, "name '../a'"},
	{"[vm 12345678901234567890123456789012]\n", 1, "expected 1 to 31"},
	{"[" X10("1234567") "]\n", 1, "a long section name"},
	{"[airlock]\n" X10("1234567") " = 1\n", 2, "a long key"},
	{"[airlock]\nrun-dir = " X10("12345678901234567890123456") "\n", 2, "a long value"},
	{"[airlock]\n;" X10(X10("1234")) "\n", 2, "a line of 401 bytes, expected at most 322"},
	{"[airlock]\nrun-dir = /a\\;b\n", 2, "a backslash before ';'"},
	{"[airlock]\nrun-dir = /a\x01\n", 2, "byte 0x01"},
	{"[airlock]\rrun-dir = /a\n", 1, "byte 0x0d"},
	{"\x7f"
	 "ELF\n",
		1, "byte 0x7f"},
	{VM_WEB "name = x\n", 3, "key 'name'"},
	{VM_WEB "mac = 52:54:00:00:00:02\n", 3, "mac '52:54:00:00:00:02' is a second one"},
	{VM_WEB VM_DB VM_WEB, 5, "VM 'web' is a second one after"},
	{"[vm web]\n" VM_DB, 1, "VM 'web' without a mac"},
	{"[vm web]\nqueues = 1\nmac = 33:33:00:00:00:01\n", 3, "expected a unicast MAC"},
	{VM_WEB "[vm b]\nvlan = 0\nmac = 52:54:00:00:00:01\n", 5, "is that of VM 'web' ("},
	{VM_WEB "socket = /x\n" VM_DB "\nsocket = /x\n", 7, "socket '/x' of VM 'db'"},
	{"[uplink 1]\n" VM_WEB "uplink = 0\n", 4, "uplink '0' of VM 'web'"},
	{"[uplink]\n", 1, "section [uplink]"},
	{"[uplink eth0]\n", 1, "port 'eth0'"},
	{"[uplink 0]\nport = 0\n", 2, "key 'port'"},
	{"[uplink 0]\n[uplink 00]\n", 2, "uplink 0 is a second one after"},
	{"[uplink 0]\nmtu = 100000\n", 2, "mtu '100000'"},

	{VM_WEB "[lcores]\nx = all\n", 4, "lcore 'x', expected a number"},
	{VM_WEB "[lcores]\n100000 = all\n", 4, "lcore '100000'"},
	{VM_WEB "[lcores]\n1 = all\n01 = all\n", 5, "lcore 1 is a second one"},
	{VM_WEB "[lcores]\n1 = all\n[lcores]\n2 = all", 5, "[lcores] is a second one"},
	{VM_WEB "[lcores]\n1 = ,\n", 4, "no stage"},
	{VM_WEB "[lcores]\n1 = classify\n", 4, "'classify', expected all, rx"},
	{VM_WEB "[lcores]\n1 = all:web\n", 4, "'all:web', expected"},
	{VM_WEB "[lcores]\n1 = all tx\n", 4, "'tx': tx of the same queues is given to lcore 1"},
	{VM_WEB "[lcores]\n1 = rx rx\n", 4, "'rx': rx of the same"},
	{VM_WEB "[lcores]\n1 = all rx:0\n", 4, "'rx:0', expected a configured uplink"},
	{VM_WEB "[uplink 0]\n[lcores]\n1 = all rx:1\n", 5, "'rx:1', expected a configured uplink"},
	{VM_WEB "[uplink 0]\n[lcores]\n1 = all rx:0.1\n", 5,
		"'rx:0.1', expected a queue from 0 to 0"},
	{VM_WEB "[uplink 0]\n[lcores]\n1 = all rx:0.\n", 5, "'rx:0.', expected a queue"},
	{VM_WEB "[lcores]\n1 = all tx:db\n", 4, "'tx:db', expected a configured VM"},
	{VM_WEB "[lcores]\n1 = all tx:\n", 4, "'tx:', expected a configured VM"},
	{VM_WEB "[lcores]\n1 = all tx:.\n", 4, "'tx:.', expected a configured VM"},
	{VM_WEB "queues=2\n[lcores]\n1 = all tx:web.2\n", 5,
		"expected a queue from 0 to 1 of VM web"},
	{VM_WEB "[lcores]\n1 = handoff tx:web\n2 = tx:web\n", 5, "is given to lcore 1 ("},
	{VM_WEB "queues = 2\n[lcores]\n1 = handoff tx:web\n2 = tx:web.1\n", 6, "given to lcore 1"},
	{VM_WEB "queues = 2\n[lcores]\n1 = handoff tx:web.1\n2 = tx:web\n", 6, "given to lcore 1"},
	{VM_WEB "[lcores]\n1 = handoff\n", 3, "no lcore for tx:web.0"},
	{VM_WEB "queues = 2\n[lcores]\n1 = tx handoff:web.0\n", 4, "no lcore for handoff:web.1"},
	{VM_WEB "[uplink 3]\n[lcores]\n1 = tx handoff\n", 4, "no lcore for rx:3.0"},
};

static int
test_wrong_line_of_file_is_named_in_one_line(void)
{
	char where[64];

	for (unsigned int i = 0; i < RTE_DIM(bad_files); i++) {
		const struct bad_file *bad = &bad_files[i];

		verdict = parse_file(bad->text);
		TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_BAD, "'%s'", bad->text);
		snprintf(where, sizeof(where), "%s:%u", conf_path, bad->line);
		if (check_error(where, bad->found, bad->text) != TEST_SUCCESS)
			return TEST_FAILED;
	}
	return TEST_SUCCESS;
}

static int
test_zero_byte_and_size_of_file_are_refused(void)
{
	static char large[(1 << 20) + 1];
	char where[64];

	memset(large, '\n', sizeof(large));
	memcpy(large, VM_WEB, strlen(VM_WEB));
	TEST_ASSERT_SUCCESS(write_conf(large, sizeof(large) - 1), "file");
	verdict = parse_args(true, NULL, 0);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "1 MiB: %s", error);
	TEST_ASSERT_SUCCESS(write_conf(large, sizeof(large)), "file");
	verdict = parse_args(true, NULL, 0);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_BAD, "more than 1 MiB");
	if (check_error("-c", "more than 1 MiB", "large file") != TEST_SUCCESS)
		return TEST_FAILED;

	large[strlen(VM_WEB) + 1] = '\0';
	TEST_ASSERT_SUCCESS(write_conf(large, 4096), "file");
	verdict = parse_args(true, NULL, 0);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_BAD, "zero byte");
	snprintf(where, sizeof(where), "%s:4", conf_path);
	return check_error(where, "byte 0x00", "zero byte");
}

static int
test_lines_as_long_as_they_may_be_are_read_in_full(void)
{
	/* 322 bytes with its comment; a path as long as a value may be. */
	static const char text[] = "[airlock]\nrun-dir = /" X10(
		"1234567890123456789012345") "5678 ;" X10("12345") "12345\n" VM_WEB "socket = /x\n";

	verdict = parse_file(text);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(strlen(config.run_dir), 255, "all of it");
	TEST_ASSERT_EQUAL(config.nb_vms, 1, "the line after it");
	return TEST_SUCCESS;
}

static int
check_stage(unsigned int i, unsigned int lcore_id, enum airlock_stage stage, bool all)
{
	TEST_ASSERT(i < config.nb_stages, "%u of %u", i, config.nb_stages);
	TEST_ASSERT_EQUAL(config.stages[i].lcore_id, lcore_id, "assignment %u", i);
	TEST_ASSERT_EQUAL(config.stages[i].stage, stage, "assignment %u", i);
	TEST_ASSERT_EQUAL(config.stages[i].all, all, "assignment %u", i);
	return TEST_SUCCESS;
}

static int
test_lcores_get_shares_objects_and_queues(void)
{
	char origin[64];

	verdict = parse_file("[lcores]\n2 = all\n3 = rx,tx\n"
			     "4 = rx:5.1  handoff:web\n5=handoff:db.1 rx:4 tx:db.1.0\n" VM_WEB VM_DB
			     "queues = 2\n[vm db.1]\nmac = 52:54:00:00:00:03\n"
			     "[uplink 4]\n[uplink 5]\nqueues = 2\n");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.nb_stages, 10, "assignments");
	for (unsigned int i = 0; i < AIRLOCK_STAGE_MAX; i++)
		TEST_ASSERT_SUCCESS(check_stage(i, 2, i, true), "all");
	TEST_ASSERT_SUCCESS(check_stage(3, 3, AIRLOCK_STAGE_RX, true), "rx");
	TEST_ASSERT_SUCCESS(check_stage(4, 3, AIRLOCK_STAGE_TX, true), "tx");

	TEST_ASSERT_SUCCESS(check_stage(5, 4, AIRLOCK_STAGE_RX, false), "rx:5.1");
	TEST_ASSERT_EQUAL(config.stages[5].uplink_id, 1, "index, not port");
	TEST_ASSERT(!config.stages[5].all_queues, "one queue");
	TEST_ASSERT_EQUAL(config.stages[5].queue_id, 1, "queue");
	snprintf(origin, sizeof(origin), "%s:4", conf_path);
	ASSERT_TEXT(config.stages[5].origin.text, origin, "origin");
	TEST_ASSERT_SUCCESS(check_stage(6, 4, AIRLOCK_STAGE_HANDOFF, false), "handoff:web");
	TEST_ASSERT_EQUAL(config.stages[6].vm_idx, 0, "VM");
	TEST_ASSERT(config.stages[6].all_queues, "all queues");

	/* A VM's whole name goes before a name and a queue. */
	TEST_ASSERT_SUCCESS(check_stage(7, 5, AIRLOCK_STAGE_HANDOFF, false), "handoff:db.1");
	TEST_ASSERT_EQUAL(config.stages[7].vm_idx, 2, "db.1, not queue 1 of db");
	TEST_ASSERT(config.stages[7].all_queues, "all queues");
	TEST_ASSERT_SUCCESS(check_stage(9, 5, AIRLOCK_STAGE_TX, false), "tx:db.1.0");
	TEST_ASSERT_EQUAL(config.stages[9].vm_idx, 2, "db.1");
	TEST_ASSERT(!config.stages[9].all_queues, "one queue");
	ASSERT_TEXT(airlock_stage_name(AIRLOCK_STAGE_HANDOFF), "handoff", "name");
	return TEST_SUCCESS;
}

static int
test_lcores_of_file_may_name_what_flags_define(void)
{
	static const char text[] = "[lcores]\n1 = rx:0 handoff tx:web\n";

	TEST_ASSERT_SUCCESS(write_conf(text, strlen(text)), "file");
	verdict = PARSE(true, "--uplink", "port=0", "--vm", WEB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.nb_stages, 3, "assignments");
	return TEST_SUCCESS;
}

static int
test_as_many_vms_as_vhost_takes_and_not_one_more(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int ret;

	TEST_ASSERT_NOT_NULL(out, "memory");
	for (unsigned int i = 0; i < AIRLOCK_MAX_VMS; i++)
		fprintf(out, "[vm vm%u]\nmac = 52:54:00:00:%02x:%02x\n", i, i >> 8, i & 0xff);
	fclose(out);
	ret = write_conf(text, size);
	free(text);
	TEST_ASSERT_SUCCESS(ret, "file");

	verdict = parse_args(true, NULL, 0);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.nb_vms, AIRLOCK_MAX_VMS, "VMs");
	ASSERT_TEXT(config.vms[AIRLOCK_MAX_VMS - 1].name, "vm1023", "the last");
	TEST_ASSERT_EQUAL(config.vms[AIRLOCK_MAX_VMS - 1].mac.addr_bytes[5], 0xff, "the last");
	verdict = PARSE(true, "--vm", WEB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_BAD, "one more");
	return check_error("--vm", "VM 'web' is one too many", "one more");
}

static int
test_uplinks_are_limited(void)
{
	char text[AIRLOCK_MAX_UPLINKS][16];
	const char *args[MAX_ARGS];
	char file[512];
	size_t len = 0;

	for (unsigned int i = 0; i < AIRLOCK_MAX_UPLINKS; i++)
		len += snprintf(file + len, sizeof(file) - len, "[uplink %u]\n", i);
	verdict = parse_file(file);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_EQUAL(config.nb_uplinks, AIRLOCK_MAX_UPLINKS, "uplinks");
	snprintf(text[0], sizeof(text[0]), "port=%u", AIRLOCK_MAX_UPLINKS);
	args[0] = "--uplink";
	args[1] = text[0];
	verdict = parse_args(true, args, 2);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_BAD, "one more");
	return check_error("--uplink", "uplink 16 is one too many", "one more");
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

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static const struct unit_test_suite config_suite = {
	.suite_name = "config",
	.unit_test_cases =
		{
			CASE(test_defaults_are_those_of_the_help_text),
			CASE(test_flags_set_every_value),
			CASE(test_file_sets_every_value),
			CASE(test_flags_win_over_file_key_by_key),
			CASE(test_vm_may_share_a_mac_on_another_vlan_or_uplink),
			CASE(test_help_and_version_come_before_anything_else_is_read),
			CASE(test_wrong_flag_is_named_in_one_line),
			CASE(test_wrong_line_of_file_is_named_in_one_line),
			CASE(test_zero_byte_and_size_of_file_are_refused),
			CASE(test_lines_as_long_as_they_may_be_are_read_in_full),
			CASE(test_lcores_get_shares_objects_and_queues),
			CASE(test_lcores_of_file_may_name_what_flags_define),
			CASE(test_as_many_vms_as_vhost_takes_and_not_one_more),
			CASE(test_uplinks_are_limited),
			CASE(test_fini_takes_zeroes_and_may_come_twice),
			TEST_CASES_END(),
		},
};

static int
test_config(void)
{
	return unit_test_suite_runner(&config_suite);
}

REGISTER_FAST_TEST(config_autotest, true, true, test_config)
