/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What an agent must not say to a DMA table, and sockets that it cannot have. Each time: the agent
 * is turned away and counted, no descriptor stays behind, and a good agent is served afterwards.
 */

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "dmatable_env.h"
#include "test.h"

static struct dmatable_env env;
static struct window_stub stub;

static int
setup(void)
{
	int ret = dmatable_env_init(&env, AIRLOCK_STRAY_STALL);

	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_SUCCESS(window_stub_map(&stub, env.pool_path, dmatable_env_bytes()), "window");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	window_stub_fini(&stub);
	dmatable_env_fini(&env);
}

static unsigned int
count_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* REFUSED with a line of text, then the end. */
static int
expect_refused(const char *what)
{
	struct airlock_window_refused refused;
	char more[64];
	ssize_t len;

	len = window_stub_recv(&stub, &refused, sizeof(refused));
	TEST_ASSERT_EQUAL(len, sizeof(refused), "%s", what);
	TEST_ASSERT_EQUAL(refused.head.type, AIRLOCK_WINDOW_REFUSED, "%s", what);
	TEST_ASSERT(memchr(refused.text, 0, sizeof(refused.text)) != NULL && refused.text[0] != 0 &&
			strchr(refused.text, '\n') == NULL,
		"%s: one line", what);
	printf("  %s: %s\n", what, refused.text);
	len = window_stub_recv(&stub, more, sizeof(more));
	TEST_ASSERT(len == 0 || len == -ECONNRESET, "%s: closed, not %zd", what, len);
	return TEST_SUCCESS;
}

/* Messages before HELLO, one wrong thing each. */
static const struct bad {
	const char *name;
	uint32_t type, version, in_process;
	int64_t base_off, bytes_off, head_off, cut;
	int nb_fds;
	bool wrong_fd;
} bads[] = {
	{.name = "another version", .version = AIRLOCK_WINDOW_VERSION + 1, .nb_fds = 1},
	{.name = "a smaller window", .bytes_off = -4096, .nb_fds = 1},
	{.name = "a larger window", .bytes_off = 4096, .nb_fds = 1},
	{.name = "no page's address", .base_off = 8, .nb_fds = 1},
	{.name = "neither 0 nor 1", .in_process = 7, .nb_fds = 1},
	{.name = "no descriptor", .nb_fds = 0},
	{.name = "two descriptors", .nb_fds = 2},
	{.name = "eight descriptors", .nb_fds = 8},
	{.name = "a descriptor of something else", .nb_fds = 1, .wrong_fd = true},
	{.name = "a message cut short", .cut = -8, .nb_fds = 1},
	{.name = "half a head", .cut = 6 - (int64_t)sizeof(struct airlock_window_hello)},
	{.name = "a head that says less", .head_off = -8, .nb_fds = 1},
	{.name = "a message too long", .cut = 64, .head_off = 64, .nb_fds = 1},
	{.name = "an unknown type", .type = 77, .nb_fds = 1},
	{.name = "a message of airlockd's", .type = AIRLOCK_WINDOW_UNMAP},
	{.name = "an answer to nothing",
		.type = AIRLOCK_WINDOW_UNMAPPED,
		.cut = (int64_t)sizeof(struct airlock_window_unmapped) -
			(int64_t)sizeof(struct airlock_window_hello),
		.head_off = (int64_t)sizeof(struct airlock_window_unmapped) -
			(int64_t)sizeof(struct airlock_window_hello)},
};

static int
send_bad(const struct bad *bad)
{
	char msg[sizeof(struct airlock_window_hello) + 128] = {0};
	struct airlock_window_hello hello = window_stub_hello(&stub);
	int fds[8], ret;

	hello.head.type = bad->type != 0 ? bad->type : hello.head.type;
	hello.head.bytes += bad->head_off;
	hello.version = bad->version != 0 ? bad->version : hello.version;
	hello.in_process = bad->in_process != 0 ? bad->in_process : hello.in_process;
	hello.base += bad->base_off;
	hello.bytes += bad->bytes_off;
	memcpy(msg, &hello, sizeof(hello));
	for (int i = 0; i < 8; i++)
		fds[i] = bad->wrong_fd ? stub.sock : stub.uffd;
	ret = window_stub_send(&stub, msg, sizeof(hello) + bad->cut, fds, bad->nb_fds);
	TEST_ASSERT_SUCCESS(ret, "%s", bad->name);
	return TEST_SUCCESS;
}

