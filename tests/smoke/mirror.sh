#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Two VMs send to each other; a third one gets copies of the packets of one of them, from when that
# is configured, at the start or while it runs, until it is taken back, and loses nobody a packet.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

# refused WORDS COMMAND...: with these words, and exit status 1.
refused() {
    local words=$1 status=0

    shift
    ctl "$@" >"$AIRLOCK_WORK/refused.txt" 2>&1 || status=$?
    [ $status -eq 1 ] || fail "$*: exit status $status"
    grep -q -e "$words" "$AIRLOCK_WORK/refused.txt" ||
        fail "$*: $(cat "$AIRLOCK_WORK/refused.txt"), expected: $words"
}

gets() {
    telemetry /airlock/vm,monitor delivered_packets
}

is_silent() {
    local before

    before=$(gets)
    sleep 0.5
    [ "$(gets)" = "$before" ]
}

start_airlockd --lcores '0@0,1@1' -m 256 --no-pci -- \
    --vm name=web,mac=52:54:00:00:00:01,mode=server,mirror=monitor,mirror-direction=rx \
    --vm name=db,mac=52:54:00:00:00:02,mode=server \
    --vm name=monitor,mac=52:54:00:00:00:03,mode=server
allow_lost_guest_log
start monitor dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix monitor \
    --vdev "net_virtio_user0,path=$RUN_DIR/monitor.sock,mac=52:54:00:00:00:03" \
    -- --forward-mode=rxonly --total-num-mbufs=8192 --no-lsc-interrupt --stats-period 60
start_pair web db
traffic_flows "from the start" web db monitor
[ "$(telemetry /airlock/vm,web mirror)" = monitor ] || fail "web's mirror: $(telemetry /airlock/vm,web mirror)"
refused "it gets those of VM 'web'" vm del monitor
refused "mirrored itself" vm set db mirror=web
refused "which gets copies of VM 'web'" vm set monitor mirror=db
ctl vm set web mirror=none >/dev/null
wait_for 10 is_silent || fail "the monitor gets copies after the mirror was taken back"
ctl vm set db mirror=monitor,mirror-direction=both >/dev/null
traffic_flows "at run time" web db monitor
ctl vm set db mirror=none >/dev/null
ctl vm del monitor >/dev/null
traffic_flows "at last" web db
stop_airlockd
