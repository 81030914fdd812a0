/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef CONFIG_PRIV_H
#define CONFIG_PRIV_H

/**
 * @file
 * What the parts of the configuration share: the table of keys, and the draft that file and flags
 * fill in before it is checked as a whole.
 *
 * Thread rule: main thread only.
 */

#include <stddef.h>

#include <rte_cfgfile.h>
#include <rte_common.h>

#include "airlock_config.h"

/** What *mirror* says where there is none. */
#define CONFIG_NO_MIRROR "none"

/** Room for the names of all keys of a scope. */
#define CONFIG_NAMES_MAX 256

/** Bytes of a line of the file: rte_cfgfile's buffer without newline and terminating zero. */
#define CONFIG_LINE_MAX (CFG_NAME_LEN + CFG_VALUE_LEN + 4 - 2)

/** What may stand between two stages of a line of [lcores]. */
#define CONFIG_STAGE_SEPARATORS " \t,"

/** Where a key may stand. */
enum config_scope {
	CONFIG_SCOPE_AIRLOCK, /**< a flag of its own, and in [airlock] */
	CONFIG_SCOPE_UPLINK, /**< in --uplink, and in [uplink PORT] */
	CONFIG_SCOPE_VM, /**< in --vm, and in [vm NAME] */
	CONFIG_SCOPE_FLAG, /**< a flag only */
};

/** How the text of a value is read, and what it is stored as. */
enum config_type {
	CONFIG_NUMBER, /**< uint16_t or uint32_t, from min to max */
	CONFIG_CHOICE, /**< bool or an enumeration: the number of the word in words[] */
	CONFIG_PERMISSIONS, /**< uint16_t, octal, from min to max */
	CONFIG_BYTES, /**< uint32_t, from min to max, or a word: UINT32_MAX less its number */
	CONFIG_AMOUNT, /**< uint64_t, 0 or from min to max; may end in K, M, G or T */
	CONFIG_MAC, /**< struct rte_ether_addr */
	CONFIG_NAME, /**< char[AIRLOCK_NAME_MAX] */
	CONFIG_PATH, /**< char[size] */
	CONFIG_ADDRESS, /**< struct sockaddr_storage; all zeroes: off */
	CONFIG_PCI, /**< char[20]: a PCI address, with its domain */
	CONFIG_LIST, /**< key=value,... for an uplink or a VM; stored by its keys */
	CONFIG_SWITCH, /**< no value; bool */
};

/** Every key and flag. */
enum config_key_id {
	CONFIG_KEY_FILE,
	CONFIG_KEY_RUN_DIR,
	CONFIG_KEY_POOL_PAGES,
	CONFIG_KEY_POOL_FILE,
	CONFIG_KEY_CONTROL,
	CONFIG_KEY_CONTROL_OWNER,
	CONFIG_KEY_CONTROL_GROUP,
	CONFIG_KEY_CONTROL_MODE,
	CONFIG_KEY_SOCKET_OWNER,
	CONFIG_KEY_SOCKET_GROUP,
	CONFIG_KEY_SOCKET_MODE,
	CONFIG_KEY_METRICS,
	CONFIG_KEY_STATS,
	CONFIG_KEY_RETRIES,
	CONFIG_KEY_COPY_BELOW,
	CONFIG_KEY_IDLE,
	CONFIG_KEY_IDLE_PAUSE,
	CONFIG_KEY_IDLE_SLEEP,
	CONFIG_KEY_IDLE_WAIT,
	CONFIG_KEY_CHECK,
	CONFIG_KEY_HELP,
	CONFIG_KEY_VERSION,
	CONFIG_KEY_UPLINK,
	CONFIG_KEY_UPLINK_PORT,
	CONFIG_KEY_UPLINK_QUEUES,
	CONFIG_KEY_UPLINK_MTU,
	CONFIG_KEY_UPLINK_DESC,
	CONFIG_KEY_UPLINK_STORM,
	CONFIG_KEY_UPLINK_DMA,
	CONFIG_KEY_VM,
	CONFIG_KEY_VM_NAME,
	CONFIG_KEY_VM_MAC,
	CONFIG_KEY_VM_SOCKET,
	CONFIG_KEY_VM_MODE,
	CONFIG_KEY_VM_QUEUES,
	CONFIG_KEY_VM_VLAN,
	CONFIG_KEY_VM_UPLINK,
	CONFIG_KEY_VM_ANTISPOOF,
	CONFIG_KEY_VM_STORM,
	CONFIG_KEY_VM_RX_RATE,
	CONFIG_KEY_VM_RX_BURST,
	CONFIG_KEY_VM_TX_RATE,
	CONFIG_KEY_VM_TX_BURST,
	CONFIG_KEY_VM_MIRROR,
	CONFIG_KEY_VM_MIRROR_DIRECTION,
	CONFIG_KEY_VM_DELIVER,
	CONFIG_KEY_VM_QUOTA,
	CONFIG_KEY_VM_STRAY,
	CONFIG_KEY_VM_DEVICE,
	CONFIG_KEY_VM_IOMMU,
	CONFIG_KEY_MAX,
};

