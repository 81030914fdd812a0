#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A VM sends to another as fast as it can. Without a limit far more passes than the limits below;
# rx-rate of the one and tx-rate of the other hold within 2 %, with long packets and with short
# ones, with one queue and with two; set at run time, and gone when they are taken away.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

# The sender may lose the CPU for some time; a burst of two seconds makes up for that.
limit=100000000
burst=25000000

# guest NAME MODE QUEUES BYTES
guest() {
    start "$1$4" dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix "$1$4" \
        --vdev "net_virtio_user0,path=$RUN_DIR/$1.sock,queues=$3,queue_size=1024,mac=${mac[$1]}" \
        -- --forward-mode="$2" --rxq="$3" --txq="$3" --rxd=1024 --txd=1024 --txpkts="$4" \
        --eth-peer="0,${mac[takes]}" --total-num-mbufs=8192 --no-lsc-interrupt --stats-period 60
    guests+=("$STARTED_PID")
}

# rate BYTES [LIMITED rx|tx]: what finds its way to the ring of the one that takes.
rate() {
    /usr/bin/python3 -B "$here/rate.py" "$RUN_DIR/control.sock" takes "$@"
}

is_unlimited() {
    found=$(rate "$1") && [ "$found" -gt $((limit * 2)) ]
}

# A machine that does much else may have no time for so many packets at once.
unlimited() {
    wait_for 60 is_unlimited "$1" || fail "without a limit, $2: $found bits a second"
}

declare -A mac=([takes]=52:54:00:00:00:01 [sends]=52:54:00:00:00:02)
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci -- \
    --vm name=takes,mac="${mac[takes]}",mode=server,queues=2 \
    --vm name=sends,mac="${mac[sends]}",mode=server,queues=2,antispoof=off
allow_lost_guest_log
queues=1
for bytes in 1514 256; do
    guests=()
    guest takes rxonly $queues $bytes
    guest sends txonly $queues $bytes
    traffic_flows "with packets of $bytes bytes" takes
    unlimited $bytes "at first"
    ctl vm set takes rx-rate=100M,rx-burst=$burst
    rate $bytes takes rx
    ctl vm set takes rx-rate=0
    ctl vm set sends tx-rate=$limit,tx-burst=$burst
    rate $bytes sends tx
    ctl vm set sends tx-rate=0
    unlimited $bytes "at last"
    for pid in "${guests[@]}"; do
        stop_pid "$pid" || true
    done
    queues=2
done
for where in "takes rx_drops" "sends tx_drops"; do
    # shellcheck disable=SC2086
    set -- $where
    [ "$(telemetry "/airlock/vm,$1" "$2" rate)" -gt 0 ] || fail "nothing is dropped as rate: $where"
done
stop_airlockd
