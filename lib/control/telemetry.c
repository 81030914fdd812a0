/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Telemetry: the pipeline's statistics as JSON, by DPDK's own socket and clients
 * (dpdk-telemetry.py). A list of VMs is cut into pages, because an answer of DPDK 22.11 holds 512
 * elements and 16 KiB.
 *
 * Thread rule: answers are made in telemetry's threads, under a lock that fini() takes to end them.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_telemetry.h>

#include <airlock_compat.h>
#include <airlock_pipeline.h>

#include "airlock_telemetry.h"
#include "telemetry_priv.h"

#define VMS_PER_ANSWER 256

static struct airlock_pipeline *pipeline; /* NULL: no answers. Under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void
telemetry_add_flow(
	struct rte_tel_data *dict, const char *what, const struct airlock_flow_value *flow)
{
	char key[RTE_TEL_MAX_STRING_LEN];

	snprintf(key, sizeof(key), "%s_packets", what);
	airlock_compat_tel_dict_uint(dict, key, flow->packets);
	snprintf(key, sizeof(key), "%s_bytes", what);
	airlock_compat_tel_dict_uint(dict, key, flow->bytes);
}

/* A dictionary of its own; only the reasons that occurred, and the sum. */
static void
add_drops(struct rte_tel_data *dict, const char *key, const struct airlock_drops_value *drops)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_dict(inner);
	airlock_compat_tel_dict_uint(inner, "total", airlock_drops_total(drops));
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++) {
		if (drops->by_reason[i] != 0)
			airlock_compat_tel_dict_uint(
				inner, airlock_drop_name(i), drops->by_reason[i]);
	}
	rte_tel_data_add_dict_container(dict, key, inner, 0);
}

static void
add_uplink(struct rte_tel_data *dict, uint16_t uplink_id)
{
	struct airlock_pipeline_uplink_stats stats;
	struct rte_tel_data *inner = rte_tel_data_alloc();
	char key[RTE_TEL_MAX_STRING_LEN];

	if (inner == NULL)
		return;
	airlock_pipeline_uplink_stats(pipeline, uplink_id, &stats);
	rte_tel_data_start_dict(inner);
	rte_tel_data_add_dict_string(inner, "name", stats.setup.name);
	rte_tel_data_add_dict_string(inner, "state", airlock_uplink_state_name(stats.state));
	airlock_compat_tel_dict_uint(inner, "mtu", stats.setup.mtu);
	airlock_compat_tel_dict_uint(inner, "rx_queues", stats.setup.nb_rxq);
	airlock_compat_tel_dict_uint(inner, "tx_queues", stats.setup.nb_txq);
	telemetry_add_flow(inner, "received", &stats.received);
	telemetry_add_flow(inner, "sent", &stats.sent);
	add_drops(inner, "rx_drops", &stats.rx_drops);
	add_drops(inner, "tx_drops", &stats.tx_drops);
	airlock_compat_tel_dict_uint(inner, "port_missed", stats.hw.missed);
	airlock_compat_tel_dict_uint(inner, "port_rx_errors", stats.hw.rx_error);
	airlock_compat_tel_dict_uint(inner, "port_no_page", stats.hw.no_page);
	airlock_compat_tel_dict_uint(inner, "port_tx_errors", stats.hw.tx_error);
	snprintf(key, sizeof(key), "%u", stats.setup.port_id);
	rte_tel_data_add_dict_container(dict, key, inner, 0);
}

static int
answer_uplinks(const char *params, struct rte_tel_data *dict)
{
	rte_tel_data_start_dict(dict);
	for (uint16_t i = 0; i < airlock_pipeline_nb_uplinks(pipeline); i++)
		add_uplink(dict, i);
	return 0;
}

static int
answer_vms(const char *params, struct rte_tel_data *dict)
{
	struct rte_tel_data *names = rte_tel_data_alloc();
	unsigned int first = params != NULL ? strtoul(params, NULL, 10) : 0, nb = 0;
	struct airlock_pipeline_vm_stats stats;
	int id;

	if (names == NULL)
		return -ENOMEM;
	rte_tel_data_start_array(names, RTE_TEL_STRING_VAL);
	for (id = airlock_pipeline_next_vm(pipeline, first); id >= 0 && nb < VMS_PER_ANSWER;
		id = airlock_pipeline_next_vm(pipeline, id + 1)) {
		if (airlock_pipeline_vm_stats(pipeline, id, &stats) < 0)
			continue;
		rte_tel_data_add_array_string(names, stats.name);
		nb++;
	}
	rte_tel_data_start_dict(dict);
	rte_tel_data_add_dict_container(dict, "names", names, 0);
	/* What to ask next: /airlock/vms,NEXT; -1 at the end. */
	rte_tel_data_add_dict_int(dict, "next", id < 0 ? -1 : id);
	return 0;
}

