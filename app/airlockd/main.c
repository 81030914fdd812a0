/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The daemon, as a ladder: signals, log, configuration, EAL, machine, pool, pipeline, telemetry,
 * start; wait; and down again in reverse.
 *
 * Exit status: 0 stopped as asked, 1 failed at run time, 2 wrong usage or configuration.
 *
 * Thread rule: all here is the main thread. Signals are blocked in every thread and taken by this
 * one from a signalfd(2), beside the control socket. Only SIGBUS has a handler (airlock_vnic.h).
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_version.h>

#include <airlock_log.h>
#include <airlock_metrics.h>
#include <airlock_rpc.h>
#include <airlock_table.h>
#include <airlock_telemetry.h>

#include "airlockd.h"

#define EXIT_RUN_TIME 1
#define EXIT_WRONG    2

RTE_LOG_REGISTER(daemon_logtype, airlock.daemon, INFO);

/* Where airlock's own options begin: at "--", or nowhere. */
static int
find_own_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return i;
	}
	return argc;
}

static bool
only_is(int argc, char **argv, const char *flag)
{
	return argc == 2 && strcmp(argv[1], flag) == 0;
}

/* Returns an exit status, or -1 to go on. */
static int
parse(struct airlock_config *config, int argc, char **argv)
{
	char error[AIRLOCK_ERROR_MAX] = "";
	int own = find_own_options(argc, argv);
	enum airlock_config_verdict verdict;
	char *none[] = {argv[0], NULL};

	/* Alone, --help and --version need no "--" before them. */
	if (only_is(argc, argv, "--help") || only_is(argc, argv, "-h"))
		verdict = AIRLOCK_CONFIG_HELP;
	else if (only_is(argc, argv, "--version"))
		verdict = AIRLOCK_CONFIG_VERSION;
	else if (own == argc)
		verdict = airlock_config_parse(config, 1, none, error);
	else
		verdict = airlock_config_parse(config, argc - own, argv + own, error);
	switch (verdict) {
	case AIRLOCK_CONFIG_HELP:
		airlock_config_help(stdout);
		return 0;
	case AIRLOCK_CONFIG_VERSION:
		fprintf(stdout, "airlockd %s, %s\n", AIRLOCK_VERSION, rte_version());
		return 0;
	case AIRLOCK_CONFIG_BAD:
		service_complain(error);
		return EXIT_WRONG;
	case AIRLOCK_CONFIG_RUN:
		break;
	}
	if (machine_check_hugepages(argc, argv, error) < 0) {
		service_complain(error);
		return EXIT_WRONG;
	}
	return -1;
}

/* Returns a descriptor that has those which come, or -1. */
static int
block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* A client that hangs up in the middle of an answer must not end the daemon. */
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Milliseconds left until a point of the monotonic clock, rounded up; 0 when it is past. */
static int
ms_until(const struct timespec *until)
{
	struct timespec now;
	int64_t left_ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left_ns = (int64_t)(until->tv_sec - now.tv_sec) * 1000000000 + until->tv_nsec - now.tv_nsec;
	return left_ns <= 0 ? 0 : (left_ns + 999999) / 1000000;
}

/* Whether the signal that waits tells to stop. */
static bool
take_signal(int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGHUP) {
		DAEMON_LOG(NOTICE, "SIGHUP: nothing to do, the configuration is read once\n");
		return false;
	}
	DAEMON_LOG(NOTICE, "stopping on %s\n", strsignal(info.ssi_signo));
	return true;
}

/* Signals and requests as they come; once a second links, and the table when it is due. */
static void
wait_for_stop(struct airlock_pipeline *pipeline, const struct airlock_config *config,
	struct airlock_rpc *rpc, struct airlock_metrics *metrics, int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = airlock_rpc_fd(rpc), .events = POLLIN},
		{.fd = airlock_metrics_fd(metrics), .events = POLLIN},
	};
	struct timespec tick;
	uint32_t elapsed_s = 0;

	clock_gettime(CLOCK_MONOTONIC, &tick);
	tick.tv_sec++;
	for (;;) {
		int nb = poll(fds, RTE_DIM(fds), ms_until(&tick));

		/* Drivers use signals of their own, which end a wait early. */
		if (nb < 0)
			continue;
		if (fds[0].revents != 0 && take_signal(signal_fd))
			return;
		airlock_rpc_serve(rpc);
		airlock_metrics_serve(metrics);
		if (ms_until(&tick) > 0)
			continue;
		tick.tv_sec++;
		airlock_pipeline_poll(pipeline);
		if (config->stats_s != 0 && ++elapsed_s % config->stats_s == 0)
			airlock_table_print(pipeline, stdout);
	}
}

