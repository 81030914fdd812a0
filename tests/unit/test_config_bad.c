/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Configuration of lib/control: whatever is wrong, or too much, is said in one line that names the
 * place.
 */

#include <stdlib.h>

#include "test_config.h"

struct bad_flags {
	const char *args[8];
	const char *where;
	const char *found;
};

static const struct bad_flags bad_flags[] = {
	{{NULL}, "--vm", "no VM and no uplink"},
	{{"--nonsense"}, "--nonsense", "unknown flag"},
	{{"--metrics=0"}, "--metrics", "'0', expected off, a port"},
	{{"--metrics=65536"}, "--metrics", "'65536'"},
	{{"--metrics="}, "--metrics", "''"},
	{{"--metrics=127.0.0.1"}, "--metrics", "'127.0.0.1'"},
	{{"--metrics=127.0.0.1:"}, "--metrics", "'127.0.0.1:'"},
	{{"--metrics=127.0.0:9100"}, "--metrics", "'127.0.0:9100'"},
	{{"--metrics=localhost:9100"}, "--metrics", "'localhost:9100'"},
	{{"--metrics=::1:9100"}, "--metrics", "'::1:9100'"},
	{{"--metrics=[::g]:9100"}, "--metrics", "'[::g]:9100'"},
	{{"--metrics=[]:9100"}, "--metrics", "'[]:9100'"},
	{{"--metrics=[::1]"}, "--metrics", "'[::1]'"},
	{{"--metrics", "1", "--metrics", "1"}, "--metrics", "second"},
	{{"--control", ""}, "--control", "''"},
	{{"--control", "/run/airlock/web.sock", "--vm", WEB}, "--vm", "is the control socket"},
	{{"--vm", "name=control,mac=52:54:00:00:00:01"}, "--vm", "is the control socket (default)"},
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
	{{"--control-mode", "8"}, "--control-mode", "'8', expected an octal number from 0 to 0777"},
	{{"--control-mode", "1000"}, "--control-mode", "'1000'"},
	{{"--control-mode", "rw"}, "--control-mode", "'rw'"},
	{{"--control-mode="}, "--control-mode", "''"},
	{{"--socket-mode", "-1"}, "--socket-mode", "'-1'"},
	{{"--vm", WEB, "--control-owner", "no-such.user"}, "--control-owner",
		"'no-such.user', expected a user of this host"},
	{{"--vm", WEB, "--socket-group", "no-such.group"}, "--socket-group",
		"'no-such.group', expected a group of this host"},
	{{"--control-group", "a b"}, "--control-group", "'a b'"},
	{{"--retries", "65"}, "--retries", "'65'"},
	{{"--copy-below", "65536"}, "--copy-below", "'65536', expected"},
	{{"--copy-below", "sometimes"}, "--copy-below", "'sometimes', expected"},
	{{"--copy-below", "AUTO"}, "--copy-below", "'AUTO'"},
	{{"--copy-below="}, "--copy-below", "''"},
	{{"--copy-below", "auto", "--copy-below", "64"}, "--copy-below", "second"},
	{{"--idle", "sleep"}, "--idle", "'sleep', expected poll or adaptive"},
	{{"--idle-wait", "60000001"}, "--idle-wait", "'60000001'"},
	{{"--vm", WEB, "--idle-sleep", "99"}, "--idle-sleep",
		"idle-sleep 99 is less than idle-pause 100"},
	{{"--vm", WEB, "--idle-wait", "999"}, "--idle-wait",
		"idle-wait 999 is less than idle-sleep 1000"},

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
	{{"--uplink", "port=0,mtu=65382"}, "--uplink", "mtu '65382'"},
	{{"--uplink", "port=0,mtu=67036"}, "--uplink", "mtu '67036'"}, /* 1500 in 16 bits */
	{{"--uplink", "port=0,desc=63"}, "--uplink", "desc '63'"},
	{{"--uplink", "port=0,desc=4097"}, "--uplink", "desc '4097'"},
	{{"--uplink", "port=0,storm=1000000001"}, "--uplink", "storm '1000000001'"},
	{{"--uplink", "port=0", "--uplink", "port=0"}, "--uplink", "uplink 0 is a second one"},

	{{"--vm", "mac=52:54:00:00:00:01"}, "--vm", "expected name=NAME"},
	{{"--vm", "name=web"}, "--vm", "VM 'web' without a mac"},
	{{"--vm", WEB ",weight=5"}, "--vm", "key 'weight'"},
	{{"--vm", WEB ",window=/tmp/w"}, "--vm", "key 'window'"},
	{{"--vm", WEB ",rx-rate=7999"}, "--vm",
		"rx-rate '7999', expected 0, or a number from 8000 to 1000000000000, which may end "
		"in K, M, G or T"},
	{{"--vm", WEB ",rx-rate=1001G"}, "--vm", "rx-rate '1001G'"},
	{{"--vm", WEB ",rx-rate=1g"}, "--vm", "rx-rate '1g'"},
	{{"--vm", WEB ",rx-rate=1Gbit"}, "--vm", "rx-rate '1Gbit'"},
	{{"--vm", WEB ",rx-rate=1.5G"}, "--vm", "rx-rate '1.5G'"},
	{{"--vm", WEB ",rx-rate=M"}, "--vm", "rx-rate 'M'"},
	{{"--vm", WEB ",tx-rate="}, "--vm", "tx-rate ''"},
	{{"--vm", WEB ",tx-rate=-1"}, "--vm", "tx-rate '-1'"},
	{{"--vm", WEB ",tx-rate=18446744073709551617"}, "--vm", "tx-rate '18446744073709551617'"},
	{{"--vm", WEB ",tx-burst=99999"}, "--vm", "tx-burst '99999', expected 0, or a number"},
	{{"--vm", WEB ",rx-burst=1001M"}, "--vm", "rx-burst '1001M'"},
	{{"--vm", WEB ",mirror=db"}, "--vm",
		"mirror 'db' of VM 'web', expected another VM, or none"},
	{{"--vm", WEB ",mirror=web"}, "--vm", "mirror 'web' of VM 'web', expected another VM"},
	{{"--vm", WEB ",mirror=db", "--vm", DB ",mirror=web"}, "--vm",
		"mirror 'db' of VM 'web' is mirrored itself"},
	{{"--vm", WEB ",mirror="}, "--vm", "mirror ''"},
	{{"--vm", WEB ",mirror-direction=in"}, "--vm",
		"mirror-direction 'in', expected both, rx or tx"},
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
	{{"--vm", WEB ",deliver=zero"}, "--vm", "deliver 'zero', expected copy, auto or remap"},
	{{"--vm", WEB ",deliver="}, "--vm", "deliver ''"},
	{{"--vm", WEB ",quota=16777217"}, "--vm", "quota '16777217', expected a number from 0"},
	{{"--vm", WEB ",quota=-1"}, "--vm", "quota '-1'"},
	{{"--vm", WEB ",quota=half"}, "--vm", "quota 'half'"},
	{{"--vm", WEB ",quota=1,quota=2"}, "--vm", "quota '2' is a second one"},
	{{"--vm", WEB ",stray=ignore"}, "--vm", "stray 'ignore', expected stall or kill"},
	{{"--vm", WEB ",deliver=auto,dma-device=eth0"}, "--vm",
		"dma-device 'eth0', expected a PCI address such as 0000:00:05.0"},
	{{"--vm", WEB ",dma-device=0000:00:05.0"}, "--vm",
		"dma-device '0000:00:05.0' of VM 'web' without a window, expected deliver=auto"},
	{{"--vm", WEB ",deliver=auto,dma-device=0000:00:05.0", "--vm",
		 DB ",deliver=auto,dma-device=00:05.0"},
		"--vm", "dma-device '0000:00:05.0' of VM 'db' is that of VM 'web' (--vm)"},
	{{"--vm", WEB ",iommu=lazy"}, "--vm", "iommu 'lazy', expected batched or strict"},
	{{"--run-dir", "/" X10("123456789") "12345678", "--vm", WEB ",deliver=auto,socket=/s"},
		"--vm", "window socket"},
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
		"socket '/tmp/s' of VM 'db' is the socket of VM 'web'"},
	{{"--vm", WEB ",socket=/run/airlock/db.sock", "--vm", DB}, "--vm",
		"socket '/run/airlock/db.sock'"},
	{{"--vm", WEB ",deliver=auto", "--vm", DB ",socket=/run/airlock/web.window"}, "--vm",
		"socket '/run/airlock/web.window' of VM 'db' is the window socket of VM 'web'"},
	{{"--vm", WEB ",socket=/run/airlock/db.window", "--vm", DB ",deliver=remap"}, "--vm",
		"window socket '/run/airlock/db.window' of VM 'db' is the socket of VM 'web'"},
	{{"--vm", WEB ",socket=/run/airlock/web.window,deliver=auto"}, "--vm",
		"window socket '/run/airlock/web.window' of VM 'web' is the socket of VM 'web'"},
	{{"--vm", WEB ",deliver=auto,dma-device=0000:00:05.0", "--vm",
		 DB ",socket=/run/airlock/web.device"},
		"--vm", "socket '/run/airlock/web.device' of VM 'db' is the device socket of VM"},
	{{"--control", "/run/airlock/web.window", "--vm", WEB ",deliver=auto"}, "--vm",
		"window socket '/run/airlock/web.window' of VM 'web' is the control socket"},
	{{"--vm", X10(X10("a=1,"))}, "--vm", " keys, expected name=NAME"},
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

static const struct unit_test_suite config_bad_suite = {
	.suite_name = "config_bad",
	.unit_test_cases =
		{
			CONFIG_CASE(test_wrong_flag_is_named_in_one_line),
			CONFIG_CASE(test_wrong_line_of_file_is_named_in_one_line),
			CONFIG_CASE(test_zero_byte_and_size_of_file_are_refused),
			CONFIG_CASE(test_as_many_vms_as_vhost_takes_and_not_one_more),
			CONFIG_CASE(test_uplinks_are_limited),
			TEST_CASES_END(),
		},
};

static int
test_config_bad(void)
{
	return unit_test_suite_runner(&config_bad_suite);
}

REGISTER_FAST_TEST(config_bad_autotest, true, true, test_config_bad)
