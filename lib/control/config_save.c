/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The configuration goes into a file: as it is now, so that a start from the file gives the same.
 *
 * The new file is written beside the old one, read back as at a start, held against the
 * configuration in use, and only then put in its place. So what cannot be written in a file (a path
 * with a ';' in it) is refused, and whoever reads the file sees the old one or the new one, after a
 * crash too.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_string_fns.h>

#include "config_priv.h"

/* Under way. */
struct save {
	const char *origin;
	char *error;
	char path[PATH_MAX]; /* of the file, without symbolic links */
	char temp[PATH_MAX]; /* of the new one beside it */
	char *text;
	size_t len;
};

static int __rte_format_printf(2, 3) save_fail(struct save *save, const char *format, ...)
{
	int len = snprintf(save->error, AIRLOCK_ERROR_MAX, "%s: ", save->origin);
	va_list args;

	va_start(args, format);
	vsnprintf(save->error + len, AIRLOCK_ERROR_MAX - len, format, args);
	va_end(args);
	return -EINVAL;
}

/* A file that is there is replaced where it is, not the link to it. */
static int
find_place(struct save *save, const char *path, struct stat *st)
{
	char copy[PATH_MAX];

	memset(st, 0, sizeof(*st));
	st->st_mode = 0644;
	if (realpath(path, save->path) != NULL) {
		if (stat(save->path, st) < 0 || !S_ISREG(st->st_mode))
			return save_fail(save, "%.200s is no regular file, expected one", path);
	} else if (errno == ENOENT) {
		rte_strscpy(save->path, path, sizeof(save->path));
	} else {
		return save_fail(save, "%.200s: %s", path, strerror(errno));
	}
	rte_strscpy(copy, save->path, sizeof(copy));
	if (snprintf(save->temp, sizeof(save->temp), "%s/.airlock.conf.XXXXXX", dirname(copy)) >=
		(int)sizeof(save->temp))
		return save_fail(save, "path of %zu bytes, expected a shorter one", strlen(path));
	return 0;
}

/* What somebody has written into the file since it was read would be lost. */
static int
check_unchanged(struct save *save, const struct airlock_config *config)
{
	char *text;
	size_t len;
	bool same;
	int ret = config_read_text(save->path, &text, &len);

	if (ret < 0)
		return ret == -ENOENT ? 0
				      : save_fail(save, "%.200s: %s", save->path, strerror(-ret));
	same = len == config->text_len && memcmp(text, config->text, len) == 0;
	free(text);
	return same ? 0
		    : save_fail(save,
			      "%.200s has changed since it was read, expected another file, or a "
			      "restart before",
			      save->path);
}

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int
write_temp(struct save *save, const struct stat *st)
{
	int fd = mkostemp(save->temp, O_CLOEXEC), ret;

	if (fd < 0)
		return save_fail(
			save, "cannot write beside %.200s: %s", save->path, strerror(errno));
	/* Mode, owner and group are those of the old one. */
	ret = (st->st_nlink != 0 && fchown(fd, st->st_uid, st->st_gid) < 0) ||
			fchmod(fd, st->st_mode & 07777) < 0
		? -errno
		: write_all(fd, save->text, save->len);
	close(fd);
	if (ret == 0)
		return 0;
	unlink(save->temp);
	return save_fail(save, "cannot write beside %.200s: %s", save->path, strerror(-ret));
}

static bool
same_keys(enum config_scope scope, const struct airlock_config *a, const void *of_a,
	const struct airlock_config *b, const void *of_b)
{
	char text_a[PATH_MAX], text_b[PATH_MAX];

	for (unsigned int id = 0; id < CONFIG_KEY_MAX; id++)
		if (config_keys[id].scope == scope &&
			strcmp(config_text(a, id, of_a, text_a, sizeof(text_a)),
				config_text(b, id, of_b, text_b, sizeof(text_b))) != 0)
			return false;
	return true;
}

static const struct airlock_config_vm *
find_vm(const struct airlock_config *config, const char *name)
{
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (strcmp(config->vms[i].name, name) == 0)
			return &config->vms[i];
	return NULL;
}

static bool
same_config(const struct airlock_config *a, const struct airlock_config *b)
{
	if (a->nb_uplinks != b->nb_uplinks || a->nb_vms != b->nb_vms ||
		!same_keys(CONFIG_SCOPE_AIRLOCK, a, a, b, b))
		return false;
	for (uint16_t i = 0; i < a->nb_uplinks; i++)
		if (!same_keys(CONFIG_SCOPE_UPLINK, a, &a->uplinks[i], b, &b->uplinks[i]))
			return false;
	for (uint16_t i = 0; i < a->nb_vms; i++) {
		const struct airlock_config_vm *vm = find_vm(b, a->vms[i].name);

		if (vm == NULL || !same_keys(CONFIG_SCOPE_VM, a, &a->vms[i], b, vm))
			return false;
	}
	return true;
}

/* What a start from the new file would give. */
static int
read_back(struct save *save, const struct airlock_config *config)
{
	char name[] = "airlockd", flag[] = "-c";
	char *argv[] = {name, flag, save->temp, NULL};
	struct airlock_config again;
	char error[AIRLOCK_ERROR_MAX];
	int ret = 0;

	if (airlock_config_parse(&again, 3, argv, error) != AIRLOCK_CONFIG_RUN)
		ret = save_fail(save, "airlockd would not start from it: %.400s", error);
	else if (!same_config(config, &again))
		ret = save_fail(save, "a value would be another when read from a file");
	airlock_config_fini(&again);
	return ret;
}

static int
put_in_place(struct save *save)
{
	char copy[PATH_MAX];
	int fd;

	if (rename(save->temp, save->path) < 0)
		return save_fail(save, "%.200s: %s", save->path, strerror(errno));
	/* The name as well is to outlive a crash. */
	rte_strscpy(copy, save->path, sizeof(copy));
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return 0;
}

/* Whether a path leads to the file that was read. */
static bool
is_own(const struct airlock_config *config, const char *path)
{
	struct stat a, b;

	return config->file[0] != '\0' && stat(path, &a) == 0 && stat(config->file, &b) == 0 &&
		a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int
save_to(struct save *save, const struct airlock_config *config, const char *path, bool own)
{
	struct stat st;

	if (find_place(save, path, &st) < 0 || (own && check_unchanged(save, config) < 0) ||
		write_temp(save, &st) < 0)
		return -EINVAL;
	if (read_back(save, config) == 0 && put_in_place(save) == 0)
		return 0;
	unlink(save->temp);
	return -EINVAL;
}

int
airlock_config_save(struct airlock_config *config, const char *path, const char *origin,
	char error[static AIRLOCK_ERROR_MAX])
{
	struct save save = {.origin = origin, .error = error};
	bool own = path == NULL || is_own(config, path);
	int ret;

	if (path == NULL && config->file[0] == '\0')
		return save_fail(
			&save, "no file, expected one, as airlockd was started without -c");
	save.text = config_merge(config, &save.len);
	if (save.text == NULL)
		return save_fail(&save, "out of memory");
	ret = save_to(&save, config, own ? config->file : path, own);
	if (ret < 0 || !own) {
		free(save.text);
		return ret;
	}
	/* What is in the file now. */
	free(config->text);
	config->text = save.text;
	config->text_len = save.len;
	return 0;
}
