#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A VM with a device (QEMU's edu) gets packets by remap. The device, driven by the descriptor that
# airlockd gives away, reaches the pages that the VM sees, and of all others none: not those of
# another VM, not free ones, not those that were given back a moment ago. When the VM is deleted it
# reaches nothing any more, whoever has the descriptor. --full: every page is tried.

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/lab/lib_window.sh
. "$lab/lib_window.sh"

win=52:54:00:00:00:01
oth=52:54:00:00:00:02
header=1023

# send_few SENT: to each; they have sent so many now.
send_few() {
    outside send "$LAB_SHARE/checked.pcap"
    wait_for 20 has_got win "$1" || fail "win: sent $1: $(counted win packets missing bad foreign)"
}

# pages_of PID: those that a guest sees, but for the header.
pages_of() {
    "$smoke/fake_window.py" pages "$1" "$RUN_DIR/pool" | grep -v -x "$header"
}

# without LIST PAGE...: these pages, but for those in the list, which is one a line.
without() {
    printf '%s\n' "${@:2}" | grep -v -x -F -f <(printf '%s\n' "$1")
}

take_device() {
    coproc device { exec "$lab/edu.py" "$RUN_DIR/win.device" "$RUN_DIR/pool" 2>>"$AIRLOCK_WORK/edu.log"; }
    read -r answer <&"${device[0]}" || fail "the device cannot be had"
    [ "$answer" = "$EDU" ] || fail "the device is called $answer"
}

release_device() {
    # shellcheck disable=SC2154
    local pid=$device_PID

    eval "exec ${device[1]}>&-"
    wait "$pid" || fail "edu.py has ended with status $?"
}

# edu COMMAND PAGE...: edu.py's answer is in answer.
edu() {
    printf '%s\n' "$*" >&"${device[1]}"
    read -r answer <&"${device[0]}" || fail "edu.py has ended"
}

# copies FROM TO ANSWER: what edu answers. The kernel's log takes three faults in five seconds.
copies() {
    [ "$3" = copied ] || sleep 2.5
    edu copy "$1" "$2"
    [ "$answer" = "$3" ] || fail "page $2, to which $1 was copied, is $answer, not $3"
}

# refused Read|Write PAGE: the kernel says so.
refused() {
    kernel_log | grep -q "DMAR: \[DMA $1.* fault addr $(printf '0x%x' $(($2 * 4096))) "
}

# cannot_read PAGE OWN WHAT, cannot_write PAGE OWN WHAT: OWN is one that it can.
cannot_read() {
    copies "$1" "$2" changed
    wait_for 5 refused Read "$1" || fail "page $1, which is $3, was read without a fault"
}

cannot_write() {
    copies "$2" "$1" unchanged
    wait_for 5 refused Write "$1" || fail "page $1, which is $3, was written to without a fault"
}

# reaches_what_is_seen OWN PAGE...: of these pages, those that the VM sees, before and afterwards.
reaches_what_is_seen() {
    local seen now

    seen=$(pages_of "$win_pid")
    edu reach "$@"
    now=$(pages_of "$win_pid")
    # Those that were given back are taken away a little later.
    [ "$seen" = "$now" ] || return 1
    seen=$(printf '%s\n' "${@:2}" | grep -x -F -f <(printf '%s\n' "$seen") | xargs)
    [ "$answer" = "$seen" ] || fail "the device reaches $answer, and its VM $seen"
}

allow_kernel 'DMAR: (DRHD: handling fault status|\[DMA (Read|Write).*fault addr)'
allow_kernel 'dmar_fault: [0-9]+ callbacks suppressed'
/usr/bin/python3 "$smoke/make_checked.py" "$LAB_SHARE/checked.pcap" $few 1514 $win $oth
bind_vfio "$EDU" || fail "edu is not on vfio-pci"
start_on_card --copy-below 1000 \
    --vm "name=win,mac=$win,deliver=remap,dma-device=$EDU,iommu=strict" \
    --vm "name=oth,mac=$oth,deliver=remap"
