/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A hostile program in a VM with a window: it reads pages that nobody has given it. It needs no
 * library, and FILE is the window's BAR, resource2 of the ivshmem device.
 *
 *     window-touch FILE read SECONDS CPU:PAGE:PAGE...
 *     window-touch FILE scan SECONDS CPU:FIRST:LAST...
 *
 * A thread for each CPU. read: it reads a page once; what it reads must be a packet of
 * make_checked.py for VM 1, alone in its page. scan: it reads pages FIRST to LAST, again and again.
 * Packets for other VMs have bytes with the highest bit set, those for this VM have none
 * (make_bytes.py): each such byte is foreign. Every second a line of JSON says how many pages were
 * read, how many of them were different ones, how many held a foreign byte, and how many pages a
 * thread has begun to read, once or more. At the end come the pages that none has begun, and a full
 * stop.
 *
 * A page that is dark stalls the whole CPU, and no signal helps: so each thread has a CPU of its
 * own, and CPU 0 is for the main thread, which touches nothing. The kernel may soon wait for such a
 * CPU, too: no program can be started any more.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE	    4096
#define HEADER	    116 /* of virtio, in front of the packet */
#define PACKET	    128
#define BODY	    (PACKET + 14)
#define CRC_LEN	    4
#define MIN_LEN	    64
#define VM_NUMBER   1
#define HIGH_BITS   UINT64_C(0x8080808080808080)
#define MAX_THREADS 16

struct range {
	int cpu;
	uint32_t first;
	uint32_t last;
};

static const uint8_t *window;
/* nb_pages each; written by the scanning threads */
static _Atomic bool *was_begun;
static _Atomic bool *was_read;
static uint32_t nb_pages;
static pthread_barrier_t all_there;
/* Written by the scanning threads, read by the main one; relaxed. */
static _Atomic uint64_t nb_read;
static _Atomic uint64_t nb_pages_begun;
static _Atomic uint64_t nb_pages_read;
static _Atomic uint64_t nb_foreign;

static void
run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static bool
map_window(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDWR);

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	window = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	nb_pages = st.st_size / PAGE;
	was_begun = calloc(nb_pages, sizeof(*was_begun));
	was_read = calloc(nb_pages, sizeof(*was_read));
	return window != MAP_FAILED && was_begun != NULL && was_read != NULL;
}

static uint32_t
crc32(const uint8_t *data, uint32_t len)
{
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc % 2 * 0xedb88320);
	}
	return ~crc;
}

static uint32_t
number_at(const uint8_t *data, uint32_t bytes)
{
	uint32_t number = 0;

	for (uint32_t i = 0; i < bytes; i++)
		number = number << 8 | data[i];
	return number;
}

static bool
is_zero(const uint8_t *from, const uint8_t *to)
{
	while (from < to && *from == 0)
		from++;
	return from >= to;
}

/* What is wrong with a page; NULL: nothing. */
static const char *
judge(const uint8_t *page, uint32_t *len, uint32_t *number)
{
	const uint8_t *body = page + BODY;

	*len = number_at(body + 6, 2);
	*number = number_at(body + 8, 4);
	if (!is_zero(page, page + HEADER))
		return "bytes in front of the packet";
	if (memcmp(body, "CHKP", 4) != 0 || *len < MIN_LEN || *len > PAGE - PACKET)
		return "no packet";
	if (number_at(body + 4, 2) != VM_NUMBER)
		return "another VM's packet";
	if (crc32(body, *len - 14 - CRC_LEN) != number_at(page + PACKET + *len - CRC_LEN, CRC_LEN))
		return "a packet with a wrong checksum";
	if (!is_zero(page + PACKET + *len, page + PAGE))
		return "bytes behind the packet";
	return NULL;
}

/* The first access is the one that stalls. */
static void
read_page(uint32_t page)
{
	uint8_t copy[PAGE];
	const char *wrong;
	uint32_t len, number;

	printf("touch: reading page %u\n", page);
	fflush(stdout);
	memcpy(copy, window + (size_t)page * PAGE, PAGE);
	wrong = judge(copy, &len, &number);
	if (wrong != NULL)
		printf("touch: page %u: WRONG: %s\n", page, wrong);
	else
		printf("touch: page %u: packet %u of %u bytes\n", page, number, len);
	fflush(stdout);
}