static void
add_queue(struct rte_tel_data *dict, const struct airlock_pipeline_vm_stats *stats, uint16_t q)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();
	char key[RTE_TEL_MAX_STRING_LEN];

	if (inner == NULL)
		return;
	rte_tel_data_start_dict(inner);
	telemetry_add_flow(inner, "delivered", &stats->queues[q].delivered);
	telemetry_add_flow(inner, "taken", &stats->queues[q].taken);
	airlock_compat_tel_dict_uint(
		inner, "rx_drops", airlock_drops_total(&stats->queues[q].rx_drops));
	snprintf(key, sizeof(key), "queue_%u", q);
	rte_tel_data_add_dict_container(dict, key, inner, 0);
}

static int
answer_vm(const char *params, struct rte_tel_data *dict)
{
	struct airlock_pipeline_vm_stats stats;
	char text[RTE_ETHER_ADDR_FMT_SIZE + 8];
	int id;

	if (params == NULL)
		return -EINVAL;
	id = airlock_pipeline_find_vm(pipeline, params);
	if (id < 0 || airlock_pipeline_vm_stats(pipeline, id, &stats) < 0)
		return -ENOENT;
	rte_tel_data_start_dict(dict);
	rte_tel_data_add_dict_string(dict, "name", stats.name);
	rte_ether_format_addr(text, sizeof(text), &stats.mac);
	rte_tel_data_add_dict_string(dict, "mac", text);
	rte_tel_data_add_dict_string(dict, "state", stats.up ? "up" : "down");
	airlock_compat_tel_dict_uint(dict, "vlan", stats.vlan_id);
	airlock_compat_tel_dict_uint(dict, "rx_rate", stats.limits.rx_bps);
	airlock_compat_tel_dict_uint(dict, "tx_rate", stats.limits.tx_bps);
	airlock_compat_tel_dict_uint(dict, "storm", stats.limits.storm_pps);
	rte_tel_data_add_dict_string(
		dict, "mirror", stats.mirror[0] != '\0' ? stats.mirror : "none");
	rte_tel_data_add_dict_string(
		dict, "mirror_direction", airlock_mirror_direction_name(stats.mirror_direction));
	airlock_compat_tel_dict_uint(dict, "connects", stats.nb_connects);
	airlock_compat_tel_dict_uint(dict, "memory_lost", stats.nb_memory_lost);
	snprintf(text, sizeof(text), "0x%" PRIx64, stats.features);
	rte_tel_data_add_dict_string(dict, "features", text);
	telemetry_add_flow(dict, "delivered", &stats.delivered);
	telemetry_add_flow(dict, "taken", &stats.taken);
	add_drops(dict, "rx_drops", &stats.rx_drops);
	add_drops(dict, "tx_drops", &stats.tx_drops);
	rte_tel_data_add_dict_string(dict, "deliver", airlock_deliver_name(stats.deliver));
	if (stats.deliver != AIRLOCK_DELIVER_COPY)
		telemetry_add_window(dict, &stats.window);
	for (uint16_t q = 0; q < stats.nb_queues; q++)
		add_queue(dict, &stats, q);
	return 0;
}

static int
answer_pages(const char *params, struct rte_tel_data *dict)
{
	return telemetry_answer_pages(pipeline, dict);
}

static void
add_work(struct rte_tel_data *dict, const struct airlock_pipeline_lcore_stats *stats)
{
	char key[RTE_TEL_MAX_STRING_LEN];

	for (unsigned int i = 0; i < AIRLOCK_WORK_MAX; i++) {
		uint64_t packets = stats->work[i].packets;

		snprintf(key, sizeof(key), "%s_packets", airlock_work_name(i));
		airlock_compat_tel_dict_uint(dict, key, packets);
		snprintf(key, sizeof(key), "%s_cycles_per_packet", airlock_work_name(i));
		airlock_compat_tel_dict_uint(
			dict, key, packets != 0 ? stats->work[i].tsc / packets : 0);
	}
}

static void
add_bursts(struct rte_tel_data *dict, const struct airlock_pipeline_lcore_stats *stats)
{
	struct rte_tel_data *array = rte_tel_data_alloc();

	if (array == NULL)
		return;
	rte_tel_data_start_array(array, AIRLOCK_COMPAT_TEL_UINT);
	for (unsigned int i = 1; i <= AIRLOCK_BURST; i++)
		airlock_compat_tel_array_uint(array, stats->bursts[i]);
	rte_tel_data_add_dict_container(dict, "bursts", array, 0);
}

