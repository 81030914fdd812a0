/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * All metrics of a pipeline. The statistics of each kind of object are read once, and then written
 * family by family, since all samples of a family have to stand together.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_version.h>

#include <airlock_pipeline.h>

#include "metrics_tables.h"

/* Objects of a kind: their statistics, and a row for each. */
struct objects {
	void *stats;
	struct metrics_row *rows;
	unsigned int nb;
};

/* The rows of VMs' windows and queues, beside those of VMs. */
struct vms {
	struct objects objects;
	struct metrics_row *windows;
	struct metrics_row *queues;
	unsigned int nb_windows, nb_queues;
};

static void
objects_fini(struct objects *objects)
{
	free(objects->stats);
	free(objects->rows);
}

/* Returns whether there is room for them. */
static bool
objects_init(struct objects *objects, unsigned int nb, size_t stats_size)
{
	/* None is no failure. */
	*objects = (struct objects){
		.stats = calloc(nb + 1, stats_size),
		.rows = calloc(nb + 1, sizeof(*objects->rows)),
		.nb = nb,
	};
	if (objects->stats != NULL && objects->rows != NULL)
		return true;
	objects_fini(objects);
	return false;
}

static void
put_build(const struct metrics_text *text)
{
	struct metrics_row row = {0};

	metrics_add_label(&row, "version", AIRLOCK_VERSION);
	metrics_add_label(&row, "dpdk", rte_version());
	metrics_put_head(text, "airlock_build", METRICS_INFO, "The daemon");
	metrics_put(text, "airlock_build", "_info", row.labels, NULL, NULL, 1);
}

static unsigned int
read_vms(struct airlock_pipeline *pl, struct airlock_pipeline_vm_stats *stats, unsigned int max)
{
	unsigned int nb = 0;

	for (int id = 0; nb < max && (id = airlock_pipeline_next_vm(pl, id)) >= 0; id++)
		if (airlock_pipeline_vm_stats(pl, id, &stats[nb]) == 0)
			nb++;
	return nb;
}

static void
label_vm(struct metrics_row *row, const struct airlock_pipeline_vm_stats *stats)
{
	row->object = stats;
	metrics_add_label(row, "vm", stats->name);
}

static void
label_vms(struct vms *vms)
{
	const struct airlock_pipeline_vm_stats *stats = vms->objects.stats;

	for (unsigned int i = 0; i < vms->objects.nb; i++, stats++) {
		label_vm(&vms->objects.rows[i], stats);
		if (stats->deliver != AIRLOCK_DELIVER_COPY)
			label_vm(&vms->windows[vms->nb_windows++], stats);
		for (uint16_t q = 0; q < stats->nb_queues; q++) {
			struct metrics_row *row = &vms->queues[vms->nb_queues++];

			label_vm(row, stats);
			row->object = RTE_PTR_ADD(stats, q * sizeof(stats->queues[0]));
			metrics_add_number(row, "queue", q);
		}
	}
}

/* What tells VMs apart for people goes into one family, not into every sample. */
static void
put_vm_info(const struct metrics_text *text, const struct objects *vms)
{
	const struct airlock_pipeline_vm_stats *stats = vms->stats;

	if (vms->nb > 0)
		metrics_put_head(text, "airlock_vm", METRICS_INFO, "What the VM is configured as");
	for (unsigned int i = 0; i < vms->nb; i++, stats++) {
		struct metrics_row row = vms->rows[i];
		char mac[RTE_ETHER_ADDR_FMT_SIZE];

		rte_ether_format_addr(mac, sizeof(mac), &stats->mac);
		metrics_add_label(&row, "mac", mac);
		metrics_add_number(&row, "vlan", stats->vlan_id);
		metrics_add_label(&row, "deliver", airlock_deliver_name(stats->deliver));
		metrics_put(text, "airlock_vm", "_info", row.labels, NULL, NULL, 1);
	}
}

static int
put_vms(const struct metrics_text *text, struct airlock_pipeline *pl)
{
	const struct airlock_pipeline_vm_stats *stats;
	unsigned int nb = 0, nb_queues = 0;
	struct vms vms = {0};
	int ret = -ENOMEM;

	for (int id = 0; (id = airlock_pipeline_next_vm(pl, id)) >= 0; id++)
		nb++;
	if (!objects_init(&vms.objects, nb, sizeof(*stats)))
		return -ENOMEM;
	stats = vms.objects.stats;
	vms.objects.nb = read_vms(pl, vms.objects.stats, nb);
	for (unsigned int i = 0; i < vms.objects.nb; i++)
		nb_queues += stats[i].nb_queues;
	vms.windows = calloc(nb + 1, sizeof(*vms.windows));
	vms.queues = calloc(nb_queues + 1, sizeof(*vms.queues));
	if (vms.windows == NULL || vms.queues == NULL)
		goto out;
	label_vms(&vms);
	put_vm_info(text, &vms.objects);
	metrics_put_table(text, metrics_vm, metrics_nb_vm, vms.objects.rows, vms.objects.nb);
	metrics_put_table(text, metrics_queue, metrics_nb_queue, vms.queues, vms.nb_queues);
	metrics_put_table(text, metrics_window, metrics_nb_window, vms.windows, vms.nb_windows);
	ret = 0;
out:
	free(vms.windows);
	free(vms.queues);
	objects_fini(&vms.objects);
	return ret;
}

