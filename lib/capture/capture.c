/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Captures come and go. A capture is published in the list that the tap leads to; it is taken out
 * by publishing a list without it and waiting for a quiescent state of every lcore. There are two
 * lists, in turn: when one is to be written, no lcore can have it any more.
 *
 * A capture that has ended stays listed until it is stopped, so that its figures can be read.
 *
 * Thread rule: control. The lock keeps captures' threads, which end by themselves, apart from it;
 * nobody holds it while a thread is waited for.
 */

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_string_fns.h>

#include "capture_priv.h"

static const char *const state_names[] = {
	[AIRLOCK_CAPTURE_RUNNING] = "running",
	[AIRLOCK_CAPTURE_COMPLETE] = "complete",
	[AIRLOCK_CAPTURE_STOPPED] = "stopped",
	[AIRLOCK_CAPTURE_GONE] = "gone",
	[AIRLOCK_CAPTURE_FAILED] = "failed",
};
static_assert(RTE_DIM(state_names) == AIRLOCK_CAPTURE_STATE_MAX, "every state has a name");

const char *
airlock_capture_state_name(enum airlock_capture_state state)
{
	return state_names[state];
}

struct airlock_captures *
airlock_captures_create(struct rte_rcu_qsbr *qsv)
{
	struct airlock_captures *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->qsv = qsv;
	pthread_mutex_init(&set->lock, NULL);
	return set;
}

const struct airlock_capture_tap *
airlock_captures_tap(const struct airlock_captures *set)
{
	return &set->tap;
}

/* All that are to be found, and no other, once this returns. Under the lock. */
static void
list_publish(struct airlock_captures *set)
{
	struct capture_list *old = atomic_load_explicit(&set->tap.list, memory_order_relaxed);
	struct capture_list *list = &set->lists[old == &set->lists[0]];

	list->n = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		if (set->captures[i]->published)
			list->sources[list->n++] = &set->captures[i]->source;
	}
	/* Pairs with the loads in airlock_capture_burst() and airlock_capture_drop(). */
	atomic_store_explicit(&set->tap.list, list->n > 0 ? list : NULL, memory_order_release);
	rte_rcu_qsbr_synchronize(set->qsv, RTE_QSBR_THRID_INVALID);
}

void
capture_unpublish(struct capture *capture)
{
	struct airlock_captures *set = capture->set;

	pthread_mutex_lock(&set->lock);
	if (capture->published) {
		capture->published = false;
		list_publish(set);
	}
	pthread_mutex_unlock(&set->lock);
}

/* Tell a capture's thread to end, when lcores find it no more. */
static void
end_capture(struct capture *capture, enum airlock_capture_state why)
{
	capture_unpublish(capture);
	/* Pairs with the load in run(). */
	atomic_store_explicit(&capture->end, why, memory_order_release);
}

static int refuse(char *error, int err, const char *format, ...) __rte_format_printf(3, 4);

static int
refuse(char *error, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, AIRLOCK_CAPTURE_ERROR_MAX, format, args);
	va_end(args);
	return -err;
}

static bool
name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= AIRLOCK_CAPTURE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
			return false;
	}
	return true;
}

/* Index of the name; set->n: none has it. */
static uint32_t
find(const struct airlock_captures *set, const char *name)
{
	uint32_t i = 0;

	while (i < set->n && strcmp(set->captures[i]->name, name) != 0)
		i++;
	return i;
}

