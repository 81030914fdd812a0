#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# asan
#
# A guest is told of packets where it asks for that, and never else; kicks.py is the guest.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/loop/lib.sh
. "$here/lib.sh"

declare -A mac=([event-idx]=52:54:00:00:00:01 [flags]=52:54:00:00:00:02)

make_wire
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_af_packet0,iface=up0 -- \
    --uplink port=0 --vm "name=event-idx,mac=${mac[event-idx]},mode=server" \
    --vm "name=flags,mac=${mac[flags]},mode=server"
for name in event-idx flags; do
    say "$name"
    /usr/bin/python3 "$here/kicks.py" $name "$RUN_DIR/$name.sock" host0 "${mac[$name]}"
done
stop_airlockd
allow_lost_guest_log
