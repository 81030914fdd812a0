/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Configuration of lib/control: what is written into a file, and what is refused.
 */

#include <stdlib.h>
#include <sys/stat.h>

#include "config_priv.h"
#include "test_config.h"

static char folder[64];
static char path[sizeof(folder) + sizeof("/airlock.conf")];

static int
setup_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/airlock-test-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return TEST_FAILED;
	snprintf(path, sizeof(path), "%s/airlock.conf", folder);
	return setup();
}

static void
teardown_folder(void)
{
	teardown();
	unlink(path);
	/* Fails if anything else was left in it; a test looks for that before. */
	rmdir(folder);
}

static int
save_to_path(void)
{
	return airlock_config_save(&config, path, "save", error);
}

/* The file has this text, and nothing is beside it. */
static int
check_saved(const char *wanted)
{
	char text[4096];
	FILE *file = fopen(path, "re");
	size_t len;

	TEST_ASSERT_NOT_NULL(file, "%s", path);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	ASSERT_TEXT(text, wanted, "saved");
	TEST_ASSERT_SUCCESS(unlink(path), "%s", path);
	TEST_ASSERT_SUCCESS(rmdir(folder), "something is beside it");
	TEST_ASSERT_SUCCESS(mkdir(folder, 0700), "%s", folder);
	return TEST_SUCCESS;
}

