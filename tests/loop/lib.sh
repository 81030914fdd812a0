# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What a loop test with processes of its own sources first: all of tests/smoke/lib.sh, and a wire.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../smoke/lib.sh"

# make_wire: host0 is one end, up0 the other, airlockd's; the kernel sends nothing of its own.
make_wire() {
    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
    ip link add host0 type veth peer name up0
    ip link set host0 arp off up
    ip link set up0 arp off up
}