static int
check(const struct airlock_captures *set, const struct airlock_capture_conf *conf, char *error)
{
	if (!name_is_good(conf->name))
		return refuse(error, EINVAL,
			"name '%.60s', expected 1 to %u letters, digits, '.', '_' or '-'",
			conf->name, AIRLOCK_CAPTURE_NAME_MAX - 1);
	if (find(set, conf->name) < set->n)
		return refuse(error, EEXIST,
			"name '%s', expected one that no capture has; capture.list has them",
			conf->name);
	if (conf->path[0] != '/' || strlen(conf->path) >= AIRLOCK_CAPTURE_PATH_MAX)
		return refuse(error, EINVAL,
			"file '%.200s', expected an absolute path of 1 to %u bytes", conf->path,
			AIRLOCK_CAPTURE_PATH_MAX - 1);
	if (conf->filter != NULL && strlen(conf->filter) >= AIRLOCK_CAPTURE_FILTER_MAX)
		return refuse(error, EINVAL, "filter of %zu bytes, expected up to %u",
			strlen(conf->filter), AIRLOCK_CAPTURE_FILTER_MAX - 1);
	if (conf->snaplen_bytes == 0 || conf->snaplen_bytes > AIRLOCK_CAPTURE_SNAPLEN_MAX)
		return refuse(error, EINVAL, "snaplen '%u', expected a number from 1 to %u",
			conf->snaplen_bytes, AIRLOCK_CAPTURE_SNAPLEN_MAX);
	if (set->n == AIRLOCK_CAPTURE_MAX)
		return refuse(error, ENOSPC, "there are %u captures, expected fewer: stop one",
			AIRLOCK_CAPTURE_MAX);
	return 0;
}

static void
capture_free(struct capture *capture)
{
	pcap_freecode(&capture->source.filter);
	rte_ring_free(capture->source.ring);
	rte_mempool_free(capture->source.buffers);
	free(capture);
}

/* A buffer is no longer than what may go into it. RTS: see the inboxes of lcores. */
static int
buffers_create(struct capture_source *source, uint32_t number, char *error)
{
	uint32_t bytes = RTE_MIN(source->snaplen_bytes, (uint32_t)AIRLOCK_CAPTURE_BUFFER_BYTES);
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "airlock_cap_%u", number);
	source->buffers = rte_pktmbuf_pool_create_by_ops(name, AIRLOCK_CAPTURE_BUFFERS, 0,
		RTE_ALIGN(sizeof(struct capture_record), RTE_MBUF_PRIV_ALIGN),
		RTE_PKTMBUF_HEADROOM + RTE_ALIGN(bytes, RTE_CACHE_LINE_SIZE), SOCKET_ID_ANY,
		"ring_mt_rts");
	source->ring = rte_ring_create(name, AIRLOCK_CAPTURE_BUFFERS, SOCKET_ID_ANY,
		RING_F_MP_RTS_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (source->buffers != NULL && source->ring != NULL)
		return 0;
	return refuse(error, ENOMEM, "no memory for %u buffers of %u bytes",
		AIRLOCK_CAPTURE_BUFFERS, bytes);
}

static struct capture *
capture_create(struct airlock_captures *set, const struct airlock_capture_conf *conf, char *error)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	struct capture_source *source = &capture->source;
	int ret;

	if (capture == NULL) {
		rte_errno = -refuse(error, ENOMEM, "out of memory");
		return NULL;
	}
	capture->set = set;
	capture->file.fd = -1;
	rte_strscpy(capture->name, conf->name, sizeof(capture->name));
	rte_strscpy(capture->path, conf->path, sizeof(capture->path));
	if (conf->filter != NULL)
		rte_strscpy(capture->filter, conf->filter, sizeof(capture->filter));
	if (conf->point != NULL)
		rte_strscpy(capture->point, conf->point->name, sizeof(capture->point));
	source->point = conf->point;
	memcpy(source->directions, conf->directions, sizeof(source->directions));
	source->drops_only = conf->drops_only;
	source->snaplen_bytes = conf->snaplen_bytes;
	source->count = conf->count;
	ret = capture->filter[0] == '\0'
		? 0
		: capture_filter_compile(&source->filter, capture->filter, error);
	if (ret == 0)
		ret = buffers_create(source, set->next_number++, error);
	if (ret < 0) {
		capture_free(capture);
		rte_errno = -ret;
		return NULL;
	}
	return capture;
}