/**
 * Give a running VM of the pipeline a changed value.
 *
 * @param vm  all of the VM as it is to be
 * @return 0, or -errno with the pipeline's VM unchanged
 */
typedef int (*config_change_fn)(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm);

/** One key: how it is read, where it is stored, what the help text says of it. */
struct config_key {
	const char *name; /**< in the file and in a list */
	const char *flag; /**< as typed; NULL: not a flag of its own */
	enum config_scope scope;
	enum config_type type;
	bool identity; /**< names the entry; in the file it stands in the section's head */
	bool required;
	uint64_t min; /**< numbers */
	uint64_t max;
	const char *words[4]; /**< choices, NULL behind the last */
	size_t offset; /**< of the value in the scope's structure */
	size_t size; /**< of the value */
	const char *initial; /**< default, as a user would write it; NULL: see initial_note */
	const char *initial_note; /**< default that is known only in the end */
	/** Of a VM: may change at run time, by this; keys that are one change have the same. */
	config_change_fn change;
	const char *arg; /**< placeholder of the value */
	const char *help;
};

extern const struct config_key config_keys[CONFIG_KEY_MAX];

/** Where a value stood; all zeroes: nowhere, it is the default. */
struct config_where {
	const char *flag; /**< not NULL: this flag */
	unsigned int line; /**< else, not 0: this line of the file */
};

/** Where each key of one entry, and the entry itself, was given. */
struct config_marks {
	struct config_where key[CONFIG_KEY_MAX];
	struct config_where file; /**< the entry's section */
	struct config_where flag; /**< the entry's flag */
};

/** A line of [lcores], kept until uplinks and VMs are known. */
struct config_lcore_line {
	unsigned int lcore_id;
	struct config_where where;
	char value[CFG_VALUE_LEN];
};

/** One flag of the command line. */
struct config_use {
	enum config_key_id id;
	const char *text; /**< value; NULL: none */
};

/** Everything known while file and flags are being read. */
struct config_draft {
	struct airlock_config *config; /**< vms[] has room for AIRLOCK_MAX_VMS */
	char *error; /**< AIRLOCK_ERROR_MAX bytes */
	struct config_marks marks; /**< of the keys of [airlock] */
	struct config_marks uplinks[AIRLOCK_MAX_UPLINKS];
	struct config_marks *vms; /**< AIRLOCK_MAX_VMS of them */
	struct config_where lcores;
	unsigned int nb_lcore_lines;
	struct config_lcore_line lcore_lines[RTE_MAX_LCORE];
	unsigned int nb_uses;
	struct config_use *uses;
};

/** A key and its value in a list such as "name=web,queues=2". */
struct config_pair {
	char *key;
	char *value;
};

/* config_keys.c */

/**
 * Find a key by name.
 *
 * @return index into config_keys[], or CONFIG_KEY_MAX
 */
enum config_key_id config_key_find(enum config_scope scope, const char *name);

/* config_help.c */

/** Describe what a key expects: "a number from 1 to 16". */
const char *config_key_expected(const struct config_key *key, char *text, size_t size);

/** List the names of the keys that a section of *scope* may have: "mac, socket, mode". */
const char *config_key_names(enum config_scope scope, bool with_identity, char *text, size_t size);

/** List the names of a VM's keys that may change at run time. */
const char *config_key_changeable(char *text, size_t size);

/* config_change.c */

int config_change_net(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm);
int config_change_limits(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm);
int config_change_mirror(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm);
int config_change_deliver(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm);
int config_change_quota(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm);
int config_change_stray(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_config_vm *vm);

/* config_values.c */

/**
 * Read a number of decimal digits only.
 *
 * @return 0, or -EINVAL: not a number, or not from min to max
 */
int config_number(const char *text, uint32_t min, uint32_t max, uint32_t *value);

/**
 * Read *text* as *key* says and store it into *object*, the structure of the key's scope.
 *
 * @return 0, or -EINVAL with *object* unchanged
 */
int config_value_store(const struct config_key *key, void *object, const char *text);

/**
 * Cut "a=1,b=2" in place into pairs; a part without '=' has a NULL value.
 *
 * @return how many, or -E2BIG: more than *max*
 */
int config_list_cut(char *text, struct config_pair *pairs, unsigned int max);

/* config.c */

/**
 * Write the one line of error: where, then the formatted text, control characters replaced.
 *
 * @return -EINVAL
 */
int config_fail(struct config_draft *draft, struct config_where where, const char *format, ...)
	__rte_format_printf(3, 4);

/** Put *where* into words: "airlock.conf:12", "--vm" or "default". */
const char *config_where_text(
	const struct config_draft *draft, struct config_where where, struct airlock_origin *origin);

/** Store the value of a key given at *where*; an error if the same source gave it before. */
int config_set(struct config_draft *draft, enum config_key_id id, void *object,
	struct config_marks *marks, struct config_where where, const char *text);