/* At rest nothing may be missing. */
static int
check_at_rest(struct airlock_pipeline *pipeline)
{
	struct airlock_pipeline_balance b;
	struct airlock_pool_report report;
	int status = 0;

	if (airlock_pipeline_balance(pipeline, &b) < 0) {
		DAEMON_LOG(ERR,
			"packets do not add up: received %" PRIu64 " parts %" PRIu64
			" delivered %" PRIu64 " dropped %" PRIu64 " split %" PRIu64
			" in flight %" PRIu64 "\n",
			b.received, b.parts, b.delivered, b.dropped, b.split, b.in_flight);
		status = EXIT_RUN_TIME;
	}
	if (airlock_pool_verify(airlock_pipeline_pool(pipeline), &report) < 0) {
		DAEMON_LOG(ERR,
			"pages do not add up: %u free by table, %u by mempool, %" PRIu64
			" wrong transitions\n",
			report.free_by_table, report.free_by_mempool, report.violations);
		status = EXIT_RUN_TIME;
	}
	DAEMON_LOG(NOTICE,
		"stopped: received %" PRIu64 ", delivered %" PRIu64 ", dropped %" PRIu64 "\n",
		b.received, b.delivered, b.dropped);
	return status;
}

/* With ports and VMs gone, every page has to be back: those that are not were lost on the way. */
static int
check_pool(struct airlock_pool *pool)
{
	uint32_t nb_quarantined = airlock_dmatable_forget(pool), nb_back;
	struct airlock_pool_stats stats;

	airlock_pool_stats(pool, &stats);
	nb_back = stats.pages[AIRLOCK_PAGE_FREE] + stats.header_pages +
		nb_quarantined * stats.frame_pages;
	if (nb_quarantined > 0)
		DAEMON_LOG(WARNING,
			"%u frames may still be mapped for VMs whose agents do not answer\n",
			nb_quarantined);
	if (nb_back == stats.nb_pages)
		return 0;
	DAEMON_LOG(ERR, "%u of %u pages were not given back\n", stats.nb_pages - nb_back,
		stats.nb_pages);
	return EXIT_RUN_TIME;
}

static struct airlock_rpc *
open_control(struct airlock_pipeline *pipeline, struct airlock_config *config, bool windows)
{
	struct airlock_rpc_conf conf = {
		.path = config->control,
		.access = config->control_access.ids,
		.config = config,
		.pipeline = pipeline,
		.windows = windows,
	};
	struct airlock_rpc *rpc = airlock_rpc_create(&conf);

	if (rpc == NULL)
		DAEMON_LOG(ERR, "%s: control socket %s: %s\n", config->control_origin.text,
			config->control,
			rte_errno == EEXIST ? "expected a socket or nothing there"
					    : strerror(rte_errno));
	return rpc;
}

/* Returns 0 also where none are wanted. */
static int
open_metrics(struct airlock_pipeline *pipeline, const struct airlock_config *config,
	struct airlock_metrics **metrics)
{
	*metrics = NULL;
	if (config->metrics.ss_family == AF_UNSPEC)
		return 0;
	*metrics = airlock_metrics_create(pipeline, &config->metrics);
	if (*metrics != NULL)
		return 0;
	DAEMON_LOG(ERR, "%s: cannot serve metrics there: %s; expected a free port of this host\n",
		config->metrics_origin.text, strerror(rte_errno));
	return -1;
}

