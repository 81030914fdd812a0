#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# 1000 VMs in the configuration file, of which 3 ever connect: airlockd starts, gives those their
# packets and drops those for the others, telemetry lists all, and it stops with nothing left.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

nb_vms=1000
connected=(0 499 999)
absent=500
packets_each=500
conf=$AIRLOCK_WORK/airlock.conf

mac() {
    printf '52:54:00:00:%02x:%02x' $(($1 >> 8)) $(($1 & 255))
}

# The names by all pages, and no page with more than telemetry takes.
names() {
    local next=0

    while [ "$next" -ge 0 ]; do
        telemetry "/airlock/vms,$next" names | tr -d '[]", ' | sed 's/vm/\nvm/g' | grep vm
        next=$(telemetry "/airlock/vms,$next" next)
    done
}

all_delivered() {
    local i

    for i in "${connected[@]}"; do
        [ "$(telemetry "/airlock/vm,vm$i" delivered_packets)" = $packets_each ] || return 1
    done
    [ "$(telemetry "/airlock/vm,vm$absent" rx_drops vm_down)" = $packets_each ]
}

{
    printf '[uplink 0]\n'
    for ((i = 0; i < nb_vms; i++)); do
        printf '[vm vm%d]\nmac = %s\n' $i "$(mac $i)"
    done
} >"$conf"
kinds=() vdevs=()
for i in "${connected[@]}" $absent; do
    kinds+=("$(mac "$i"),02:a0:00:00:00:01,100")
done
for i in "${connected[@]}"; do
    vdevs+=(--vdev "net_virtio_user$i,path=$RUN_DIR/vm$i.sock,server=1,queue_size=1024")
done
/usr/bin/python3 "$here/write_pcap.py" "$AIRLOCK_WORK/packets.pcap" $((4 * packets_each)) "${kinds[@]}"
mkfifo "$AIRLOCK_WORK/fifo.pcap"
start feed /usr/bin/python3 "$here/feed_pcap.py" "$AIRLOCK_WORK/packets.pcap" \
    "$AIRLOCK_WORK/fifo.pcap" "$AIRLOCK_WORK/go"

begin=$SECONDS
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci \
    --vdev "net_pcap0,rx_pcap=$AIRLOCK_WORK/fifo.pcap" -- -c "$conf"
say "started in $((SECONDS - begin)) s"
start guests dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix guests \
    "${vdevs[@]}" -- --forward-mode=rxonly --rxd=1024 --total-num-mbufs=8192 --no-lsc-interrupt \
    --stats-period 60
wait_for 60 grep -q 'Port statistics' "$AIRLOCK_WORK/guests.log" 2>/dev/null || fail "the VMs do not connect"
[ "$(grep -c 'vnic: vm[0-9]*: up' "$AIRLOCKD_LOG")" -eq ${#connected[@]} ] ||
    fail "not ${#connected[@]} VMs are up"
touch "$AIRLOCK_WORK/go"
wait_for 20 all_delivered || fail "not every VM has what is for it"

names >"$AIRLOCK_WORK/names"
for ((i = 0; i < nb_vms; i++)); do echo vm$i; done | cmp -s - "$AIRLOCK_WORK/names" ||
    fail "telemetry lists $(wc -l <"$AIRLOCK_WORK/names") VMs, or in another order"
[ "$(telemetry /airlock/balance balanced)" = yes ] || fail "packets do not add up"

begin=$SECONDS
stop_airlockd
say "stopped in $((SECONDS - begin)) s"
left=$(find "$RUN_DIR" -mindepth 1 ! -name 'vm*.sock')
[ -z "$left" ] || fail "left behind: $left"
