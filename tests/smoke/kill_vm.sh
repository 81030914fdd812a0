#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 900
#
# VMs that are killed and come again under full load, one behind a listening socket and one behind a
# connecting one: a third VM gets everything that its ring can hold, the killed ones get packets
# again each time, and in the end no page and no packet is missing. One of them has its memory's file
# truncated before, while airlockd uses it.
#
#   tests/smoke/kill_vm.sh [TIMES]      20 times; with AIRLOCK_FULL=1 100 times

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

times=${1:-20}
[ -z "${AIRLOCK_FULL:-}" ] || times=100
declare -A mac=([stays]=52:54:00:00:00:01 [first]=52:54:00:00:00:02 [second]=52:54:00:00:00:03)
declare -A pids ups=([stays]=0 [first]=0 [second]=0)
sender=02:a0:00:00:00:01

# vm NAME MODE [OPTION]: run a guest. The killed ones send everything back: half to the uplink, half
# to the one that stays.
vm() {
    local name=$1 mode=$2 vdev=net_virtio_user0,path=$RUN_DIR/$1.sock,queue_size=1024

    shift 2
    # Left by one that was killed.
    [ -z "${1:-}" ] || rm -f "$RUN_DIR/$name.sock"
    start "$name" dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix "$name" \
        --vdev "$vdev${1:-}" -- --forward-mode="$mode" --rxd=1024 --total-num-mbufs=8192 \
        --no-lsc-interrupt --stats-period 60
    pids[$name]=$STARTED_PID
    ups[$name]=$((${ups[$name]} + 1))
}

# came NAME, went NAME: as often as it should have.
came() {
    [ "$(grep -c "vnic: $1: up" "$AIRLOCKD_LOG")" -eq "${ups[$1]}" ]
}

went() {
    [ "$(grep -c "vnic: $1: down" "$AIRLOCKD_LOG")" -eq "${ups[$1]}" ]
}

# moves NAME KEY MORE_THAN
moves() {
    [ "$(telemetry "/airlock/vm,$1" "$2")" -gt "$3" ]
}

# works NAME: it is there, and packets go into it and come out of it.
works() {
    local name=$1 delivered taken

    wait_for 30 came "$name" || fail "$name is not there after 30 seconds"
    delivered=$(telemetry "/airlock/vm,$name" delivered_packets)
    taken=$(telemetry "/airlock/vm,$name" taken_packets)
    wait_for 20 moves "$name" delivered_packets "$delivered" || fail "$name gets nothing"
    wait_for 20 moves "$name" taken_packets "$taken" || fail "nothing comes from $name"
}

# lose_memory NAME: truncate its memory under airlockd, while it cannot notice itself.
lose_memory() {
    local pid=${pids[$1]} lost fd

    lost=$(telemetry "/airlock/vm,$1" memory_lost)
    kill -STOP "$pid"
    for fd in "/proc/$pid/fd/"*; do
        [[ $(readlink "$fd") != /memfd:* ]] || truncate -s 0 "$fd"
    done
    wait_for 10 moves "$1" memory_lost "$lost" || fail "the memory of $1 is gone, and nobody knows"
    wait_for 10 is_down "$1" || fail "$1 has no memory, and is up"
}

is_down() {
    [ "$(telemetry "/airlock/vm,$1" state)" = down ]
}

# kill_vm NAME
kill_vm() {
    kill -KILL "${pids[$1]}"
    wait "${pids[$1]}" 2>/dev/null || true
    wait_for 10 went "$1" || fail "$1 was killed, and airlockd has not seen it"
}

at_rest() {
    [ "$(telemetry /airlock/balance balanced)" = yes ] &&
        [ "$(telemetry /airlock/pages free)" = "$(telemetry /airlock/pages pages)" ]
}

arrived() {
    [ "$(AIRLOCKD_PREFIX=stays telemetry /ethdev/stats,0 ipackets)" = \
        "$(telemetry /airlock/vm,stays delivered_packets)" ]
}