static int
run(struct airlock_pipeline *pipeline, struct airlock_config *config, bool windows, int signal_fd)
{
	int status = EXIT_RUN_TIME, ret;
	struct airlock_metrics *metrics;
	struct airlock_rpc *rpc;

	ret = airlock_telemetry_init(pipeline);
	if (ret < 0) {
		DAEMON_LOG(ERR, "telemetry: %s\n", strerror(-ret));
		return EXIT_RUN_TIME;
	}
	rpc = open_control(pipeline, config, windows);
	if (rpc == NULL)
		goto end_telemetry;
	if (open_metrics(pipeline, config, &metrics) < 0)
		goto close_control;
	ret = airlock_pipeline_start(pipeline);
	if (ret < 0) {
		DAEMON_LOG(ERR, "cannot start: %s\n", strerror(-ret));
		goto close_metrics;
	}
	DAEMON_LOG(NOTICE, "ready: %u uplinks, %u VMs, %u lcores\n", config->nb_uplinks,
		config->nb_vms, airlock_pipeline_nb_lcores(pipeline));
	service_ready(config);
	wait_for_stop(pipeline, config, rpc, metrics, signal_fd);
	service_stopping();
	airlock_pipeline_stop(pipeline);
	if (config->stats_s != 0)
		airlock_table_print(pipeline, stdout);
	status = check_at_rest(pipeline);

close_metrics:
	airlock_metrics_destroy(metrics);
close_control:
	airlock_rpc_destroy(rpc);
end_telemetry:
	airlock_telemetry_fini();
	return status;
}

/* With the EAL up. */
static int
serve(struct airlock_config *config, int signal_fd)
{
	struct daemon_pool daemon_pool;
	struct daemon_lcores lcores;
	struct airlock_cost cost;
	struct airlock_pipeline *pipeline;
	char error[AIRLOCK_ERROR_MAX] = "";
	struct airlock_pool *pool;
	int status;

	if (machine_check(config, &lcores, &daemon_pool, error) < 0) {
		service_complain(error);
		return EXIT_WRONG;
	}
	if (config->check) {
		fprintf(stdout, "airlockd: configuration is valid: %u uplinks, %u VMs\n",
			config->nb_uplinks, config->nb_vms);
		return 0;
	}
	if (machine_make_run_dir(config, error) < 0) {
		service_complain(error);
		return EXIT_WRONG;
	}
	pool = assemble_pool(config, &daemon_pool, error);
	if (pool == NULL) {
		service_complain(error);
		return EXIT_WRONG;
	}
	if (daemon_pool.windows && assemble_cost(pool, &cost, error) < 0) {
		service_complain(error);
		status = EXIT_WRONG;
		goto destroy_pool;
	}
	pipeline =
		assemble_pipeline(config, pool, daemon_pool.windows ? &cost : NULL, &lcores, error);
	if (pipeline == NULL) {
		service_complain(error);
		status = EXIT_WRONG;
		goto destroy_pool;
	}
	status = run(pipeline, config, daemon_pool.windows, signal_fd);
	airlock_pipeline_destroy(pipeline);
	if (check_pool(pool) != 0 && status == 0)
		status = EXIT_RUN_TIME;

destroy_pool:
	/* Without windows no VM has the file mapped: by copy, a VM sees its own memory only. */
	airlock_pool_destroy(pool, daemon_pool.windows);
	return status;
}

int
main(int argc, char **argv)
{
	struct airlock_config config = {0};
	int signal_fd = block_signals();
	int status;

	if (signal_fd < 0) {
		service_complain("no descriptor for signals");
		return EXIT_RUN_TIME;
	}
	status = parse(&config, argc, argv);
	if (status >= 0)
		goto free_config;
	if (airlock_log_open(service_has_journal()) < 0) {
		service_complain("no memory for the log");
		status = EXIT_RUN_TIME;
		goto free_config;
	}
	service_starting();
	/* rte_vhost warns of every socket that is not there yet, which is the usual case. */
	rte_log_set_level_pattern("lib.vhost.config", RTE_LOG_ERR);
	if (rte_eal_init(argc, argv) < 0) {
		service_complain("EAL: cannot start, see above; expected EAL options before --");
		status = EXIT_WRONG;
		goto close_log;
	}
	status = serve(&config, signal_fd);
	rte_eal_cleanup();

close_log:
	airlock_log_close();
free_config:
	airlock_config_fini(&config);
	close(signal_fd);
	return status;
}
