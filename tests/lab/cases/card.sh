#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The card under traffic: its cable is pulled and put in again, the card is taken out, and put in
# again. airlockd keeps its VMs, which go on sending to each other; it logs once what happened, and
# uses the card again when it is back on vfio-pci. --full: five times.

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"

win=52:54:00:00:00:03

uplink_is() {
    [ "$(telemetry /airlock/uplinks 0 state)" = "$1" ]
}

packets() {
    counted win packets
}

gets_more() {
    [ "$(packets)" -gt "$1" ]
}

# traffic WHEN: from outside to the VM with the window, and between the two others.
traffic() {
    local now

    now=$(packets)
    wait_for 20 gets_more "$now" || fail "nothing comes from outside $1"
    traffic_flows "$1" a b
    [ "$(counted win bad foreign)" = "0 0" ] || fail "wrong packets $1: $(counted win bad foreign)"
    step "traffic $1"
}

# logged COUNT TEXT: so many lines of airlockd have it.
logged() {
    local nb

    nb=$(grep -c -e "$2" "$AIRLOCKD_LOG" || true)
    [ "$nb" -eq "$1" ] || fail "logged $nb times, not $1: $2"
}

is_away() {
    [ ! -e "/sys/bus/pci/devices/$CARD" ]
}

# For QEMU, too: only then it takes another one.
is_out() {
    ! outside monitor info network | grep -q card0
}

is_back() {
    [ -e "/sys/bus/pci/devices/$CARD/vendor" ]
}

all_up() {
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,a state' '/airlock/vm,b state' '/airlock/vm,win state' \
        '/airlock/vm,win window state' | xargs)" = "up up up up" ] && grep -q '^{' "$AIRLOCK_WORK/win.log"
}

/usr/bin/python3 "$lab/../smoke/make_checked.py" "$LAB_SHARE/load.pcap" 64 64,1514 $win
start_on_card --vm name=a,mac=52:54:00:00:00:01,mode=server \
    --vm name=b,mac=52:54:00:00:00:02,mode=server \
    --vm "name=win,mac=$win,deliver=auto" --copy-below 1000
# Two packets that go to and fro for ever.
start pair dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix pair \
    --vdev "net_virtio_user0,path=$RUN_DIR/a.sock,mac=52:54:00:00:00:01" \
    --vdev "net_virtio_user1,path=$RUN_DIR/b.sock,mac=52:54:00:00:00:02" \
    -- --forward-mode=mac --eth-peer=0,52:54:00:00:00:02 --eth-peer=1,52:54:00:00:00:01 \
    --port-topology=loop --tx-first --burst=1 --total-num-mbufs=2048 --no-lsc-interrupt \
    --stats-period 60
start_window_guest win win 0 --count 64 --scan
wait_for 20 all_up || fail "the guests do not run"
outside load_begin
traffic "before"

outside monitor set_link card0 off
wait_for 20 uplink_is down || fail "the cable is out, and the uplink is up"
traffic_flows "without a cable" a b
outside monitor set_link card0 on
wait_for 20 uplink_is up || fail "the cable is in, and the uplink is down"
traffic "with the cable in again"
logged 1 'uplink: port 0 .*: Link down'

rounds=(first)
[ -z "${AIRLOCK_FULL:-}" ] || rounds=(first second third fourth fifth)
for round in "${rounds[@]}"; do
    outside monitor device_del card0
    wait_for 20 uplink_is gone || fail "the card is being taken out, and airlockd has not noticed"
    wait_for 20 is_away || fail "airlockd does not let go of the card"
    wait_for 20 is_out || fail "the card is not out: $(outside monitor info network)"
    step "the card is out for the $round time"
    traffic_flows "without the card" a b
    outside monitor device_add e1000e,id=card0,netdev=wire,bus=slot0,mac=02:00:00:00:00:aa
    wait_for 20 is_back || fail "the card is not there again"
    bind_vfio "$CARD"
    wait_for 20 uplink_is up || fail "airlockd does not use the card that is back"
    traffic "with the card in for the $round time again"
done
logged ${#rounds[@]} 'uplink: port 0 .* vanished'
logged ${#rounds[@]} 'uplink: port 0 .* is back'
allow_log 'uplink: port 0 .* vanished'

outside load_signal KILL
all_up || fail "a VM was lost"
[ "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,win connects' '/airlock/vm,a connects' | xargs)" = "1 1" ] ||
    fail "a VM had to connect again"
stop_airlockd
