/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef WATCH_H
#define WATCH_H

/*
 * Statistics, once or again and again.
 *
 * Thread rule: one thread.
 */

#include "ctl.h"

/** The command "stats [--watch SECONDS]". Watching ends by a signal, or when something fails. */
enum ctl_status watch_stats(struct ctl *ctl, unsigned int nb_args, char **args);

#endif /* WATCH_H */
