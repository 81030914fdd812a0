/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A capture's file: a regular one, which no other capture writes. What is there already is kept
 * unless it is to be overwritten, and cut only when nothing else can fail.
 *
 * Thread rule: control, under the set's lock.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture_priv.h"

#define MODE 0600

static int
refuse(const char *path, char *error, int err)
{
	const char *expected = strerror(err);

	if (err == EEXIST)
		expected = "is there, expected a new one, or overwrite";
	else if (err == ENOENT || err == ENOTDIR)
		expected = "expected one in a directory that is there";
	else if (err == EBUSY)
		expected = "another capture writes it";
	else if (err == EINVAL || err == ELOOP || err == EISDIR || err == ENXIO)
		expected = "expected a regular file";
	snprintf(error, AIRLOCK_CAPTURE_ERROR_MAX, "file '%.200s': %s", path, expected);
	return -err;
}

static bool
is_in_use(const struct airlock_captures *set, const struct stat *st)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct capture *other = set->captures[i];

		if (other->file.dev == st->st_dev && other->file.ino == st->st_ino &&
			atomic_load_explicit(&other->state, memory_order_relaxed) ==
				AIRLOCK_CAPTURE_RUNNING)
			return true;
	}
	return false;
}

int
capture_file_open(struct capture *capture, const struct airlock_capture_conf *conf, char *error)
{
	struct capture_file *file = &capture->file;
	struct stat st;
	int err = 0;

	file->fd = open(conf->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
	file->created = file->fd >= 0;
	/* Nobody need be there to read what is no file. */
	if (file->fd < 0 && errno == EEXIST && conf->overwrite)
		file->fd = open(conf->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file->fd < 0)
		return refuse(conf->path, error, errno);
	if (fstat(file->fd, &st) < 0)
		err = errno;
	else if (!S_ISREG(st.st_mode))
		err = EINVAL;
	else if (is_in_use(capture->set, &st))
		err = EBUSY;
	if (err != 0) {
		capture_file_undo(capture);
		return refuse(conf->path, error, err);
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	return 0;
}

void
capture_file_undo(struct capture *capture)
{
	if (capture->file.fd < 0)
		return;
	close(capture->file.fd);
	if (capture->file.created)
		unlink(capture->path);
}