static int
check_good_agent(void)
{
	uint32_t ups = atomic_load_explicit(&env.ups, memory_order_relaxed);

	window_stub_hide(&stub);
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "up");
	TEST_ASSERT(dmatable_env_wait_up(&env, ups + 1), "a good agent is served");
	return TEST_SUCCESS;
}

static int
test_bad_hello_is_refused_and_counted(void)
{
	unsigned int nb_fds;

	/* Once up and down, so that all descriptors are there that stay. */
	TEST_ASSERT_SUCCESS(check_good_agent(), "before");
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(env.downs == 1), "gone");
	nb_fds = count_fds();
	for (unsigned int i = 0; i < RTE_DIM(bads); i++) {
		TEST_ASSERT_SUCCESS(window_stub_connect(&stub, env.path), "%s", bads[i].name);
		TEST_ASSERT_SUCCESS(send_bad(&bads[i]), "%s", bads[i].name);
		TEST_ASSERT_SUCCESS(expect_refused(bads[i].name), "%s", bads[i].name);
		TEST_ASSERT_EQUAL(dmatable_env_stats(&env).refused, i + 1, "%s", bads[i].name);
	}
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT_EQUAL(count_fds(), nb_fds, "descriptors stay");
	TEST_ASSERT_EQUAL(env.ups, 1, "no window came of it");
	return check_good_agent();
}

static int
test_window_that_shows_a_page_is_refused(void)
{
	struct airlock_run run;
	uint32_t frame;

	TEST_ASSERT_SUCCESS(check_good_agent(), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, &frame, 1), "lease");
	run = (struct airlock_run){.first_frame = frame, .nb_frames = 1};
	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, &run, 1), 1, "map");
	/* Comes again without making it dark. */
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(env.downs == 1), "gone");
	TEST_ASSERT_SUCCESS(window_stub_up(&stub, env.path), "again");
	TEST_ASSERT_SUCCESS(expect_refused("a page in sight"), "again");
	TEST_ASSERT_EQUAL(airlock_dmatable_held(env.table), 1, "it keeps the frame");
	window_stub_hide(&stub);
	TEST_ASSERT(dmatable_wait(airlock_dmatable_held(env.table) == 0), "dark, and back");
	TEST_ASSERT(dmatable_env_is_whole(&env), "pool");
	return check_good_agent();
}

static int
test_second_agent_is_refused_and_the_first_one_stays(void)
{
	struct window_stub second = {.sock = -1, .uffd = -1};
	uint32_t frames[8];

	TEST_ASSERT_SUCCESS(check_good_agent(), "first");
	TEST_ASSERT_EQUAL(window_stub_connect(&second, env.path), -ECONNREFUSED, "second");
	window_stub_fini(&second);
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).refused, 1, "counted");
	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 8), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, 8), 8, "map");
	airlock_dmatable_unmap(env.table, frames, 8);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "UNMAP");
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "pool");
	return TEST_SUCCESS;
}

static int
test_second_hello_ends_the_window(void)
{
	struct airlock_window_hello hello = window_stub_hello(&stub);

	TEST_ASSERT_SUCCESS(check_good_agent(), "up");
	TEST_ASSERT_SUCCESS(
		window_stub_send(&stub, &hello, sizeof(hello), &stub.uffd, 1), "HELLO again");
	TEST_ASSERT_SUCCESS(expect_refused("HELLO again"), "again");
	TEST_ASSERT(dmatable_wait(env.downs == 1), "down");
	window_stub_hide(&stub);
	return check_good_agent();
}

/* What is wrong with an answer. */
static int
check_bad_answer(int64_t id_off, int32_t error, int nb_fds, int64_t cut)
{
	struct airlock_window_unmapped answer = {
		.head = {.type = AIRLOCK_WINDOW_UNMAPPED, .bytes = sizeof(answer) + cut},
		.error = error,
	};
	uint32_t downs = env.downs, frames[8];
	char unmap[256];

	TEST_ASSERT_SUCCESS(check_good_agent(), "up");
	TEST_ASSERT_SUCCESS(dmatable_env_lease(&env, frames, 8), "lease");
	TEST_ASSERT_EQUAL(dmatable_env_map(&env, frames, 8), 8, "map");
	airlock_dmatable_unmap(env.table, frames, 8);
	TEST_ASSERT(window_stub_recv(&stub, unmap, sizeof(unmap)) > 0, "UNMAP");
	answer.id = ((struct airlock_window_unmap *)(void *)unmap)->id + id_off;
	TEST_ASSERT_SUCCESS(
		window_stub_send(&stub, &answer, sizeof(answer) + cut, &stub.uffd, nb_fds),
		"UNMAPPED");
	TEST_ASSERT_SUCCESS(expect_refused("answer"), "answer");
	TEST_ASSERT(dmatable_wait(env.downs == downs + 1), "down");
	TEST_ASSERT_EQUAL(airlock_dmatable_held(env.table), 8, "what it did not unmap stays");
	TEST_ASSERT_EQUAL(dmatable_env_stats(&env).unmapped, 0, "nothing is believed");
	window_stub_hide(&stub);
	TEST_ASSERT(dmatable_wait(dmatable_env_is_whole(&env)), "dark, and back");
	return TEST_SUCCESS;
}

