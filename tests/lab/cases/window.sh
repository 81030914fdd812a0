#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What tests/smoke/window_qemu.sh shows with emulated VMs, under KVM, with real tables below those of
# the VM, and with packets that a card has written: DPDK guests get theirs by remap, a page that is
# not theirs stays dark, and one that scans its window sees nothing of others, until it is killed.
# --full: scans for 10 minutes, and goes on until every page was read or waited for; kills ten times.

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/smoke/lib_window_qemu.sh
. "$lab/../smoke/lib_window_qemu.sh"

receivers=(tst)
# Of the VMs: see together.sh. A program that reads a dark page waits, and the CPU runs others.
cpus=1
lcore_cpu=0
touch_cpus=(0 0 0)
mapfile -t ranges < <(seq -f '0:%g:1022' 0 73 1022)
scan_s=5
kills=2
if [ -n "${AIRLOCK_FULL:-}" ]; then
    scan_s=600
    every_page=yes
    kills=10
fi

send() {
    cp "$1" "$LAB_SHARE/"
    outside send "$LAB_SHARE/${1##*/}"
}

start_uplink() {
    start_on_card --copy-below 1000 --vm "name=web,mac=${mac[web]},deliver=remap" \
        --vm "name=aut,mac=${mac[aut]},deliver=auto" --vm "name=tst,mac=${mac[tst]},deliver=auto"
}

load_begin() {
    cp "$AIRLOCK_WORK/load.pcap" "$LAB_SHARE/"
    outside load_begin
}

load_pause() {
    outside load_signal STOP
}

load_go_on() {
    outside load_signal CONT
}

load_end() {
    outside load_signal KILL
}

# A guest's kernel tries whether it has performance counters.
allow_kernel '^kvm \[[0-9]+\]: vcpu[0-9]+, guest rIP: 0x[0-9a-f]+ Unhandled WRMSR\(0xc0010007\) = 0xffff$'
make_packets
packets_arrive
step "packets have arrived"
pages_stay_dark
step "pages have stayed dark"
kill_under_load
stop_airlockd
allow_lost_guest_log
