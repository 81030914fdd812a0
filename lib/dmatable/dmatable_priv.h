/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_DMATABLE_PRIV_H
#define AIRLOCK_DMATABLE_PRIV_H

/*
 * A table in itself. dmatable.c makes it and counts, map.c is the lcores' part; all other files are
 * the unmap thread's: thread.c (when is what looked at), agent.c (the socket), window.c (a window
 * comes and goes), unmap.c (requests and answers), device.c (the same for a device), quarantine.c,
 * stray.c. verify.c is control's.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_log.h>

#include <airlock_window_proto.h>

#include "airlock_dmatable.h"
#include "airlock_dmatable_driver.h"
#include "frames.h"

extern int dmatable_logtype;
#define DMATABLE_LOG(level, ...) \
	rte_log(RTE_LOG_##level, dmatable_logtype, "dmatable: " __VA_ARGS__)

/* End of a chain of frames. */
#define CHAIN_END UINT32_MAX
/* Strays on frames that are or become the VM's, to be looked at again: one a vCPU. */
#define MAX_RETRIES 256
/* UNMAP requests without an answer, at most. */
#define MAX_REQUESTS 32

/* Something that the unmap thread waits for. */
struct watch {
	void (*ready)(struct watch *watch, uint32_t events);
	void *arg;
	int fd; /* -1: none */
};

/* A window, from HELLO until its last frame is known to be dark. The unmap thread's. */
struct window {
	TAILQ_ENTRY(window) next; /* under the table's lock */
	const struct airlock_dmatable_ops *ops;
	void *space;
	struct airlock_page_table *pages;
	int pagemap_fd; /* -1: the VMM's page table may not be read */
	int pagemap_error;
	int pid;
	int process_fd; /* readable when no thread of it runs; -1: not to be known */
	uint32_t tag; /* under the table's lock */
	struct airlock_window_place place;
	struct frames lent; /* in quarantine: what may not be dark yet */
	bool stuck; /* the VM's device may have it still, whatever the VMM has */
};
TAILQ_HEAD(window_list, window);

/* An access that is looked at again. */
struct retry {
	uint64_t start_tsc;
	uint32_t page;
	bool logged; /* that it takes long */
};

/* The VM's device. */
struct device {
	/* Written when the table is made. */
	const struct airlock_dmatable_device_ops *ops; /* NULL: there is none */
	char name[AIRLOCK_DMATABLE_NAME_MAX];
	char path[AIRLOCK_DMATABLE_PATH_MAX];
	bool strict;
	void *space;

	/* The unmap thread writes; read by lcores. False: gone, or there never was one. */
	_Atomic bool present;

	/* The unmap thread's alone. */
	struct watch listener;
	struct watch request; /* that it be let go */
	struct frames held_back; /* dark to the VMM, but not to the device */
};

/* An UNMAP that has no answer yet. */
struct request {
	STAILQ_ENTRY(request) next;
	uint64_t sent_tsc;
	uint32_t nb_frames;
	bool sent;
	struct airlock_window_unmap msg; /* and its runs */
};
STAILQ_HEAD(request_list, request);

/* An lcore writes, anybody reads. */
struct queue_counters {
	_Atomic uint64_t taken; /* frames that map() was asked for */
	_Atomic uint64_t mapped;
	_Atomic uint64_t map_calls;
	_Atomic uint64_t map_tsc;
	_Atomic uint64_t map_errors;
} __rte_cache_aligned;

/* The unmap thread writes, anybody reads. */
struct thread_counters {
	_Atomic uint64_t returned; /* frames */
	_Atomic uint64_t unmapped;
	_Atomic uint64_t unmap_runs;
	_Atomic uint64_t unmap_requests;
	_Atomic uint64_t unmap_tsc;
	_Atomic uint64_t unmap_ns;
	_Atomic uint64_t nb_windows;
	_Atomic uint64_t refused;
	_Atomic uint64_t strays;
	_Atomic uint64_t resumed; /* frames */
	_Atomic uint32_t quarantined;
	_Atomic uint32_t waiting; /* frames to be unmapped by the window that is up */
	_Atomic uint32_t held_back; /* frames */
};

struct airlock_dmatable {
	/* Written when the table is made. */
	char name[AIRLOCK_DMATABLE_NAME_MAX];
	char path[AIRLOCK_DMATABLE_PATH_MAX];
	struct airlock_pool *pool;
	struct airlock_page_table *pages;
	const struct airlock_dmatable_ops *ops;
	_Atomic enum airlock_stray stray; /* control changes it, the unmap thread reads */
	airlock_dmatable_event_fn event;
	airlock_dmatable_resume_fn resume; /* NULL: never */
	void *arg;
	uint32_t *next_in_chain; /* nb_frames; of a frame in the chain: by who put it there */
	struct device device;

	/* Written by the unmap thread. */
	_Atomic(void *) space __rte_cache_aligned; /* read by lcores; NULL: the table is down */
	_Atomic uint32_t tag; /* read by lcores; 0 when no frame is the VM's */
	_Atomic int pid;

	/* Frames given to unmap(), the first one: put there by lcores and control, taken by the
	 * unmap thread.
	 */
	_Atomic uint32_t chain __rte_cache_aligned;

	struct queue_counters queues[AIRLOCK_DMATABLE_MAX_QUEUES];
	struct thread_counters counters __rte_cache_aligned;

	/* Taking frames back from the window, and which windows there are: unmap thread, control.
	 */
	pthread_mutex_t lock;
	struct window *window; /* the one that is up or being emptied */
	struct window_list quarantine;

