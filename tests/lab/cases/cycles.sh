#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A VM with a device (QEMU's edu) and a window comes and goes, behind a card that has no page which it
# has: it is added, its guest gets packets by remap, it goes in one of three ways, and all pages are
# back. Nothing is left in the kernel, which warns of nothing. --full: 100 times.

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/lib_window.sh
. "$lab/lib_window.sh"

win=52:54:00:00:00:01
card_options=dma=strict
rounds=3
[ -z "${AIRLOCK_FULL:-}" ] || rounds=100
iommus=(batched strict)

# Descriptors of VFIO that airlockd has.
nb_vfio() {
    find "/proc/$airlockd_pid/fd" -lname '*vfio*' | wc -l
}

has_no_window() {
    [ "$(ask '/airlock/vm,win window state' '/airlock/vm,win window held' | xargs)" = "down 0" ]
}

# leave ROUND: the guest is killed, or ends, or its VM is deleted under it.
leave() {
    case $(($1 % 3)) in
    0) kill -KILL "$guest" ;;
    1) stop_pid "$guest" || fail "the guest has ended with status $?" ;;
    2) ctl vm del win ;;
    esac
    if [ $(($1 % 3)) -ne 2 ]; then
        wait_for 10 has_no_window || fail "the guest has gone: $(ask '/airlock/vm,win window')"
        ctl vm del win
    fi
    kill -KILL "$guest" 2>/dev/null || true
    wait "$guest" 2>/dev/null || true
}

/usr/bin/python3 "$smoke/make_checked.py" "$LAB_SHARE/checked.pcap" $few 1514 $win
bind_vfio "$EDU" || fail "edu is not on vfio-pci"
# There have to be windows from the start.
start_on_card --copy-below 1000 --vm name=none,mac=52:54:00:00:00:02,deliver=remap
vfio=$(nb_vfio)
for ((round = 1; round <= rounds; round++)); do
    ctl vm add "name=win,mac=$win,deliver=remap,dma-device=$EDU,iommu=${iommus[round % 2]}"
    start_guest win
    guest=$STARTED_PID
    outside send "$LAB_SHARE/checked.pcap"
    wait_for 20 has_got win $few ||
        fail "round $round: sent $few: $(counted win packets missing bad foreign)"
    [ "$(ask '/airlock/vm,win window remapped_packets')" -gt 0 ] || fail "nothing was remapped"
    [ "$(ask '/airlock/vm,win window device')" = 1 ] || fail "win has no device"
    leave "$round"
    wait_for 10 at_rest || fail "round $round: not all is back: $(ask /airlock/balance /airlock/pages)"
    is_clean || fail "round $round: $(ask /airlock/pages/verify)"
    [ "$(nb_vfio)" -eq "$vfio" ] || fail "round $round: airlockd has $(nb_vfio) of VFIO open, not $vfio"
    step "round $round"
done
[ "$(ask '/airlock/pages cards errors' '/airlock/pages cards stuck' | xargs)" = "0 0" ] ||
    fail "the card: $(ask '/airlock/pages cards')"
stop_airlockd
allow_lost_guest_log