static int
test_bad_answer_ends_the_window_and_frees_nothing(void)
{
	TEST_ASSERT_SUCCESS(check_bad_answer(1, 0, 0, 0), "another id");
	TEST_ASSERT_SUCCESS(check_bad_answer(-1, 0, 0, 0), "an old id");
	TEST_ASSERT_SUCCESS(check_bad_answer(0, EFAULT, 0, 0), "an error");
	TEST_ASSERT_SUCCESS(check_bad_answer(0, 0, 1, 0), "a descriptor");
	TEST_ASSERT_SUCCESS(check_bad_answer(0, 0, 0, -8), "cut short");
	return check_good_agent();
}

static int
listen_at(const char *path, bool alive)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		return -1;
	if (!alive)
		close(fd);
	return fd;
}

static int
test_socket_is_private_replaces_a_dead_one_and_nothing_else(void)
{
	struct stat st;
	int fd;

	TEST_ASSERT_SUCCESS(stat(env.path, &st), "%s", env.path);
	TEST_ASSERT_EQUAL(st.st_mode & 0777, 0600, "mode");
	airlock_dmatable_stop(env.table, 0);
	TEST_ASSERT(listen_at(env.path, false) >= 0, "dead socket");
	TEST_ASSERT_SUCCESS(airlock_dmatable_start(env.table), "replaced");
	airlock_dmatable_stop(env.table, 0);
	fd = listen_at(env.path, true);
	TEST_ASSERT(fd >= 0, "live socket");
	TEST_ASSERT_EQUAL(airlock_dmatable_start(env.table), -EADDRINUSE, "somebody is there");
	close(fd);
	unlink(env.path);
	fd = open(env.path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	TEST_ASSERT_EQUAL(airlock_dmatable_start(env.table), -EADDRINUSE, "no socket");
	TEST_ASSERT_SUCCESS(stat(env.path, &st), "left alone");
	unlink(env.path);
	TEST_ASSERT_SUCCESS(airlock_dmatable_start(env.table), "free again");
	return check_good_agent();
}

static int
test_bad_configuration_is_refused(void)
{
	char name[AIRLOCK_DMATABLE_NAME_MAX + 1], path[AIRLOCK_DMATABLE_PATH_MAX + 1];
	struct airlock_dmatable_conf conf = {.name = name, .path = path, .pool = env.pool};

	snprintf(name, sizeof(name), "vm");
	snprintf(path, sizeof(path), "/x");
	TEST_ASSERT_NULL(airlock_dmatable_create(&conf), "no callback");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "no callback");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	TEST_ASSERT_NULL(airlock_dmatable_create(&conf), "name");
	snprintf(name, sizeof(name), "vm");
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	TEST_ASSERT_NULL(airlock_dmatable_create(&conf), "path");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "dmatable_bad",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_bad_hello_is_refused_and_counted),
			TEST_CASE_ST(setup, teardown, test_window_that_shows_a_page_is_refused),
			TEST_CASE_ST(setup, teardown,
				test_second_agent_is_refused_and_the_first_one_stays),
			TEST_CASE_ST(setup, teardown, test_second_hello_ends_the_window),
			TEST_CASE_ST(
				setup, teardown, test_bad_answer_ends_the_window_and_frees_nothing),
			TEST_CASE_ST(setup, teardown,
				test_socket_is_private_replaces_a_dead_one_and_nothing_else),
			TEST_CASE_ST(setup, teardown, test_bad_configuration_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_dmatable_bad(void)
{
	return dmatable_env_run(&suite);
}

REGISTER_FAST_TEST(dmatable_bad_autotest, true, true, test_dmatable_bad);