	/* The unmap thread's alone. */
	TAILQ_ENTRY(airlock_dmatable) next;
	struct watch listener;
	struct watch agent; /* its connection */
	struct watch faults; /* the window's */
	int agent_pid;
	bool told; /* event was called with the window */
	struct frames pending; /* to be sent */
	struct request_list requests; /* sent, or about to be */
	uint32_t nb_requests;
	uint64_t last_id;
	bool socket_full;
	struct retry retries[MAX_RETRIES];
	uint32_t nb_retries;
	uint64_t stray_logged_tsc;
	uint64_t strays_unlogged;
	bool warned; /* that the kernel cannot poison */
	/* Control's. */
	bool started;
	bool in_thread;
};

/* thread.c: run *fn* in the unmap thread, and return what it returned. */
int thread_call(int (*fn)(struct airlock_dmatable *table), struct airlock_dmatable *table);
int thread_hold(void); /* start it if it does not run: 0 or -errno */
void thread_drop(void); /* undo one thread_hold(); the last one ends the thread */
int watch_add(struct watch *watch, uint32_t events);
void watch_change(struct watch *watch, uint32_t events);
void watch_forget(struct watch *watch); /* its descriptor is another's */
void watch_close(struct watch *watch); /* and its descriptor */

/* look.c */
int64_t look_now_ns(void);
void look_begin(void);
void look_add_table(struct airlock_dmatable *table);
/* What it has in quarantine is looked after further. */
void look_del_table(struct airlock_dmatable *table);
/* Look at what is due. Returns when something will be; INT64_MAX: never. */
int64_t look_at_due(void);
bool look_is_idle(void); /* no table, and nothing in quarantine */
/* Windows of tables that are no more, of this pool: drop them. Returns how many frames are left. */
uint32_t look_forget(const struct airlock_page_table *pages);

/* agent.c */
void agent_accept(struct watch *listener, uint32_t events);
void agent_close(struct airlock_dmatable *table);
void agent_write_header(const struct airlock_pool *pool);
int agent_send(struct airlock_dmatable *table, const void *msg, uint32_t bytes);
/* Say why, then close. */
void agent_refuse(struct airlock_dmatable *table, const char *format, ...)
	__rte_format_printf(2, 3);

/* window.c */
/* Takes the descriptor in any case. False: the agent was refused, and its connection closed. */
bool window_up(struct airlock_dmatable *table, const struct airlock_window_hello *hello, int fd);
/* Nobody maps any more: the lcores are out of it, all frames are on their way back. */
void window_down(struct airlock_dmatable *table);
/* The connection has ended: all that is not known to be dark goes into quarantine. */
void window_lost(struct airlock_dmatable *table);
/* LEASED, RELEASED -> UNMAPPING of one frame. Under the table's lock. False: not the tag's. */
bool window_take_back(struct airlock_page_table *pages, uint32_t frame, uint32_t tag);
void window_free(struct window *window);
/* The frame that holds the pool's header, or UINT32_MAX. */
uint32_t window_header_frame(const struct airlock_dmatable *table);

/* dmatable.c: a listening socket; the descriptor or -errno. */
int socket_listen(const char *path);

/* device.c */
int device_init(struct device *device, const struct airlock_dmatable_conf *conf, void *arg);
void device_fini(struct device *device);
/* Listen, if there is a device. 0 or -errno. Main thread, then the unmap thread. */
int device_listen(struct device *device);
int device_watch(struct device *device);
void device_unwatch(struct device *device);
/* There is one, and it was not let go. Any thread. */
bool device_is_present(const struct airlock_dmatable *table);
/* Runs that it has; of the others none is to be mapped elsewhere. An lcore, or the unmap thread. */
uint16_t device_map(
	struct airlock_dmatable *table, const struct airlock_run *runs, uint16_t n, int *error);
/* A run is about to be taken from the VMM. */
void device_take(struct airlock_dmatable *table, const struct airlock_run *run);
/* A run is dark to the VMM: give back what is dark to the device too. */
void device_finish(struct airlock_dmatable *table, const struct airlock_run *run);
/* Nobody maps any more: have all dark to it. False: it cannot be. */
bool device_down(struct airlock_dmatable *table);
/* Forget what is held back; the frames stay UNMAPPING. */
void device_forget(struct airlock_dmatable *table);

/* unmap.c */
/* Take over what lcores gave, and ask the agent. True: there was something. */
bool unmap_look(struct airlock_dmatable *table);
/* 0, or -EPROTO: not the answer that is due, or one that says that it did not work. */
int unmap_answer(struct airlock_dmatable *table, const struct airlock_window_unmapped *answer);
/* The socket has room again. */
void unmap_resume(struct airlock_dmatable *table);
/* Forget all requests; the frames stay UNMAPPING. */
void unmap_forget(struct airlock_dmatable *table);
/* UNMAPPING -> FREE. Returns how many frames. */
uint32_t unmap_give_back(struct airlock_page_table *pages, const struct airlock_run *run);

/* quarantine.c */
/* Release what is dark now; free windows that have nothing left. Returns frames released. */
uint32_t quarantine_look(struct window_list *windows);
/* For a table, which counts. *confirmed_pid*: this process says that all is dark; or 0. */
void quarantine_look_table(struct airlock_dmatable *table, int confirmed_pid);

/* stray.c */
void stray_ready(struct watch *faults, uint32_t events);
/* Look again at those that may have been resolved. True: something came of it. */
bool stray_look(struct airlock_dmatable *table);

#endif /* AIRLOCK_DMATABLE_PRIV_H */