static void *
read_once(void *arg)
{
	const struct range *range = arg;

	run_on(range->cpu);
	/* All threads are on their CPUs before the first one stalls. */
	pthread_barrier_wait(&all_there);
	read_page(range->first);
	return NULL;
}

static bool
has_foreign(uint32_t page)
{
	const uint64_t *words = (const uint64_t *)(window + (size_t)page * PAGE);
	uint64_t bits = 0;

	for (uint32_t i = 0; i < PAGE / sizeof(*words); i++)
		bits |= words[i];
	return (bits & HIGH_BITS) != 0;
}

static void
scan_page(uint32_t page)
{
	bool foreign;

	if (!atomic_exchange_explicit(&was_begun[page], true, memory_order_relaxed))
		atomic_fetch_add_explicit(&nb_pages_begun, 1, memory_order_relaxed);
	foreign = has_foreign(page);
	atomic_fetch_add_explicit(&nb_read, 1, memory_order_relaxed);
	if (!atomic_exchange_explicit(&was_read[page], true, memory_order_relaxed))
		atomic_fetch_add_explicit(&nb_pages_read, 1, memory_order_relaxed);
	if (foreign)
		atomic_fetch_add_explicit(&nb_foreign, 1, memory_order_relaxed);
}

static void *
scan(void *arg)
{
	const struct range *range = arg;

	run_on(range->cpu);
	pthread_barrier_wait(&all_there);
	for (;;) {
		for (uint32_t page = range->first; page <= range->last; page++)
			scan_page(page);
	}
	return NULL;
}

static bool
start(void *(*run)(void *), const char *text, struct range *range)
{
	pthread_t thread;

	return sscanf(text, "%d:%" SCNu32 ":%" SCNu32, &range->cpu, &range->first, &range->last) ==
		3 &&
		range->last < nb_pages && pthread_create(&thread, NULL, run, range) == 0;
}

static void
report(uint32_t seconds)
{
	for (uint32_t i = 0; i < seconds; i++) {
		sleep(1);
		printf("touch: {\"read\": %" PRIu64 ", \"pages\": %" PRIu64,
			atomic_load_explicit(&nb_read, memory_order_relaxed),
			atomic_load_explicit(&nb_pages_read, memory_order_relaxed));
		printf(", \"begun\": %" PRIu64 ", \"foreign\": %" PRIu64 "}\n",
			atomic_load_explicit(&nb_pages_begun, memory_order_relaxed),
			atomic_load_explicit(&nb_foreign, memory_order_relaxed));
		fflush(stdout);
	}
}

static bool
is_in(const struct range *ranges, int nb, uint32_t page)
{
	for (int i = 0; i < nb; i++) {
		if (page >= ranges[i].first && page <= ranges[i].last)
			return true;
	}
	return false;
}

static void
report_rest(const struct range *ranges, int nb)
{
	printf("touch: not begun:");
	for (uint32_t page = 0; page < nb_pages; page++) {
		if (is_in(ranges, nb, page) &&
			!atomic_load_explicit(&was_begun[page], memory_order_relaxed))
			printf(" %" PRIu32, page);
	}
	printf(" .\n");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct range ranges[MAX_THREADS];
	void *(*run)(void *);

	if (argc < 5 || argc > 4 + MAX_THREADS || !map_window(argv[1])) {
		fprintf(stderr, "window-touch: wrong arguments, or no window\n");
		return 2;
	}
	run = strcmp(argv[2], "scan") == 0 ? scan : read_once;
	pthread_barrier_init(&all_there, NULL, argc - 4);
	run_on(0);
	for (int i = 4; i < argc; i++) {
		if (!start(run, argv[i], &ranges[i - 4])) {
			fprintf(stderr, "window-touch: %s\n", argv[i]);
			return 2;
		}
	}
	if (run == scan) {
		report(strtoul(argv[3], NULL, 10));
		report_rest(ranges, argc - 4);
	} else {
		sleep(strtoul(argv[3], NULL, 10));
	}
	return atomic_load_explicit(&nb_foreign, memory_order_relaxed) != 0;
}
