#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 3600
#
# VMs with windows in stock QEMU, by emulation: every packet arrives as it was sent, some of them in
# the page in which airlockd received them; a VM that touches a page that is not its own stalls,
# until a packet for it is there, and sees nothing else; a VM that scans its window never sees a byte
# of what other VMs get; and VMs that are killed under load leave no page behind.
#
#   tests/smoke/window_qemu.sh [--full | --scan | --kill]
#
# --scan: scans for 10 minutes instead of 10 seconds. --kill: kills 100 times instead of 3. --full, or
# AIRLOCK_FULL=1: both.
# A page that never holds a packet for the VM keeps the CPU that reads it; so pages that the scan has
# not come to are left to the VMs after it, until every page was read, or waited for.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib_qemu.sh
. "$here/lib_qemu.sh"
# shellcheck source=tests/smoke/lib_window_qemu.sh
. "$here/lib_window_qemu.sh"

what=${1:-${AIRLOCK_FULL:+--full}}
case $what in
'' | --full | --scan | --kill) ;;
*) fail "usage: tests/smoke/window_qemu.sh [--full | --scan | --kill]" ;;
esac
case $what in --full | --scan)
    scan_s=600
    cpus=8
    ranges=(2:0:1022 3:0:204 4:205:409 5:410:614 6:615:819 7:820:1022)
    ;;
esac
case $what in --full | --kill) kills=100 ;; esac

send() {
    /usr/bin/python3 "$here/send_pcap.py" host0 "$@"
}

start_uplink() {
    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    ip link add host0 type veth peer name up0
    ip link set up0 up
    ip link set host0 up
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_af_packet0,iface=up0,framecnt=8192 -- \
        --uplink port=0 --copy-below 1000 --vm "name=web,mac=${mac[web]},deliver=remap" \
        --vm "name=aut,mac=${mac[aut]},deliver=auto" --vm "name=tst,mac=${mac[tst]},deliver=auto" \
        --vm "name=one,mac=${mac[one]},deliver=auto" --vm "name=two,mac=${mac[two]},deliver=auto"
}

load_begin() {
    start load /usr/bin/python3 "$here/send_pcap.py" host0 "$AIRLOCK_WORK/load.pcap" \
        "$AIRLOCK_WORK/stop"
    load_pid=$STARTED_PID
}

load_pause() {
    kill -STOP "$load_pid"
}

load_go_on() {
    kill -CONT "$load_pid"
}

load_end() {
    touch "$AIRLOCK_WORK/stop"
    load_go_on
}

make_packets
packets_arrive
pages_stay_dark
kill_under_load
stop_airlockd
allow_lost_guest_log