[ "$(ask '/airlock/vm,win window device')" = 1 ] || fail "win has no device"
start_guest win --keep $kept
win_pid=$STARTED_PID
start_guest oth --hold 50
oth_pid=$STARTED_PID
step "all is up"
take_device
send_few $few
wait_for 20 has_got oth $few || fail "oth: sent $few: $(counted oth packets missing bad foreign)"
say "$(ask '/airlock/vm,win window remapped_packets') remapped to win," \
    "$(ask '/airlock/vm,oth window remapped_packets') to oth"

mapfile -t mine < <(pages_of "$win_pid")
mapfile -t theirs < <(pages_of "$oth_pid")
[ "${#mine[@]}" -gt 2 ] || fail "win sees no pages"
[ "${#theirs[@]}" -gt 2 ] || fail "oth sees no pages"
mapfile -t nobodys < <(without "$(printf '%s\n' "${mine[@]}" "${theirs[@]}" $header)" {0..1022})
if [ -n "${AIRLOCK_FULL:-}" ]; then
    tried=({0..1023})
else
    mapfile -t tried < <(shuf -n 10 -e "${mine[@]}" && shuf -n 10 -e "${theirs[@]}" &&
        shuf -n 10 -e "${nobodys[@]}" && echo $header)
fi
# What win holds is among the last that came.
own=$(pages_of "$win_pid" | tail -n 1)
wait_for 60 reaches_what_is_seen "$own" "${tried[@]}" || fail "win gives pages back for ever"
step "of ${#tried[@]} pages the device reaches those that its VM sees"

mapfile -t mine < <(pages_of "$win_pid")
copies "${mine[0]}" "${mine[1]}" copied
# The kernel says now how many faults it has not told of.
sleep 6
cannot_read "${theirs[0]}" "${mine[0]}" "another VM's"
cannot_write "${theirs[0]}" "${mine[0]}" "another VM's"
cannot_read "${nobodys[0]}" "${mine[0]}" "nobody's"
cannot_write "${nobodys[0]}" "${mine[0]}" "nobody's"
cannot_write $header "${mine[0]}" "the header"
step "others' pages are out of reach"

send_few $((2 * few))
mapfile -t now < <(pages_of "$win_pid")
mapfile -t back < <(without "$(printf '%s\n' "${now[@]}")" "${mine[@]}")
[ "${#back[@]}" -gt 0 ] || fail "win has given no page back"
cannot_read "${back[0]}" "${now[0]}" "given back"
cannot_write "${back[0]}" "${now[0]}" "given back"
copies "${now[0]}" "${now[1]}" copied
step "pages that were given back are out of reach"

ctl vm del win
copies "${now[0]}" "${now[1]}" unchanged
wait_for 5 refused Read "${now[0]}" || fail "win is deleted, and its device still reads"
wait_for 5 refused Write "${now[1]}" || fail "win is deleted, and its device still writes"
step "with its VM the device has lost all"
! ctl vm add "name=win,mac=$win,deliver=remap,dma-device=$EDU" 2>>"$AIRLOCK_WORK/edu.log" ||
    fail "a VM gets a device that somebody else has"
allow_log '^ERR dmatable: win: device .* expected one that nobody else has open'
release_device
stop_pid "$win_pid" || true
ctl vm add "name=win,mac=$win,deliver=remap,dma-device=$EDU"
start_guest win --keep $kept
win_pid=$STARTED_PID
take_device
send_few $few
mapfile -t mine < <(pages_of "$win_pid")
copies "${mine[0]}" "${mine[1]}" copied
cannot_read "${theirs[1]}" "${mine[0]}" "another VM's"
cannot_write "${theirs[1]}" "${mine[0]}" "another VM's"
step "another VM has the device"

release_device
stop_pid "$win_pid" || true
stop_pid "$oth_pid" || true
wait_for 10 at_rest || fail "not all is back: $(ask /airlock/balance /airlock/pages)"
is_clean || fail "$(ask /airlock/pages/verify)"
stop_airlockd
allow_lost_guest_log
