/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The file that holds the records of a NIC's RX rings (rxring_record.c): it outlives airlock, on a
 * tmpfs, so that the next airlock can go on where this one was killed.
 *
 * A head says for which rings and partitions it was made, and the records follow, one for each
 * ring. A file of other rings is emptied. The memory is there from the start: a store never
 * fails. Without the file, NICs work as well; only what their guests had posted is not found after
 * a kill.
 *
 * Thread rule: control, while the NIC is made and destroyed.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vnic_ring_priv.h"

#define RECORD_MAGIC UINT64_C(0x3373676e69726c61) /* "alrings3" */

struct head {
	uint64_t magic;
	uint32_t nb_queues;
	uint32_t frame_pages;
	uint32_t nb_frames[AIRLOCK_VNIC_MAX_QUEUES]; /* of each ring's partition */
};

static void
head_fill(const struct airlock_vnic *vnic, struct head *head)
{
	const struct airlock_page_table *pages = vnic->pages;

	*head = (struct head){
		.magic = RECORD_MAGIC,
		.nb_queues = vnic->nb_queues,
		.frame_pages = pages->frame.pages,
	};
	for (uint16_t q = 0; q < vnic->nb_queues; q++)
		head->nb_frames[q] = q < pages->nb_partitions ? pages->partitions[q].nb_frames : 0;
}

static size_t
record_bytes(const struct head *head, uint16_t queue_id)
{
	return RTE_ALIGN_CEIL(
		airlock_rxring_record_bytes(head->nb_frames[queue_id]), AIRLOCK_PAGE_SIZE);
}

static size_t
file_bytes(const struct head *head)
{
	size_t bytes = AIRLOCK_PAGE_SIZE;

	for (uint16_t q = 0; q < head->nb_queues; q++)
		bytes += record_bytes(head, q);
	return bytes;
}

/* The descriptor or -errno. */
static int
file_open(const char *path, size_t bytes)
{
	struct stat st;
	int fd, err;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
		goto close_fd;
	}
	err = -EINVAL;
	if (!S_ISREG(st.st_mode))
		goto close_fd;
	if ((size_t)st.st_size != bytes && ftruncate(fd, 0) < 0)
		goto close_fd;
	err = -posix_fallocate(fd, 0, bytes);
	if (err == 0)
		return fd;

close_fd:
	close(fd);
	return err;
}

static void *
file_map(const char *path, const struct head *head)
{
	size_t bytes = file_bytes(head);
	void *area;
	int fd;

	fd = file_open(path, bytes);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (area == MAP_FAILED)
		return NULL;
	if (memcmp(area, head, sizeof(*head)) != 0) {
		memset(area, 0, bytes);
		memcpy(area, head, sizeof(*head));
	}
	return area;
}

void
vnic_record_open(struct airlock_vnic *vnic, const char *path)
{
	struct vnic_rings *own = vnic->own;
	struct head head;
	uint8_t *at;

	head_fill(vnic, &head);
	at = file_map(path, &head);
	if (at == NULL) {
		VNIC_LOG(WARNING,
			"%s: %s: %s; if airlock is killed, buffers that the VM has posted are "
			"lost\n",
			vnic->name, path, strerror(errno));
		return;
	}
	own->record = at;
	own->record_bytes = file_bytes(&head);
	at += AIRLOCK_PAGE_SIZE;
	for (uint16_t q = 0; q < vnic->nb_queues; q++) {
		static const struct airlock_page_partition none;

		airlock_rxring_set_record(own->rings[q].engine, (struct airlock_rxring_record *)at,
			q < vnic->pages->nb_partitions ? &vnic->pages->partitions[q] : &none);
		at += record_bytes(&head, q);
	}
}

void
vnic_record_close(struct airlock_vnic *vnic)
{
	for (uint16_t q = 0; vnic->own->record != NULL && q < vnic->nb_queues; q++)
		airlock_rxring_settle(vnic->own->rings[q].engine);
	if (vnic->own->record != NULL)
		munmap(vnic->own->record, vnic->own->record_bytes);
	vnic->own->record = NULL;
}

bool
airlock_vnic_was_given(const struct airlock_vnic *vnic, uint32_t frame)
{
	for (uint16_t q = 0; vnic->own != NULL && q < vnic->nb_queues; q++) {
		const struct airlock_page_table *pages = vnic->pages;

		if (q < pages->nb_partitions &&
			airlock_rxring_was_given(vnic->own->rings[q].engine,
				frame - pages->partitions[q].first_frame))
			return true;
	}
	return false;
}
