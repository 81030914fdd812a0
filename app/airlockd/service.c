/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The daemon as a service of systemd: it says when it is ready and when it stops, and finds out
 * whether its log goes to the journal. Where there is no systemd, nothing of it does anything.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "airlockd.h"

/* Of the level "err". */
#define COMPLAINT_PREFIX "<3>"

bool
service_has_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t dev, ino;
	struct stat st;

	/* What is inherited from a service may be about another descriptor 2 than ours. */
	return stream != NULL && sscanf(stream, "%" SCNu64 ":%" SCNu64, &dev, &ino) == 2 &&
		fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void
service_complain(const char *error)
{
	fprintf(stderr, "%sairlockd: %s\n", service_has_journal() ? COMPLAINT_PREFIX : "", error);
}

void
service_starting(void)
{
	sd_notify(0, "STATUS=starting");
}

void
service_ready(const struct airlock_config *config)
{
	sd_notifyf(0, "READY=1\nSTATUS=forwarding: started with %u uplinks, %u VMs",
		config->nb_uplinks, config->nb_vms);
}

void
service_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}
