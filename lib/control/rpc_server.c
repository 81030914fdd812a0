/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The control socket: listens, and gives each client its turn.
 *
 * All descriptors are in one epoll set, whose own descriptor the caller waits for. Nothing here
 * waits: a turn is one read, the requests that are complete by it, and what the socket takes of the
 * answers.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_log.h>

#include "rpc_priv.h"

RTE_LOG_REGISTER(rpc_logtype, airlock.rpc, INFO);
#define RPC_LOG(level, ...) rte_log(RTE_LOG_##level, rpc_logtype, "rpc: " __VA_ARGS__)

/* Clients served before the caller looks at other things. */
#define TURNS 16

struct slot {
	struct rpc_client *client; /* NULL: free */
	int fd;
	uint32_t events;
};

struct airlock_rpc {
	struct rpc_env env;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct airlock_socket_access access;
	int epoll_fd;
	int listen_fd;
	bool deaf; /* no descriptors left: accepts again at the next look */
	struct slot slots[AIRLOCK_RPC_MAX_CLIENTS];
};

static int
set_events(struct airlock_rpc *rpc, int op, int fd, void *arg, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = arg};

	return epoll_ctl(rpc->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

/* A socket that nobody listens on is left of a daemon that was killed. */
static int
remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, ret;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (ret != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int
open_socket(struct airlock_rpc *rpc)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int ret;

	memcpy(address.sun_path, rpc->path, sizeof(rpc->path));
	ret = remove_stale(&address);
	if (ret < 0)
		return ret;
	rpc->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (rpc->listen_fd < 0)
		return -errno;
	if (bind(rpc->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		ret = -errno;
		goto close_socket;
	}
	/* Before it listens, nobody can connect. */
	ret = airlock_socket_allow(rpc->path, &rpc->access);
	if (ret == 0 && listen(rpc->listen_fd, SOMAXCONN) < 0)
		ret = -errno;
	if (ret < 0)
		goto remove_path;
	ret = set_events(rpc, EPOLL_CTL_ADD, rpc->listen_fd, NULL, EPOLLIN);
	if (ret == 0)
		return 0;

remove_path:
	unlink(rpc->path);
close_socket:
	close(rpc->listen_fd);
	return ret;
}

struct airlock_rpc *
airlock_rpc_create(const struct airlock_rpc_conf *conf)
{
	struct airlock_rpc *rpc = calloc(1, sizeof(*rpc));
	int ret;

	if (rpc == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	rpc->env = (struct rpc_env){
		.methods = rpc_methods,
		.nb_methods = rpc_nb_methods,
		.config = conf->config,
		.pipeline = conf->pipeline,
		.baseline = rpc_baseline_create(),
		.windows = conf->windows,
	};
	if (rpc->env.baseline == NULL) {
		ret = -ENOMEM;
		goto free_rpc;
	}
	rpc->access = conf->access;
	ret = snprintf(rpc->path, sizeof(rpc->path), "%s", conf->path);
	if (ret >= (int)sizeof(rpc->path)) {
		ret = -ENAMETOOLONG;
		goto free_rpc;
	}
	rpc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (rpc->epoll_fd < 0) {
		ret = -errno;
		goto free_rpc;
	}
	ret = open_socket(rpc);
	if (ret == 0)
		return rpc;

	close(rpc->epoll_fd);
free_rpc:
	rpc_baseline_destroy(rpc->env.baseline);
	free(rpc);
	rte_errno = -ret;
	return NULL;
}

static void
drop(struct slot *slot)
{
	/* Its descriptor leaves the epoll set as it is closed. */
	rpc_client_destroy(slot->client);
	slot->client = NULL;
}

void
airlock_rpc_destroy(struct airlock_rpc *rpc)
{
	if (rpc == NULL)
		return;
	unlink(rpc->path);
	close(rpc->listen_fd);
	for (unsigned int i = 0; i < AIRLOCK_RPC_MAX_CLIENTS; i++)
		if (rpc->slots[i].client != NULL)
			drop(&rpc->slots[i]);
	close(rpc->epoll_fd);
	rpc_baseline_destroy(rpc->env.baseline);
	free(rpc);
}

int
airlock_rpc_fd(const struct airlock_rpc *rpc)
{
	return rpc->epoll_fd;
}

static struct slot *
free_slot(struct airlock_rpc *rpc)
{
	for (unsigned int i = 0; i < AIRLOCK_RPC_MAX_CLIENTS; i++)
		if (rpc->slots[i].client == NULL)
			return &rpc->slots[i];
	return NULL;
}

static void
turn_away(int fd)
{
	struct rpc_out out = {0};

	if (rpc_answer_error(&out, RPC_FAILED,
		    "too many clients, expected at most 64 at once; closing") == 0)
		rpc_out_send(&out, fd);
	rpc_out_reset(&out);
	close(fd);
}

static void
accept_client(struct airlock_rpc *rpc)
{
	int fd = accept4(rpc->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct slot *slot = free_slot(rpc);

	if (fd < 0) {
		/* The socket stays readable: wait with others, or this would go round and round. */
		rpc->deaf = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
		if (rpc->deaf) {
			RPC_LOG(WARNING, "cannot accept a client: %s\n", strerror(errno));
			set_events(rpc, EPOLL_CTL_MOD, rpc->listen_fd, NULL, 0);
		}
		return;
	}
	if (slot == NULL) {
		turn_away(fd);
		return;
	}
	slot->client = rpc_client_create(&rpc->env, fd);
	if (slot->client == NULL) {
		close(fd);
		return;
	}
	slot->fd = fd;
	slot->events = EPOLLIN;
	if (set_events(rpc, EPOLL_CTL_ADD, fd, slot, EPOLLIN) < 0)
		drop(slot);
}

static void
run_slot(struct airlock_rpc *rpc, struct slot *slot, uint32_t events)
{
	uint32_t wanted = rpc_client_run(slot->client, events);

	if (wanted == 0 ||
		(wanted != slot->events &&
			set_events(rpc, EPOLL_CTL_MOD, slot->fd, slot, wanted) < 0))
		drop(slot);
	else
		slot->events = wanted;
}

void
airlock_rpc_serve(struct airlock_rpc *rpc)
{
	struct epoll_event events[TURNS];
	int nb = epoll_wait(rpc->epoll_fd, events, TURNS, 0);

	for (int i = 0; i < nb; i++) {
		if (events[i].data.ptr == NULL)
			accept_client(rpc);
		else
			run_slot(rpc, events[i].data.ptr, events[i].events);
	}
	for (unsigned int i = 0; i < AIRLOCK_RPC_MAX_CLIENTS; i++) {
		struct slot *slot = &rpc->slots[i];

		if (slot->client == NULL || !rpc_client_is_dead(slot->client))
			continue;
		RPC_LOG(NOTICE, "closing a client that has not read for %u seconds\n",
			AIRLOCK_RPC_STALL_S);
		drop(slot);
	}
	if (rpc->deaf && nb == 0 &&
		set_events(rpc, EPOLL_CTL_MOD, rpc->listen_fd, NULL, EPOLLIN) == 0)
		rpc->deaf = false;
}