/**
 * Get the uplink of a port for new keys: a new one with defaults, or the file's for a flag.
 *
 * @return index, or -EINVAL
 */
int config_open_uplink(struct config_draft *draft, const char *port, struct config_where where);

/**
 * Get the VM of a name for new keys: a new one with defaults, or the file's for a flag.
 *
 * @return index, or -EINVAL
 */
int config_open_vm(struct config_draft *draft, const char *name, struct config_where where);

/** A draft of a configuration whose vms[] is there; NULL: out of memory. */
struct config_draft *config_draft_create(
	struct airlock_config *config, unsigned int nb_uses, char *error);

/** Free a draft, not its configuration. NULL is ignored. */
void config_draft_destroy(struct config_draft *draft);

/* config_vm.c */

/** The pair of a key, or NULL. */
const struct airlock_config_pair *config_find_pair(
	const struct airlock_config_pair *pairs, unsigned int nb_pairs, const char *key);

/** Fail if a key is none of a VM's. @return 0, or -EINVAL */
int config_check_keys(struct config_draft *draft, struct config_where where,
	const struct airlock_config_pair *pairs, unsigned int nb_pairs);

/** Where a VM is in the network. */
struct airlock_pipeline_vm_net config_vm_net(const struct airlock_config_vm *vm);

/* config_options.c */

/** Sort the command line into draft->uses; reads no value yet. */
enum airlock_config_verdict config_options_collect(
	struct config_draft *draft, int argc, char **argv);

/** Set the keys of draft->uses. */
int config_options_apply(struct config_draft *draft);

/* config_scan.c */

/** The lines of the file on which sections and keys stand, in file order. */
struct config_scan {
	struct config_draft *draft;
	unsigned int *lines;
	unsigned int nb_lines;
	unsigned int nb_sections;
	unsigned int at; /**< line being scanned; then, for config_file.c, the next of lines[] */
};

/**
 * Read a file of at most 1 MiB.
 *
 * @param text  to be freed
 * @return 0; -EFBIG, -ENOMEM, or what the system said
 */
int config_read_text(const char *path, char **text, size_t *len);

/** Read config->file into config->text and scan it; in any case config_scan_fini() follows. */
int config_scan_file(struct config_scan *scan);

void config_scan_fini(struct config_scan *scan);

/** Fail for the file as a whole, which is an error of -c. */
int config_fail_file(struct config_draft *draft, const char *found, const char *expected);

/** Cut blanks off both ends, in place. */
char *config_trim(char *text);

/* config_text.c */

/** What *object* has for *key*, as a user would write it; empty for a list or a switch. */
const char *config_value_text(
	const struct config_key *key, const void *object, char *text, size_t size);

/** The one text of all that mean the same: "1000" for "1K". @return 0; -EINVAL: no value */
int config_text_canonical(const struct config_key *key, const char *given, char *text, size_t size);

/** What an object of the configuration has for a key, as the file would have it. */
const char *config_text(const struct airlock_config *config, enum config_key_id id,
	const void *object, char *text, size_t size);

/** Whether a file without the key gives the object the same value. */
bool config_is_default(
	const struct airlock_config *config, enum config_key_id id, const void *object);

/* config_merge.c */

/** What is to be in the file. @return *len* bytes, to be freed; NULL: out of memory */
char *config_merge(const struct airlock_config *config, size_t *len);

/* config_file.c */

/** Read config->file into the draft. */
int config_file_read(struct config_draft *draft);

/* config_lcores.c */

/** Turn the lines of [lcores] into config->stages, once uplinks and VMs are complete. */
int config_lcores_apply(struct config_draft *draft);

/** Whether the object and the queue that a stage such as "tx:web.1" names are there. */
bool config_lcores_has(const struct airlock_config *config, const char *stage);

/** What an lcore runs, as its line has it: "rx tx:web.1"; empty: nothing. To be freed. */
char *config_lcores_text(const struct airlock_config *config, unsigned int lcore_id);

/* config_check.c */

/** Whether anybody said something there. */
bool config_is_set(struct config_where where);

/** Where the VM's key was given; where the VM was, if it was not. */
struct config_where config_where_of(
	const struct config_draft *draft, uint16_t vm_idx, enum config_key_id id);

/** Fill in the defaults that depend on other values, and check what no single value shows. */
int config_check(struct config_draft *draft);

/** The same for one VM whose keys are set, beside all before it, which are complete. */
int config_check_vm(struct config_draft *draft, uint16_t vm_idx);

/** The same for one VM that was complete, and of which keys are set anew, beside all others. */
int config_check_change(struct config_draft *draft, uint16_t vm_idx);

/** Descriptors of a port's queue, where nobody says. */
uint16_t config_default_desc(const struct airlock_config *config);

/* config_unique.c */

/** Check that a complete VM has no address, device or socket of the first *nb_others* VMs. */
int config_unique(struct config_draft *draft, uint16_t vm_idx, uint16_t nb_others);

#endif /* CONFIG_PRIV_H */