static int
start(struct airlock_captures *set, const struct airlock_capture_conf *conf, char *error)
{
	struct capture *capture;
	int ret = check(set, conf, error);

	if (ret < 0)
		return ret;
	capture = capture_create(set, conf, error);
	if (capture == NULL)
		return -rte_errno;
	ret = capture_file_open(capture, conf, error);
	if (ret < 0)
		goto free_capture;
	ret = capture_writer_start(capture);
	if (ret < 0) {
		refuse(error, -ret, "file '%.200s': %s", conf->path, strerror(-ret));
		goto undo_file;
	}
	set->captures[set->n++] = capture;
	capture->published = true;
	list_publish(set);
	return 0;

undo_file:
	capture_file_undo(capture);
free_capture:
	capture_free(capture);
	return ret;
}

int
airlock_captures_start(
	struct airlock_captures *set, const struct airlock_capture_conf *conf, char *error)
{
	int ret;

	pthread_mutex_lock(&set->lock);
	ret = start(set, conf, error);
	pthread_mutex_unlock(&set->lock);
	return ret;
}

static void
fill_info(const struct capture *capture, struct airlock_capture_info *info)
{
	const struct capture_source *source = &capture->source;

	memset(info, 0, sizeof(*info));
	rte_strscpy(info->name, capture->name, sizeof(info->name));
	rte_strscpy(info->path, capture->path, sizeof(info->path));
	rte_strscpy(info->filter, capture->filter, sizeof(info->filter));
	rte_strscpy(info->point, capture->point, sizeof(info->point));
	memcpy(info->directions, source->directions, sizeof(info->directions));
	info->drops_only = source->drops_only;
	info->snaplen_bytes = source->snaplen_bytes;
	info->count = source->count;
	/* Pairs with the store in writer_main(). */
	info->state = atomic_load_explicit(&capture->state, memory_order_acquire);
	if (info->state == AIRLOCK_CAPTURE_FAILED)
		info->error = capture->error;
	info->packets = airlock_count_get(&capture->packets);
	info->bytes = airlock_count_get(&capture->bytes);
	info->missed = airlock_count_get(&source->missed);
}

/* Take it out of the table. The threads of others may look at that. */
static struct capture *
take_out(struct airlock_captures *set, const char *name)
{
	struct capture *capture = NULL;
	uint32_t i;

	pthread_mutex_lock(&set->lock);
	i = find(set, name);
	if (i < set->n) {
		capture = set->captures[i];
		if (capture->published) {
			capture->published = false;
			list_publish(set);
		}
		set->n--;
		memmove(&set->captures[i], &set->captures[i + 1],
			(set->n - i) * sizeof(set->captures[0]));
	}
	pthread_mutex_unlock(&set->lock);
	return capture;
}

int
airlock_captures_stop(
	struct airlock_captures *set, const char *name, struct airlock_capture_info *info)
{
	struct capture *capture = take_out(set, name);

	if (capture == NULL)
		return -ENOENT;
	end_capture(capture, AIRLOCK_CAPTURE_STOPPED);
	pthread_join(capture->thread, NULL);
	fill_info(capture, info);
	capture_free(capture);
	return 0;
}

void
airlock_captures_end(struct airlock_captures *set, const struct airlock_point *point)
{
	/* Control alone adds and removes. */
	for (uint32_t i = 0; i < set->n; i++) {
		if (set->captures[i]->source.point == point)
			end_capture(set->captures[i], AIRLOCK_CAPTURE_GONE);
	}
}

int
airlock_captures_info(
	struct airlock_captures *set, unsigned int idx, struct airlock_capture_info *info)
{
	if (idx >= set->n)
		return -ENOENT;
	fill_info(set->captures[idx], info);
	return 0;
}

void
airlock_captures_destroy(struct airlock_captures *set)
{
	struct airlock_capture_info info;

	if (set == NULL)
		return;
	while (set->n > 0)
		airlock_captures_stop(set, set->captures[0]->name, &info);
	pthread_mutex_destroy(&set->lock);
	free(set);
}