static int
answer_lcore(const struct airlock_pipeline_lcore_stats *stats, struct rte_tel_data *dict)
{
	uint64_t tsc = stats->busy_tsc + stats->idle_tsc;

	rte_tel_data_start_dict(dict);
	airlock_compat_tel_dict_uint(dict, "lcore", stats->lcore_id);
	for (unsigned int i = 0; i < AIRLOCK_STAGE_MAX; i++)
		rte_tel_data_add_dict_string(
			dict, airlock_stage_name(i), stats->stages[i] ? "yes" : "no");
	airlock_compat_tel_dict_uint(dict, "uplink_queues", stats->nb_rx_queues);
	airlock_compat_tel_dict_uint(dict, "vm_queues", stats->nb_tx_queues);
	airlock_compat_tel_dict_uint(dict, "iterations", stats->iterations);
	airlock_compat_tel_dict_uint(dict, "idle_iterations", stats->idle_iterations);
	airlock_compat_tel_dict_uint(
		dict, "busy_percent", tsc != 0 ? stats->busy_tsc * 100 / tsc : 0);
	airlock_compat_tel_dict_uint(dict, "sleeps", stats->sleeps);
	airlock_compat_tel_dict_uint(
		dict, "sleep_percent", tsc != 0 ? stats->sleep_tsc * 100 / tsc : 0);
	add_work(dict, stats);
	airlock_compat_tel_dict_uint(dict, "inbox", stats->inbox);
	add_drops(dict, "drops", &stats->drops);
	add_bursts(dict, stats);
	return 0;
}

/* /airlock/lcores lists them, /airlock/lcores,ID tells of one. */
static int
answer_lcores(const char *params, struct rte_tel_data *data)
{
	struct airlock_pipeline_lcore_stats stats;
	char lcore[16];

	if (params == NULL)
		rte_tel_data_start_array(data, AIRLOCK_COMPAT_TEL_UINT);
	for (uint16_t i = 0; i < airlock_pipeline_nb_lcores(pipeline); i++) {
		airlock_pipeline_lcore_stats(pipeline, i, &stats);
		snprintf(lcore, sizeof(lcore), "%u", stats.lcore_id);
		if (params == NULL)
			airlock_compat_tel_array_uint(data, stats.lcore_id);
		else if (strcmp(params, lcore) == 0)
			return answer_lcore(&stats, data);
	}
	return params == NULL ? 0 : -ENOENT;
}

static int
answer_verify(const char *params, struct rte_tel_data *dict)
{
	return telemetry_answer_verify(pipeline, dict);
}

static int
answer_balance(const char *params, struct rte_tel_data *dict)
{
	struct airlock_pipeline_balance balance;
	int verdict = airlock_pipeline_balance(pipeline, &balance);

	rte_tel_data_start_dict(dict);
	airlock_compat_tel_dict_uint(dict, "received", balance.received);
	airlock_compat_tel_dict_uint(dict, "split", balance.split);
	airlock_compat_tel_dict_uint(dict, "parts", balance.parts);
	airlock_compat_tel_dict_uint(dict, "delivered", balance.delivered);
	airlock_compat_tel_dict_uint(dict, "dropped", balance.dropped);
	airlock_compat_tel_dict_uint(dict, "in_flight", balance.in_flight);
	rte_tel_data_add_dict_string(dict, "balanced", verdict == 0 ? "yes" : "no");
	return 0;
}

/* Without windows nothing was measured, and the answer is empty. */
static int
answer_cost(const char *params, struct rte_tel_data *dict)
{
	const struct airlock_cost *cost = airlock_pipeline_cost(pipeline);

	rte_tel_data_start_dict(dict);
	if (cost != NULL)
		telemetry_add_cost(dict, cost);
	return 0;
}

static const struct command {
	const char *name;
	int (*answer)(const char *params, struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{"/airlock/uplinks", answer_uplinks, "Uplinks by port: state, packets, drops by reason"},
	{"/airlock/vms", answer_vms, "Names of VMs. Parameters: number of the first (optional)"},
	{"/airlock/vm", answer_vm,
		"A VM: state, features, packets, drops by reason. Parameters: name"},
	{"/airlock/pages", answer_pages, "Pages of the pool by state"},
	{"/airlock/pages/verify", answer_verify,
		"Pool, windows, devices and cards against mempools and the tables of each: the "
		"first difference"},
	{"/airlock/lcores", answer_lcores,
		"Lcores; of one: stages, cycles per packet, bursts by size. Parameters: lcore "
		"(optional)"},
	{"/airlock/balance", answer_balance, "What went in against what came out"},
	{"/airlock/cost", answer_cost,
		"Picoseconds to map, unmap, copy and scrub, as measured at the start"},
};

static int
answer(const char *cmd, const char *params, struct rte_tel_data *data)
{
	int ret = -ENOENT;

	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; pipeline != NULL && i < RTE_DIM(commands); i++) {
		if (strcmp(cmd, commands[i].name) == 0) {
			ret = commands[i].answer(params, data);
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

int
airlock_telemetry_init(struct airlock_pipeline *of)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	pipeline = of;
	pthread_mutex_unlock(&lock);
	for (unsigned int i = 0; ret == 0 && i < RTE_DIM(commands); i++)
		ret = rte_telemetry_register_cmd(commands[i].name, answer, commands[i].help);
	/* A second pipeline of one process finds the commands in place. */
	return ret == -EEXIST ? 0 : ret;
}

void
airlock_telemetry_fini(void)
{
	pthread_mutex_lock(&lock);
	pipeline = NULL;
	pthread_mutex_unlock(&lock);
}
