#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Two cards: each is taken out and put in again, one after the other. airlockd lets go of the one that
# goes, and of no other, each time.

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"

device_options=("e1000e,id=card0,netdev=wire,bus=slot0,mac=02:00:00:00:00:aa"
    "e1000e,id=card1,netdev=nowhere,bus=slot1,mac=02:00:00:00:00:bb")

# The second one, when it is in.
second() {
    find_device "$LAB_CARD_ID" | grep -v -F -x "$CARD"
}

is_away() {
    [ ! -e "/sys/bus/pci/devices/$1" ]
}

is_there() {
    [ -e "/sys/bus/pci/devices/$1/vendor" ]
}

# For QEMU, too: only then it takes another one.
is_out() {
    ! outside monitor info network | grep -q "$1"
}

uplinks_are() {
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/uplinks 0 state' '/airlock/uplinks 1 state' | xargs)" = "$*" ]
}

# out_and_in NUMBER STATES: a card goes and comes back; the states of the uplinks in between.
out_and_in() {
    local card=${addresses[$1]} number=$1

    shift
    outside monitor device_del "card$number"
    wait_for 20 uplinks_are "$@" || fail "card $number is being taken out, not: $*"
    wait_for 20 is_away "$card" || fail "airlockd does not let go of card $number"
    wait_for 20 is_out "card$number" || fail "card $number is not out"
    uplinks_are "$@" || fail "card $number is out, not: $*"
    step "card $number is out"
    outside monitor device_add "${device_options[number]}"
    wait_for 20 is_there "$card" || fail "card $number is not there again"
    bind_vfio "$card"
    wait_for 20 uplinks_are up up || fail "airlockd does not use card $number, which is back"
    step "card $number is in"
}

outside monitor device_add "${device_options[1]}"
wait_for 20 second || fail "the second card is not there"
addresses=("$CARD" "$(second)")
bind_vfio "${addresses[1]}"
# One as people type it.
cards=("${CARD#0000:}" "${addresses[1]}")
start_on_card --vm name=web,mac=52:54:00:00:00:01
wait_for 20 uplinks_are up up || fail "the cards are not up"
out_and_in 0 gone up
out_and_in 1 up gone
out_and_in 0 gone up
[ "$(grep -c 'uplink: port 0 .* vanished' "$AIRLOCKD_LOG")" -eq 2 ] || fail "port 0 did not vanish twice"
[ "$(grep -c 'uplink: port 1 .* vanished' "$AIRLOCKD_LOG")" -eq 1 ] || fail "port 1 did not vanish once"
allow_log 'uplink: port [01] .* vanished'
stop_airlockd
outside monitor device_del card1
wait_for 20 is_away "${addresses[1]}" || fail "the second card is still there"
