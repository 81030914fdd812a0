/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * An uplink whose device is taken away, and comes back, while everything else goes on.
 *
 * Gone: lcores send nothing to an uplink that is not up; once it is out of all plans, and each
 * lcore has been in a quiescent state, nobody knows its port, and it is closed. Back: what lcores
 * read of the port is written while no plan has it; after the plans have it again, and a quiescent
 * state, it may be up, and lcores send to it.
 *
 * Thread rule: the main thread, once a second.
 */

#include "pipeline_priv.h"

/* With the port's queues in the plans, or without. */
static int
publish(struct airlock_pipeline *pl, struct port *port, bool absent)
{
	int ret;

	pthread_mutex_lock(&pl->lock);
	port->absent = absent;
	ret = plan_publish(pl);
	if (ret < 0)
		port->absent = !absent;
	pthread_mutex_unlock(&pl->lock);
	return ret;
}

/* What fails is done the next time. */
static void
leave(struct airlock_pipeline *pl, struct port *port)
{
	if (port->absent || publish(pl, port, true) == 0)
		airlock_uplink_detach(port->uplink);
}

static void
come_back(struct airlock_pipeline *pl, struct port *port)
{
	if (airlock_uplink_attach(port->uplink) < 0)
		return;
	idle_watch_port(pl, port);
	if (publish(pl, port, false) == 0)
		airlock_uplink_resume(port->uplink);
	else
		airlock_uplink_detach(port->uplink);
}

void
port_poll(struct airlock_pipeline *pl, struct port *port)
{
	if (airlock_uplink_state_get(port->uplink) != AIRLOCK_UPLINK_GONE)
		airlock_uplink_poll(port->uplink);
	else if (port->uplink->device != NULL)
		leave(pl, port);
	else
		come_back(pl, port);
}