/usr/bin/python3 "$here/write_pcap.py" "$AIRLOCK_WORK/load.pcap" 4000 \
    "${mac[stays]},$sender,64" "${mac[first]},$sender,64" "${mac[second]},$sender,200" \
    "${mac[first]},${mac[stays]},64" "${mac[second]},${mac[stays]},1514"
mkfifo "$AIRLOCK_WORK/fifo.pcap"
start feed /usr/bin/python3 "$here/feed_pcap.py" "$AIRLOCK_WORK/load.pcap" \
    "$AIRLOCK_WORK/fifo.pcap" "$AIRLOCK_WORK/go" "$AIRLOCK_WORK/stop"
feed_pid=$STARTED_PID
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci \
    --vdev "net_pcap0,rx_pcap=$AIRLOCK_WORK/fifo.pcap" -- --uplink port=0 \
    --vm "name=stays,mac=${mac[stays]},mode=server" \
    --vm "name=first,mac=${mac[first]},mode=server" \
    --vm "name=second,mac=${mac[second]}"
vm stays rxonly
wait_for 30 grep -q 'Port statistics' "$AIRLOCK_WORK/stays.log" 2>/dev/null || fail "no VM after 30 seconds"
wait_for 10 came stays || fail "no VM after 30 seconds"
touch "$AIRLOCK_WORK/go"

for ((i = 1; i <= times; i++)); do
    vm first macswap
    vm second macswap ,server=1
    works first
    works second
    lose_memory first
    delivered=$(telemetry /airlock/vm,stays delivered_packets)
    wait_for 10 moves stays delivered_packets "$delivered" || fail "the other VM gets nothing"
    delivered=$(telemetry /airlock/vm,stays delivered_packets)
    kill_vm first
    kill_vm second
    wait_for 10 moves stays delivered_packets "$delivered" || fail "the other VM gets nothing"
done
say "killed two VMs $times times"

touch "$AIRLOCK_WORK/stop"
wait_for 20 gone "$feed_pid" || fail "airlockd does not read any more"
wait_for 10 at_rest ||
    fail "not at rest: $(telemetry /airlock/balance) $(telemetry /airlock/pages)"
drops=$(telemetry /airlock/vm,stays rx_drops)
say "the other VM: $(telemetry /airlock/vm,stays delivered_packets) packets, drops $drops"
grep -q -E -x '\{"total": [0-9]+(, "ring_full": [0-9]+)?\}' <<<"$drops" ||
    fail "drops of the other VM that its ring is not to blame for: $drops"
read -r nb_fillers nb_rounds <"$AIRLOCK_WORK/feed.log"
[ "$(telemetry /airlock/uplinks 0 received_packets)" = $((nb_fillers + nb_rounds * 4000)) ] ||
    fail "the uplink has not received all"
[ "$(telemetry /airlock/uplinks 0 rx_drops total)" = "$nb_fillers" ] ||
    fail "drops before a VM was found: $(telemetry /airlock/uplinks 0 rx_drops)"
wait_for 10 arrived || fail "not all that was delivered has arrived"
[ "$(telemetry /airlock/vm,stays connects)" = 1 ] || fail "the other VM has lost its connection"
[ "$(telemetry /airlock/vm,first connects)" = "$times" ] || fail "not $times connections"
[ "$(telemetry /airlock/vm,second connects)" = "$times" ] || fail "not $times connections"
[ "$(telemetry /airlock/vm,first memory_lost)" = "$times" ] || fail "memory was not lost $times times"
[ "$(grep -c 'vnic: first: its memory is gone' "$AIRLOCKD_LOG")" -eq "$times" ] ||
    fail "not logged once each time"
allow_log '^ERR vnic: first: its memory is gone'
[ "$(telemetry /airlock/vm,stays memory_lost)" = 0 ] || fail "the other VM has lost memory"
