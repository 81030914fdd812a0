#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 400
#
# Two guests with windows behind one airlockd: an unmodified dpdk-testpmd with libairlock-guest.so
# preloaded, and window-guest, which looks at every byte. With few packets each one has to arrive, and
# what testpmd sends back has to be taken; at full load packets may be lost, but none may be wrong,
# and no frame may hold a byte of the other guest's packets.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

seq_mac=52:54:00:00:00:01
tst_mac=52:54:00:00:00:02
ring=2048
each=500
load_s=5
run=0

# shellcheck disable=SC2054
eal=(--lcores '0@0,1@0' --no-pci --no-huge -m 512)

# vdev NAME: the guest's NIC.
vdev() {
    echo "net_virtio_user0,path=$RUN_DIR/$1.sock,server=1,queue_size=$ring"
}

# guests MTU MODE: both, as seq and tst; logs and file prefixes have the run's number.
guests() {
    local mtu=$1 mode=$2

    start "seq$run" "$AIRLOCK_BUILD/tests/smoke/window-guest" "${eal[@]}" --file-prefix "seq$run" \
        --vdev "$(vdev seq)" -- --window "$RUN_DIR/seq.window" --ring $ring --mtu "$mtu" \
        --count $each --scan
    seq_pid=$STARTED_PID
    start "tst$run" env LD_PRELOAD="$AIRLOCK_BUILD/app/guest/libairlock-guest.so" \
        AIRLOCK_WINDOW="$RUN_DIR/tst.window" \
        dpdk-testpmd "${eal[@]}" --file-prefix "tst$run" --vdev "$(vdev tst)" -- \
        --forward-mode="$mode" --rxd=$ring --txd=$ring --total-num-mbufs=4096 \
        --mbuf-size=$((mtu + 600)) --max-pkt-len=$((mtu + 18)) --no-lsc-interrupt --stats-period 3600
    tst_pid=$STARTED_PID
}

# ask PREFIX QUESTION...
ask() {
    /usr/bin/python3 "$here/ask.py" "$@"
}

windows_are_up() {
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,seq state' '/airlock/vm,tst state' \
        '/airlock/vm,seq window state' '/airlock/vm,tst window state' | sort -u)" = '"up"' ] &&
        grep -q 'Port statistics' "$AIRLOCK_WORK/tst$run.log" && grep -q '^{' "$AIRLOCK_WORK/seq$run.log"
}

# seen KEY...: what window-guest has counted.
seen() {
    /usr/bin/python3 -c '
import json, sys
lines = [line for line in open(sys.argv[1]) if line.startswith("{") and line.endswith("}\n")]
print(*(json.loads(lines[-1])[key] for key in sys.argv[2:]))' "$AIRLOCK_WORK/seq$run.log" "$@"
}

# exactly SENT_BACK: every packet is where it belongs.
exactly() {
    [ "$(seen packets missing)" = "$each 0" ] &&
        [ "$(ask "tst$run" '/ethdev/stats,0 ipackets')" = $each ] &&
        [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,tst taken_packets')" = "$1" ]
}

# some PREFIX QUESTION...: each answer is a number above 0.
some() {
    local answer

    for answer in $(ask "$@"); do
        [ "$answer" -gt 0 ] || fail "$*: $answer"
    done
}

# check_windows: packets came both ways into both, and nothing was wrong with what was posted.
check_windows() {
    local vm

    for vm in seq tst; do
        some "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window remapped_packets" \
            "/airlock/vm,$vm window copied_packets"
        [ "$(ask "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window refused")" = '{}' ] ||
            fail "$vm posts what it must not"
        say "  $vm: $(ask "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window remapped_packets") remapped," \
            "$(ask "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window copied_packets") copied"
    done
}

# session MTU SIZES MODE SENT_BACK [LOAD]
session() {
    local mtu=$1 sizes=$2 mode=$3 sent_back=$4 dir feed_stop=() bad

    run=$((run + 1))
    dir=$AIRLOCK_WORK/$run
    say "MTU $mtu, $mode${5:+, full load}"
    mkdir "$dir"
    /usr/bin/python3 "$here/make_checked.py" "$dir/packets.pcap" $each "$sizes" $seq_mac $tst_mac
    mkfifo "$dir/fifo.pcap"
    [ -z "${5:-}" ] || feed_stop=("$dir/stop")
    start "feed$run" /usr/bin/python3 "$here/feed_pcap.py" "$dir/packets.pcap" "$dir/fifo.pcap" \
        "$dir/go" ${feed_stop[@]+"${feed_stop[@]}"}
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev "net_pcap0,rx_pcap=$dir/fifo.pcap" -- \
        --uplink "port=0,mtu=$mtu" --copy-below 1000 --vm "name=seq,mac=$seq_mac,deliver=auto" \
        --vm "name=tst,mac=$tst_mac,deliver=auto"
    guests "$mtu" "$mode"
    wait_for 60 windows_are_up || fail "the windows are not there after 60 seconds"
    touch "$dir/go"
    if [ -n "${5:-}" ]; then
        sleep $load_s
        touch "$dir/stop"
    else
        wait_for 20 exactly "$sent_back" || fail "not every packet is where it belongs"
    fi
    check_windows
    [ "$mode" = rxonly ] || some "tst$run" '/airlock_guest tx_copied_packets'
    stop_pid "$seq_pid" 15 || fail "window-guest found something wrong: $(seen bad foreign)"
    bad=$(seen bad foreign)
    [ "$bad" = '0 0' ] || fail "wrong packets, frames with foreign bytes: $bad"
    [ "$(seen shown)" -gt 0 ] || fail "nothing came through the window"
    stop_pid "$tst_pid" 15 || fail "testpmd has ended with an error"
    stop_airlockd
    # VMs may have mapped it, so airlockd leaves it; of another size it is no use.
    rm -r "$dir" "$RUN_DIR/pool"
}

session 1500 64,1514 macswap $each
session 1500 64,1514 csum - load
session 9000 64,1514,9014 macswap $each
session 9000 64,1514,9014 rxonly - load
