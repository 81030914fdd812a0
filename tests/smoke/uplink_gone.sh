#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The interface of a tap uplink is deleted under traffic: that is logged once, packets for it are
# counted as dropped, VMs go on sending to each other, and the daemon stops cleanly.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

is_sent_more() {
    [ "$(telemetry /airlock/uplinks 0 sent_packets)" -gt "$1" ]
}

uplink_is_not_up() {
    [ "$(telemetry /airlock/uplinks 0 state)" != up ]
}

drops_for_uplink() {
    telemetry /airlock/uplinks 0 tx_drops | grep -q uplink_down
}

start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_tap0,iface=up0 -- --uplink port=0 \
    --vm name=a,mac=52:54:00:00:00:01,mode=server --vm name=b,mac=52:54:00:00:00:02,mode=server \
    --vm name=c,mac=52:54:00:00:00:03,mode=server
ip link set up0 up
# Ports 0 and 1 send to each other, port 2 to somebody outside.
start_pair a b
start sender dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix sender \
    --vdev "net_virtio_user0,path=$RUN_DIR/c.sock,mac=52:54:00:00:00:03" \
    -- --forward-mode=txonly --eth-peer=0,02:a0:00:00:00:01 --total-num-mbufs=8192 \
    --no-lsc-interrupt --stats-period 60
traffic_flows "before" a b
wait_for 20 is_sent_more 0 || fail "nothing goes out"

ip link del up0
wait_for 10 uplink_is_not_up || fail "the uplink is still up: $(telemetry /airlock/uplinks)"
wait_for 10 drops_for_uplink || fail "no drops for the uplink: $(telemetry /airlock/uplinks)"
traffic_flows "after the uplink went" a b
sleep 3
traffic_flows "3 seconds after the uplink went" a b
[ "$(grep -c 'uplink: port 0 (net_tap0): Link down' "$AIRLOCKD_LOG")" -eq 1 ] ||
    fail "not logged once"
stop_airlockd
allow_net_tap_log
