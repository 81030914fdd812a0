/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A capture's filter: libpcap compiles the text, and lcores run the program by libpcap's own
 * interpreter, which takes no lock and no memory. rte_bpf_convert() of DPDK would make machine code
 * of it, but gets loads at an index wrong, and so every filter that looks behind an IP header: it
 * has them use register A in place of X.
 *
 * libpcap looks up names of hosts while it compiles: the caller waits for the resolver.
 *
 * Thread rule: control.
 */

#include <errno.h>
#include <stdio.h>

#include "capture_priv.h"

int
capture_filter_compile(struct bpf_program *program, const char *filter, char *error)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, AIRLOCK_CAPTURE_SNAPLEN_MAX);
	int ret = -1;

	if (pcap != NULL)
		ret = pcap_compile(pcap, program, filter, 1, PCAP_NETMASK_UNKNOWN);
	if (ret < 0) {
		snprintf(error, AIRLOCK_CAPTURE_ERROR_MAX, "filter '%.200s': %.200s", filter,
			pcap != NULL ? pcap_geterr(pcap) : "out of memory");
		program->bf_insns = NULL;
		ret = -EINVAL;
	}
	if (pcap != NULL)
		pcap_close(pcap);
	return ret;
}