/* What no number tells, each in a family of its own. */
static void
put_uplink_state(const struct metrics_text *text, const struct objects *uplinks)
{
	const struct airlock_pipeline_uplink_stats *stats = uplinks->stats;

	if (uplinks->nb == 0)
		return;
	metrics_put_head(text, "airlock_uplink", METRICS_INFO, "What the uplink is");
	for (unsigned int i = 0; i < uplinks->nb; i++) {
		struct metrics_row row = uplinks->rows[i];

		metrics_add_label(&row, "name", stats[i].setup.name);
		metrics_put(text, "airlock_uplink", "_info", row.labels, NULL, NULL, 1);
	}
	metrics_put_head(text, "airlock_uplink_up", METRICS_GAUGE, "Whether the uplink has a link");
	for (unsigned int i = 0; i < uplinks->nb; i++)
		metrics_put(text, "airlock_uplink_up", "", uplinks->rows[i].labels, NULL, NULL,
			stats[i].state == AIRLOCK_UPLINK_UP);
}

static int
put_uplinks(const struct metrics_text *text, struct airlock_pipeline *pl)
{
	struct airlock_pipeline_uplink_stats *stats;
	struct objects uplinks;

	if (!objects_init(&uplinks, airlock_pipeline_nb_uplinks(pl), sizeof(*stats)))
		return -ENOMEM;
	stats = uplinks.stats;
	for (unsigned int i = 0; i < uplinks.nb; i++, stats++) {
		airlock_pipeline_uplink_stats(pl, i, stats);
		uplinks.rows[i].object = stats;
		metrics_add_number(&uplinks.rows[i], "uplink", stats->setup.port_id);
	}
	put_uplink_state(text, &uplinks);
	metrics_put_table(text, metrics_uplink, metrics_nb_uplink, uplinks.rows, uplinks.nb);
	objects_fini(&uplinks);
	return 0;
}

/* Bursts by their size: buckets of 1, 2, 4 ... 64 packets. */
static void
put_bursts(const struct metrics_text *text, const struct metrics_row *row)
{
	static const char name[] = "airlock_lcore_burst_packets";
	const struct airlock_pipeline_lcore_stats *stats = row->object;
	uint64_t nb = 0, sum = 0;
	char size[16];

	for (unsigned int i = 1; i <= AIRLOCK_BURST; i++) {
		nb += stats->bursts[i];
		sum += stats->bursts[i] * i;
		snprintf(size, sizeof(size), "%u%s", i, text->openmetrics ? ".0" : "");
		if (rte_is_power_of_2(i))
			metrics_put(text, name, "_bucket", row->labels, "le", size, nb);
	}
	metrics_put(text, name, "_bucket", row->labels, "le", "+Inf", nb);
	metrics_put(text, name, "_sum", row->labels, NULL, NULL, sum);
	metrics_put(text, name, "_count", row->labels, NULL, NULL, nb);
}

static int
put_lcores(const struct metrics_text *text, struct airlock_pipeline *pl)
{
	struct airlock_pipeline_lcore_stats *stats;
	struct objects lcores;

	if (!objects_init(&lcores, airlock_pipeline_nb_lcores(pl), sizeof(*stats)))
		return -ENOMEM;
	stats = lcores.stats;
	for (unsigned int i = 0; i < lcores.nb; i++, stats++) {
		airlock_pipeline_lcore_stats(pl, i, stats);
		lcores.rows[i].object = stats;
		metrics_add_number(&lcores.rows[i], "lcore", stats->lcore_id);
	}
	metrics_put_table(text, metrics_lcore, metrics_nb_lcore, lcores.rows, lcores.nb);
	metrics_put_head(text, "airlock_lcore_burst_packets", METRICS_HISTOGRAM,
		"Bursts that the lcore took, by their packets");
	for (unsigned int i = 0; i < lcores.nb; i++)
		put_bursts(text, &lcores.rows[i]);
	objects_fini(&lcores);
	return 0;
}

static void
put_rest(const struct metrics_text *text, struct airlock_pipeline *pl)
{
	struct airlock_pipeline_balance balance;
	struct airlock_pool_stats pool;
	struct metrics_row row = {.object = &pool};

	airlock_pool_stats(airlock_pipeline_pool(pl), &pool);
	metrics_put_table(text, metrics_pool, metrics_nb_pool, &row, 1);
	if (pool.dma == AIRLOCK_DMA_STRICT)
		metrics_put_table(text, metrics_cards, metrics_nb_cards, &row, 1);
	airlock_pipeline_balance(pl, &balance);
	row.object = &balance;
	metrics_put_table(text, metrics_balance, metrics_nb_balance, &row, 1);
}

int
airlock_metrics_print(
	struct airlock_pipeline *pipeline, enum airlock_metrics_format format, FILE *out)
{
	struct metrics_text text = {
		.out = out,
		.openmetrics = format == AIRLOCK_METRICS_OPENMETRICS,
	};

	put_build(&text);
	if (put_vms(&text, pipeline) < 0 || put_uplinks(&text, pipeline) < 0 ||
		put_lcores(&text, pipeline) < 0)
		return -ENOMEM;
	put_rest(&text, pipeline);
	if (text.openmetrics)
		fputs("# EOF\n", out);
	return 0;
}
