#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# 100 000 packets of every kind for 64 VMs, by MTU 1500 and 9000: each VM gets the packets and bytes
# that the file holds for it, each drop has the right reason, and all adds up. The VMs' rings hold
# all that is for them, so nothing depends on how fast anybody is.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

# As many ports as a DPDK process has.
ports_each=32
nb_vms=64
nb_ups=0
ring=4096

# guests PREFIX FIRST: one testpmd that plays the VMs from number FIRST on.
guests() {
    local i vdevs=()

    for ((i = $2; i < $2 + ports_each; i++)); do
        vdevs+=(--vdev "net_virtio_user$i,path=$RUN_DIR/vm$i.sock,queue_size=$ring")
    done
    start "$1" dpdk-testpmd --lcores '0@0,1@1' --no-pci --no-huge -m 1024 --file-prefix "$1" \
        "${vdevs[@]}" -- --forward-mode=rxonly --rxd=$ring --total-num-mbufs=$(((ring + 64) * ports_each)) \
        --no-lsc-interrupt --stats-period 60
}

guests_are_ready() {
    local name

    for name in "$@"; do
        grep -q 'Port statistics' "$AIRLOCK_WORK/$name.log" 2>/dev/null || return 1
    done
    [ "$(grep -c 'vnic: vm[0-9]*: up' "$AIRLOCKD_LOG")" -eq $nb_ups ]
}

# check OPTION...
check() {
    /usr/bin/python3 "$here/check_counts.py" "$@" "$dir/expected.json" \
        "$(cut -d ' ' -f 1 "$AIRLOCK_WORK/feed$mtu.log")" "$AIRLOCKD_PREFIX" "${names[@]}"
}

for mtu in 1500 9000; do
    say "MTU $mtu"
    dir=$AIRLOCK_WORK/$mtu
    names=("guests$mtu-0" "guests$mtu-1")
    mkdir "$dir"
    /usr/bin/python3 "$here/make_pcap.py" "$dir" $mtu >"$dir/expected.json"
    mkfifo "$dir/fifo.pcap"
    start feed$mtu /usr/bin/python3 "$here/feed_pcap.py" "$dir/packets.pcap" "$dir/fifo.pcap" "$dir/go"
    feed_pid=$STARTED_PID
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci \
        --vdev "net_pcap0,rx_pcap=$dir/fifo.pcap" -- -c "$dir/airlock.conf"
    nb_ups=$((nb_ups + nb_vms))
    guests "${names[0]}" 0
    guests "${names[1]}" $ports_each
    wait_for 60 guests_are_ready "${names[@]}" || fail "the VMs are not there after 60 seconds"
    touch "$dir/go"
    wait_for 60 gone "$feed_pid" || fail "airlockd has not read all after 60 seconds"
    wait_for 10 check --received || fail "airlockd has not received all"
    # The last burst may still be on its way into a VM.
    wait_for 5 check >"$dir/wrong" || {
        cat "$dir/wrong"
        fail "not what the file holds"
    }
    stop_airlockd
    rm -r "$dir"
done
