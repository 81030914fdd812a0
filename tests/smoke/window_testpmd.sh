#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 1800
#
# Guests with windows behind one airlockd: an unmodified dpdk-testpmd with libairlock-guest.so
# preloaded, and window-guest, which looks at every byte. With few packets each one has to arrive, and
# what testpmd sends back has to be taken; at full load packets may be lost, but none may be wrong,
# and no frame may hold a byte of another guest's packets.
#
#   tests/smoke/window_testpmd.sh [--full]
#
# --full, or AIRLOCK_FULL=1: also two of testpmd at once in each of four modes with packets of each
# of three sizes, for 50 seconds each, in which no guest may stand still for two seconds.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

declare -A mac=([seq]=52:54:00:00:00:01 [tst]=52:54:00:00:00:02 [two]=52:54:00:00:00:03)
each=500
load_s=5
full_s=50
run=0
full=
case ${1:-}${AIRLOCK_FULL:+--full} in
'') ;;
--full*) full=yes ;;
*) fail "usage: tests/smoke/window_testpmd.sh [--full]" ;;
esac

# begin MTU SIZES COPY_BELOW TESTPMD...: packets for all guests, which begin when the file go is
# there, and end at the round in which the file stop is; and airlockd.
begin() {
    local mtu=$1 sizes=$2 copy_below=$3 vm vms=()

    testpmds=("${@:4}")
    run=$((run + 1))
    dir=$AIRLOCK_WORK/$run
    mkdir "$dir"
    for vm in seq "${testpmds[@]}"; do
        vms+=(--vm "name=$vm,mac=${mac[$vm]},deliver=auto")
    done
    # shellcheck disable=SC2046
    /usr/bin/python3 "$here/make_checked.py" "$dir/packets.pcap" $each "$sizes" \
        $(for vm in seq "${testpmds[@]}"; do echo "${mac[$vm]}"; done)
    mkfifo "$dir/fifo.pcap"
    start "feed$run" /usr/bin/python3 "$here/feed_pcap.py" "$dir/packets.pcap" "$dir/fifo.pcap" \
        "$dir/go" ${load:+"$dir/stop"}
    feed_pid=$STARTED_PID
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev "net_pcap0,rx_pcap=$dir/fifo.pcap" -- \
        --uplink "port=0,mtu=$mtu" --copy-below "$copy_below" "${vms[@]}"
}

# guests MTU MODE [ARG...]: seq, and a dpdk-testpmd for each other VM; what is added goes to those.
guests() {
    local mtu=$1 mode=$2 vm

    declare -gA pid=()
    start_window_guest "seq$run" seq 0 --mtu "$mtu" --count $each --scan
    pid[seq]=$STARTED_PID
    for vm in "${testpmds[@]}"; do
        start_window_testpmd "$vm$run" "$vm" 0 --forward-mode="$mode" --no-lsc-interrupt \
            --mbuf-size=$((mtu + 600)) --max-pkt-len=$((mtu + 18)) "${@:3}"
        pid[$vm]=$STARTED_PID
    done
    wait_for 60 windows_are_up || fail "the windows are not there after 60 seconds"
}

windows_are_up() {
    local vm questions=()

    for vm in seq "${testpmds[@]}"; do
        questions+=("/airlock/vm,$vm state" "/airlock/vm,$vm window state")
    done
    [ "$(ask "$AIRLOCKD_PREFIX" "${questions[@]}" | sort -u)" = '"up"' ] || return 1
    grep -q '^{' "$AIRLOCK_WORK/seq$run.log" || return 1
    for vm in "${testpmds[@]}"; do
        grep -q 'Port statistics' "$AIRLOCK_WORK/$vm$run.log" || return 1
    done
}

