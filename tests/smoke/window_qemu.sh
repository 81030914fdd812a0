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
# shellcheck source=tests/smoke/lib_window_load.sh
. "$here/lib_window_load.sh"

what=${1:-${AIRLOCK_FULL:+--full}}
case $what in
'' | --full | --scan | --kill) ;;
*) fail "usage: tests/smoke/window_qemu.sh [--full | --scan | --kill]" ;;
esac
case $what in --full | --scan)
    scan_s=600
    every_page=yes
    cpus=8
    ranges=(2:0:1022 3:0:204 4:205:409 5:410:614 6:615:819 7:820:1022)
    ;;
esac
case $what in --full | --kill) kills=100 ;; esac

make_packets
packets_arrive
pages_stay_dark
kill_under_load
stop_airlockd
allow_lost_guest_log