static int
test_what_is_right_stays_as_it_is_written(void)
{
	static const char text[] = "; of this host\n\n[airlock] ; all\n  pool-pages=08192\t; many\n"
				   "copy-below = auto\n\n; first\n[uplink 0]\nqueues = 2\n"
				   "[lcores]\n 1 = rx:0,handoff  ; a\n2=tx:web.0\ttx:db handoff\n\n"
				   "[vm web]\nmac = 52:54:00:00:00:0A\nrx-rate = 1G ; one\n; end\n"
				   "[vm db]\nmac=52:54:00:00:00:02\n; at last\n";
	char cut[sizeof(text)] = {0};

	/* Its last line has no end. */
	memcpy(cut, text, sizeof(text) - 2);
	TEST_ASSERT_EQUAL(parse_file(cut), AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_SUCCESS(save_to_path(), "%s", error);
	return check_saved(text);
}

static int
test_flags_are_saved_and_defaults_are_not(void)
{
	verdict = PARSE(false, "--vm", WEB ",queues=1,mode=server,tx-rate=2M", "--uplink",
		"port=3,mtu=1500,desc=512", "--retries", "4", "--stats", "9", "--copy-below",
		"never");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_SUCCESS(save_to_path(), "%s", error);
	return check_saved("[airlock]\nstats = 9\ncopy-below = never\n\n[uplink 3]\ndesc = 512\n\n"
			   "[vm web]\nmac = 52:54:00:00:00:01\nmode = server\ntx-rate = 2000000\n");
}

static int
test_changes_take_their_place(void)
{
	static const struct airlock_config_pair pairs[] = {
		{"name", "new"}, {"mac", "52:54:00:00:00:07"}, {"vlan", "5"}};
	static const char text[] = "[vm web]\nmac = 52:54:00:00:00:01 ; old\nvlan=9;its own\n\n"
				   "; stays\n\n; goes\n[vm db]\n; goes, too\nmac = "
				   "52:54:00:00:00:02\n; and this\n\n; of lcores\n"
				   "[lcores]\n1 = rx tx:db handoff:web.0 tx\n2 = handoff ; all\n"
				   "3 = handoff:db\n";

	TEST_ASSERT_EQUAL(parse_file(text), AIRLOCK_CONFIG_RUN, "%s", error);
	config.vms[0].vlan_id = 77;
	config.vms[0].quota_pages = 5;
	config.retries = 7;
	airlock_config_del_vm(&config, "db");
	TEST_ASSERT(airlock_config_add_vm(&config, pairs, RTE_DIM(pairs), "add", error) == 1, "%s",
		error);
	TEST_ASSERT_SUCCESS(save_to_path(), "%s", error);
	return check_saved("[vm web]\nmac = 52:54:00:00:00:01 ; old\nvlan=77;its own\nquota = 5\n\n"
			   "; stays\n\n; of lcores\n[lcores]\n1 = rx handoff:web.0 tx\n"
			   "2 = handoff ; all\n\n[airlock]\nretries = 7\n\n[vm new]\nmac = "
			   "52:54:00:00:00:07\nvlan = 5\n");
}

static int
test_mirror_and_device_are_saved(void)
{
	static const struct airlock_config_pair pairs[] = {{"name", "new"},
		{"mac", "52:54:00:00:00:07"}, {"deliver", "auto"}, {"mirror", "db"},
		{"mirror-direction", "tx"}, {"dma-device", "00:05.0"}, {"iommu", "strict"}};
	static const char text[] = VM_WEB "mirror = db ; all\ndeliver = remap\n"
					  "dma-device = 06:00.1\n" VM_DB;
	static const char saved[] = VM_WEB "mirror = none ; all\ndeliver = remap\n"
					   "dma-device = 06:00.1\n" VM_DB
					   "\n[vm new]\nmac = 52:54:00:00:00:07\nmirror = db\n"
					   "mirror-direction = tx\ndeliver = auto\n"
					   "dma-device = 0000:00:05.0\niommu = strict\n";

	TEST_ASSERT_EQUAL(parse_file(text), AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT(airlock_config_add_vm(&config, pairs, RTE_DIM(pairs), "add", error) == 2, "%s",
		error);
	strcpy(config.vms[0].mirror, "none");
	TEST_ASSERT_SUCCESS(save_to_path(), "%s", error);
	return check_saved(saved);
}

/* All of an object's keys are none of them the default, and those of *again* are the same. */
static int
check_keys(enum config_scope scope, const struct airlock_config *again, const void *object,
	const void *object_again)
{
	char text[PATH_MAX], text_again[PATH_MAX];

	for (unsigned int id = 0; id < CONFIG_KEY_MAX; id++) {
		if (config_keys[id].scope != scope || config_keys[id].identity)
			continue;
		TEST_ASSERT(!config_is_default(&config, id, object), "nothing is seen of %s",
			config_keys[id].name);
		config_text(&config, id, object, text, sizeof(text));
		config_text(again, id, object_again, text_again, sizeof(text_again));
		ASSERT_TEXT(text_again, text, config_keys[id].name);
	}
	return TEST_SUCCESS;
}

static int
check_again(const struct airlock_config *again)
{
	TEST_ASSERT_SUCCESS(check_keys(CONFIG_SCOPE_AIRLOCK, again, &config, again), "[airlock]");
	TEST_ASSERT_EQUAL(again->nb_uplinks, 2, "uplinks");
	TEST_ASSERT_EQUAL(again->uplinks[1].port_id, 7, "port");
	TEST_ASSERT_SUCCESS(
		check_keys(CONFIG_SCOPE_UPLINK, again, &config.uplinks[1], &again->uplinks[1]),
		"uplink");
	TEST_ASSERT_EQUAL(again->nb_vms, 2, "VMs");
	ASSERT_TEXT(again->vms[0].name, "web", "name");
	return check_keys(CONFIG_SCOPE_VM, again, &config.vms[0], &again->vms[0]);
}

static int
test_each_key_of_a_flag_comes_back_from_the_file(void)
{
	struct airlock_config again = {0};
	char name[] = "airlockd", flag[] = "-c";
	char *argv[] = {name, flag, path, NULL};
	int ret;

	verdict = PARSE(false, "--run-dir", "/r", "--pool-pages", "4096", "--pool-file", "/p",
		"--control", "/c", "--control-owner", "root", "--control-group", "root",
		"--control-mode", "0640", "--socket-owner", "root", "--socket-group", "root",
		"--socket-mode", "0660", "--metrics", "[::1]:9100", "--stats", "9", "--retries",
		"3", "--copy-below", "512", "--idle", "adaptive", "--idle-pause", "1",
		"--idle-sleep", "2", "--idle-wait", "3", "--uplink", "port=3", "--uplink",
		"port=7,queues=2,mtu=9000,desc=512,storm=5,dma=strict", "--vm",
		WEB ",socket=/s,mode=server,queues=2,vlan=5,uplink=7,antispoof=off,storm=6,"
		    "rx-rate=1G,rx-burst=1M,tx-rate=2G,tx-burst=2M,mirror=db,"
		    "mirror-direction=rx,deliver=remap,quota=7,stray=kill,"
		    "dma-device=00:05.0,iommu=strict",
		"--vm", DB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_SUCCESS(save_to_path(), "%s", error);
	verdict = airlock_config_parse(&again, RTE_DIM(argv) - 1, argv, error);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	ret = check_again(&again);
	airlock_config_fini(&again);
	return ret;
}

static int
refuses(const char *words)
{
	TEST_ASSERT_EQUAL(save_to_path(), -EINVAL, "not refused: %s", words);
	TEST_ASSERT_NOT_NULL(strstr(error, words), "'%s', not: %s", words, error);
	TEST_ASSERT_EQUAL(access(path, F_OK), -1, "written in spite of that");
	TEST_ASSERT_SUCCESS(rmdir(folder), "left behind: %s", words);
	TEST_ASSERT_SUCCESS(mkdir(folder, 0700), "%s", folder);
	return TEST_SUCCESS;
}

static int
test_what_no_file_can_say_is_refused(void)
{
	verdict = PARSE(false, "--vm", WEB ",socket=/tmp/a;b");
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	TEST_ASSERT_SUCCESS(refuses("would be another when read"), "a comment's sign");
	verdict = PARSE(false, "--vm", WEB);
	TEST_ASSERT_EQUAL(verdict, AIRLOCK_CONFIG_RUN, "%s", error);
	airlock_config_del_vm(&config, "web");
	TEST_ASSERT_SUCCESS(refuses("would not start from it"), "no VM");
	TEST_ASSERT_EQUAL(
		airlock_config_save(&config, NULL, "save", error), -EINVAL, "without a file");
	TEST_ASSERT_NOT_NULL(strstr(error, "without -c"), "%s", error);
	TEST_ASSERT_EQUAL(airlock_config_save(&config, folder, "save", error), -EINVAL, "a folder");
	TEST_ASSERT_NOT_NULL(strstr(error, "no regular file"), "%s", error);
	return TEST_SUCCESS;
}

static const struct unit_test_suite config_save_suite = {
	.suite_name = "config_save",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup_folder, teardown_folder,
				test_what_is_right_stays_as_it_is_written),
			TEST_CASE_ST(setup_folder, teardown_folder,
				test_flags_are_saved_and_defaults_are_not),
			TEST_CASE_ST(setup_folder, teardown_folder, test_changes_take_their_place),
			TEST_CASE_ST(
				setup_folder, teardown_folder, test_mirror_and_device_are_saved),
			TEST_CASE_ST(setup_folder, teardown_folder,
				test_each_key_of_a_flag_comes_back_from_the_file),
			TEST_CASE_ST(setup_folder, teardown_folder,
				test_what_no_file_can_say_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_config_save(void)
{
	return unit_test_suite_runner(&config_save_suite);
}

REGISTER_FAST_TEST(config_save_autotest, true, true, test_config_save)
