#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 300
#
# A guest that keeps what it gets, beside one that does not: the first comes up to its quota, then
# gets copies, then loses its own packets; the second loses nothing. Then a guest that sleeps until
# it is interrupted gets all of its packets, and is told when it holds too much.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

bad_mac=52:54:00:00:00:01
good_mac=52:54:00:00:00:02
each=20000
pps=8000
run=0

# guest NAME ARG...: window-guest; its process in STARTED_PID.
guest() {
    start_window_guest "$1$run" "$1" 0 --count $each "${@:2}"
}

# of NAME KEY...: airlockd's figures of a VM.
of() {
    local name=$1

    shift
    telemetry "/airlock/vm,$name" "$@"
}

# seen NAME KEY...
seen() {
    counted "$1$run" "${@:2}"
}

windows_are_up() {
    [ "$(of bad state)$(of bad window state)$(of good state)$(of good window state)" = upupupup ] &&
        grep -q '^{' "$AIRLOCK_WORK/bad$run.log" && grep -q '^{' "$AIRLOCK_WORK/good$run.log"
}

# all_offered VM...: every packet for it was delivered or dropped.
all_offered() {
    local vm

    for vm in "$@"; do
        [ $(($(of "$vm" delivered_packets) + $(of "$vm" rx_drops total))) -eq $each ] || return 1
    done
}

# has_all NAME: by the last of its lines, of which there is one a second.
has_all() {
    [ "$(seen "$1" packets missing bad)" = "$each 0 0" ]
}

# begin QUOTA BAD_ARG...: airlockd and both guests; packets come at a moderate rate.
begin() {
    local quota=$1 dir

    shift
    run=$((run + 1))
    dir=$AIRLOCK_WORK/$run
    mkdir "$dir"
    /usr/bin/python3 "$here/make_checked.py" "$dir/packets.pcap" $each 64,1514 $bad_mac $good_mac
    mkfifo "$dir/fifo.pcap"
    start "feed$run" /usr/bin/python3 "$here/feed_pcap.py" --pps $pps "$dir/packets.pcap" \
        "$dir/fifo.pcap" "$dir/go"
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev "net_pcap0,rx_pcap=$dir/fifo.pcap" -- \
        --uplink port=0 --copy-below 1000 --vm "name=bad,mac=$bad_mac,deliver=auto,quota=$quota" \
        --vm "name=good,mac=$good_mac,deliver=auto"
    guest bad "$@"
    bad_pid=$STARTED_PID
    guest good
    good_pid=$STARTED_PID
    wait_for 60 windows_are_up || fail "the windows are not there after 60 seconds"
    touch "$dir/go"
    wait_for 60 all_offered bad good || fail "not every packet has come as far as the VMs"
    wait_for 10 has_all good || fail "the well-behaved guest: $(seen good packets missing bad)"
    [ "$(of good rx_drops total)" = 0 ] || fail "the well-behaved guest lost: $(of good rx_drops)"
}

end() {
    stop_pid "$bad_pid" 15 || fail "the first guest found something wrong: $(seen bad bad foreign)"
    stop_pid "$good_pid" 15 || fail "the second guest found something wrong"
    stop_airlockd
    rm "$RUN_DIR/pool"
}

say "a guest that keeps all, beside one that does not"
begin 128 --hold $each
held=$(of bad window held)
[ "$held" -le 128 ] || fail "the hoarder holds $held frames, quota 128"
[ "$(of bad window remapped_packets)" -ge 128 ] || fail "the hoarder never came up to its quota"
[ "$(of bad rx_drops quota)" -gt 0 ] || fail "the hoarder lost nothing to its quota"
[ "$(of bad window interrupts)" -gt 0 ] || fail "the hoarder was not told"
say "  hoarder: $held frames held, $(of bad delivered_packets) delivered, lost: $(of bad rx_drops)"
end

say "a guest that sleeps until it is interrupted"
begin 24 --interrupt
wait_for 10 has_all bad || fail "asleep: $(seen bad packets missing bad)"
[ "$(seen bad sleeps)" -gt 0 ] || fail "it never slept"
[ "$(of bad window interrupts)" -gt 0 ] || fail "it was never told to release"
[ "$(of bad window unmapped)" -gt 24 ] || fail "it has not released"
say "  $(seen bad sleeps) sleeps, $(of bad window interrupts) interrupts for its quota," \
    "$(of bad window remapped_packets) remapped"
end
