/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Names of the feature bits of a vhost-user network device: virtio 1.2, sections 5.1.3 and 6, and
 * the two bits that vhost has of its own.
 *
 * Thread rule: any thread.
 */

#include "show.h"

#define NAMES_BYTES 72

static const char *const names[64] = {
	[0] = "csum",
	[1] = "guest_csum",
	[2] = "ctrl_guest_offloads",
	[3] = "mtu",
	[5] = "mac",
	[7] = "guest_tso4",
	[8] = "guest_tso6",
	[9] = "guest_ecn",
	[10] = "guest_ufo",
	[11] = "host_tso4",
	[12] = "host_tso6",
	[13] = "host_ecn",
	[14] = "host_ufo",
	[15] = "mrg_rxbuf",
	[16] = "status",
	[17] = "ctrl_vq",
	[18] = "ctrl_rx",
	[19] = "ctrl_vlan",
	[20] = "ctrl_rx_extra",
	[21] = "guest_announce",
	[22] = "mq",
	[23] = "ctrl_mac_addr",
	[24] = "notify_on_empty",
	[26] = "vhost_log_all",
	[27] = "any_layout",
	[28] = "indirect_desc",
	[29] = "event_idx",
	[30] = "vhost_protocol_features",
	[32] = "version_1",
	[33] = "access_platform",
	[34] = "ring_packed",
	[35] = "in_order",
	[36] = "order_platform",
	[37] = "sr_iov",
	[38] = "notification_data",
	[40] = "ring_reset",
	[52] = "vq_notf_coal",
	[53] = "notf_coal",
	[54] = "guest_uso4",
	[55] = "guest_uso6",
	[56] = "host_uso",
	[57] = "hash_report",
	[59] = "guest_hdrlen",
	[60] = "rss",
	[61] = "rsc_ext",
	[62] = "standby",
	[63] = "speed_duplex",
};

void
show_features(FILE *out, uint64_t features)
{
	int column = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		if ((features >> bit & 1) == 0)
			continue;
		if (column == 0 || column > NAMES_BYTES)
			column = fprintf(out, "%s  ", column == 0 ? "" : "\n");
		if (names[bit] != NULL)
			column += fprintf(out, " %s", names[bit]);
		else
			column += fprintf(out, " bit_%u", bit);
	}
	if (column != 0)
		fputc('\n', out);
}