seen() {
    counted "seq$run" "$@"
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

# refused VM: what it should not have posted, by reason. A guest that is there before its window posts
# frames that airlockd cannot know yet, and gets them back.
refused() {
    ask "$AIRLOCKD_PREFIX" "/airlock/vm,$1 window refused" | /usr/bin/python3 -c '
import json, sys
print({k: v for k, v in json.load(sys.stdin).items() if k != "no_window"} or "")'
}

# check_windows KEY...: in all of these ways packets came into all, and nothing was wrong with what
# was posted.
check_windows() {
    local vm key

    for vm in seq "${testpmds[@]}"; do
        for key in "$@"; do
            some "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window $key"
        done
        [ -z "$(refused "$vm")" ] || fail "$vm posts what it must not: $(refused "$vm")"
        say "  $vm: $(ask "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window remapped_packets") remapped," \
            "$(ask "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window copied_packets") copied"
    done
}

# end: nothing that came to seq was wrong, and all end well.
end() {
    local vm bad

    stop_pid "${pid[seq]}" 15 || fail "window-guest found something wrong: $(seen bad foreign)"
    bad=$(seen bad foreign)
    [ "$bad" = '0 0' ] || fail "wrong packets, frames with foreign bytes: $bad"
    [ "$(seen shown)" -gt 0 ] || fail "nothing came through the window"
    for vm in "${testpmds[@]}"; do
        stop_pid "${pid[$vm]}" 15 || fail "testpmd of $vm has ended with an error"
    done
    stop_airlockd
    # VMs may have mapped it, so airlockd leaves it; of another size it is no use.
    rm -r "$dir" "$RUN_DIR/pool"
}

# session MTU SIZES MODE SENT_BACK [LOAD]
session() {
    local mtu=$1 sizes=$2 mode=$3 sent_back=$4 load=${5:-}

    say "MTU $mtu, $mode${load:+, full load}"
    begin "$mtu" "$sizes" 1000 tst
    guests "$mtu" "$mode"
    touch "$dir/go"
    if [ -n "$load" ]; then
        sleep $load_s
        touch "$dir/stop"
    else
        wait_for 20 exactly "$sent_back" || fail "not every packet is where it belongs"
    fi
    check_windows remapped_packets copied_packets
    [ "$mode" = rxonly ] || some "tst$run" '/airlock_guest tx_copied_packets'
    end
}

flows() {
    ask "$AIRLOCKD_PREFIX" '/airlock/vm,seq delivered_packets' | grep -q -v -x 0
}

# watch MODE: what each guest counts goes on; with txonly it is what airlockd takes.
watch() {
    local mode=$1 vm watched=("uplink:$airlockd_pid:$AIRLOCKD_PREFIX:/ethdev/stats,0 ipackets"
        "seq:${pid[seq]}:seq$run:/ethdev/stats,0 ipackets" "feed:$feed_pid::")

    for vm in "${testpmds[@]}"; do
        if [ "$mode" = txonly ]; then
            watched+=("$vm:${pid[$vm]}:$AIRLOCKD_PREFIX:/airlock/vm,$vm taken_packets")
        else
            watched+=("$vm:${pid[$vm]}:$vm$run:/ethdev/stats,0 ipackets")
        fi
    done
    /usr/bin/python3 "$here/watch_flow.py" $full_s "${watched[@]}"
}

# long_session MTU BYTES MODE: all is remapped that can be, for both ways into a VM are then used at
# each size: what a guest does not release in time comes by copy.
long_session() {
    local mtu=$1 bytes=$2 mode=$3 load=yes more=() flow stalled=

    say "$mode, $bytes bytes, $full_s seconds"
    [ "$mode" != txonly ] || more=("--txpkts=$bytes" "--eth-peer=0,02:a0:00:00:00:01")
    begin "$mtu" "$bytes" never tst two
    guests "$mtu" "$mode" ${more[@]+"${more[@]}"}
    touch "$dir/go"
    wait_for 20 flows || fail "nothing comes"
    flow=$(watch "$mode") || stalled=yes
    [ -z "$flow" ] || awk '{ print "  " $1 ": " $2 " packets, " $3 " seconds without" }' <<<"$flow"
    touch "$dir/stop"
    check_windows remapped_packets
    case $mode in macswap | csum) some "tst$run" '/airlock_guest tx_copied_packets' ;; esac
    end
    say "  seq: $(seen packets) looked at, $(seen shown) of them in the window, $(seen bad) wrong," \
        "$(seen foreign) with foreign bytes"
    [ -z "$stalled" ] || fail "a guest stood still, or did not answer: see above"
}

session 1500 64,1514 macswap $each
session 1500 64,1514 csum - load
session 9000 64,1514,9014 macswap $each
session 9000 64,1514,9014 rxonly - load
[ -n "$full" ] || exit 0
for mode in rxonly macswap csum txonly; do
    long_session 1500 64 $mode
    long_session 1500 1514 $mode
    long_session 9000 9014 $mode
done
