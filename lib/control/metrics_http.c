/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The metrics over HTTP, with libmicrohttpd in the caller's thread: its descriptors are in one
 * epoll set, whose own descriptor the caller waits for. An answer is made as a whole when it is
 * asked for, and sent as the client takes it, so a slow client has no effect but that its answer is
 * kept.
 *
 * One connection has one answer. So its age can be bounded, and a client that says or takes a byte
 * now and then does not keep its place for ever.
 *
 * Thread rule: main thread.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "airlock_metrics.h"

RTE_LOG_REGISTER(metrics_logtype, airlock.metrics, INFO);
#define METRICS_LOG(level, ...) rte_log(RTE_LOG_##level, metrics_logtype, "metrics: " __VA_ARGS__)

#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_PROMETHEUS	 "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_PLAIN	 "text/plain; charset=utf-8"

/* Steps in a row before the caller looks at other things. */
#define TURNS 64

struct client {
	int fd; /* -1: none */
	time_t since; /* of the monotonic clock */
};

struct airlock_metrics {
	struct airlock_pipeline *pipeline;
	struct MHD_Daemon *daemon;
	int listen_fd;
	struct client clients[AIRLOCK_METRICS_MAX_CLIENTS];
};

static time_t
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void
note_client(void *arg, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;
	struct airlock_metrics *metrics = arg;
	struct client *client = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client != NULL)
			client->fd = -1;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (unsigned int i = 0; i < AIRLOCK_METRICS_MAX_CLIENTS && info != NULL; i++) {
		if (metrics->clients[i].fd >= 0)
			continue;
		metrics->clients[i] = (struct client){info->connect_fd, now_s()};
		*socket_context = &metrics->clients[i];
		break;
	}
}

/* libmicrohttpd sees the end, and closes the descriptor. */
static void
end_old_clients(struct airlock_metrics *metrics)
{
	for (unsigned int i = 0; i < AIRLOCK_METRICS_MAX_CLIENTS; i++) {
		struct client *client = &metrics->clients[i];

		if (client->fd >= 0 && now_s() - client->since > AIRLOCK_METRICS_LIFE_S)
			shutdown(client->fd, SHUT_RDWR);
	}
}

static struct MHD_Response *
make_metrics(struct airlock_pipeline *pipeline, enum airlock_metrics_format format)
{
	struct MHD_Response *response;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int ret;

	if (out == NULL)
		return NULL;
	ret = airlock_metrics_print(pipeline, format, out);
	if (fclose(out) != 0 || ret < 0) {
		free(text);
		return NULL;
	}
	response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(text);
	return response;
}

static struct MHD_Response *
make_text(const char *text)
{
	return MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result
answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_len, void **request_context)
{
	struct airlock_metrics *metrics = arg;
	const char *accept =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool openmetrics = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
	const char *type = TYPE_PLAIN;
	unsigned int status = MHD_HTTP_OK;
	struct MHD_Response *response;
	enum MHD_Result ret;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		response = make_text("expected GET or HEAD\n");
		if (response != NULL)
			MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	} else if (strcmp(url, "/metrics") != 0) {
		status = MHD_HTTP_NOT_FOUND;
		response = make_text("expected /metrics\n");
	} else {
		type = openmetrics ? TYPE_OPENMETRICS : TYPE_PROMETHEUS;
		response = make_metrics(metrics->pipeline,
			openmetrics ? AIRLOCK_METRICS_OPENMETRICS : AIRLOCK_METRICS_PROMETHEUS);
	}
	/* Closes the connection. */
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	ret = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return ret;
}

__rte_format_printf(2, 0) static void log_message(void *arg, const char *format, va_list args)
{
	char text[256];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	METRICS_LOG(DEBUG, "%s\n", text);
}

static int
open_socket(const struct sockaddr_storage *address)
{
	socklen_t len = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						       : sizeof(struct sockaddr_in);
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, ret;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)address, len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

struct airlock_metrics *
airlock_metrics_create(struct airlock_pipeline *pipeline, const struct sockaddr_storage *address)
{
	struct airlock_metrics *metrics = calloc(1, sizeof(*metrics));

	if (metrics == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	metrics->pipeline = pipeline;
	for (unsigned int i = 0; i < AIRLOCK_METRICS_MAX_CLIENTS; i++)
		metrics->clients[i].fd = -1;
	metrics->listen_fd = open_socket(address);
	if (metrics->listen_fd < 0) {
		rte_errno = -metrics->listen_fd;
		goto free_metrics;
	}
	metrics->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer,
		metrics, MHD_OPTION_EXTERNAL_LOGGER, log_message, NULL, MHD_OPTION_LISTEN_SOCKET,
		metrics->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)AIRLOCK_METRICS_MAX_CLIENTS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)AIRLOCK_METRICS_STALL_S, MHD_OPTION_NOTIFY_CONNECTION, note_client,
		metrics, MHD_OPTION_END);
	if (metrics->daemon != NULL)
		return metrics;

	rte_errno = ENOMEM;
	close(metrics->listen_fd);
free_metrics:
	free(metrics);
	return NULL;
}

void
airlock_metrics_destroy(struct airlock_metrics *metrics)
{
	if (metrics == NULL)
		return;
	/* Closes the socket, too. */
	MHD_stop_daemon(metrics->daemon);
	free(metrics);
}

int
airlock_metrics_fd(const struct airlock_metrics *metrics)
{
	const union MHD_DaemonInfo *info;

	if (metrics == NULL)
		return -1;
	info = MHD_get_daemon_info(metrics->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return info != NULL ? info->epoll_fd : -1;
}

void
airlock_metrics_serve(struct airlock_metrics *metrics)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	unsigned int turns = 0;

	if (metrics == NULL)
		return;
	end_old_clients(metrics);
	/* Its epoll set is edge-triggered: what it knows to be ready does not wake the caller. */
	do
		MHD_run(metrics->daemon);
	while (++turns < TURNS && MHD_get_timeout(metrics->daemon, &wait_ms) == MHD_YES &&
		wait_ms == 0);
}
