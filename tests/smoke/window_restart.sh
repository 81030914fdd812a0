#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 400
#
# airlockd goes, by SIGKILL or SIGTERM, while two guests with windows are at work, and starts again
# with the same options. The windows are dark without it. Both guests go on by themselves, whatever
# frames they held; none of the packets that they get is wrong, but for those that were in their
# hands and are zeros now, and no frame holds a byte of the other guest's.
#
#   tests/smoke/window_restart.sh [KILL|TERM...]

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

seq_mac=52:54:00:00:00:01
tst_mac=52:54:00:00:00:02
each=500
signals=(KILL KILL TERM KILL KILL KILL)
[ $# -eq 0 ] || signals=("$@")

seen() {
    counted seq "$@"
}

# guests MODE: both, as seq and tst.
guests() {
    start_window_guest seq seq 0 --mtu 1500 --count $each --link --scan
    seq_pid=$STARTED_PID
    start_window_testpmd tst tst 0 --forward-mode="$1"
    tst_pid=$STARTED_PID
}

# begin: airlockd, and packets for both guests for as long as it lives.
begin() {
    start feed /usr/bin/python3 "$here/feed_pcap.py" "$AIRLOCK_WORK/packets.pcap" \
        "$AIRLOCK_WORK/fifo.pcap" "$AIRLOCK_WORK/go" "$AIRLOCK_WORK/stop"
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci \
        --vdev "net_pcap0,rx_pcap=$AIRLOCK_WORK/fifo.pcap" -- --uplink port=0,mtu=1500 \
        --copy-below 1000 --vm "name=seq,mac=$seq_mac,deliver=auto" \
        --vm "name=tst,mac=$tst_mac,deliver=auto"
}

windows_are_up() {
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,seq state' '/airlock/vm,tst state' \
        '/airlock/vm,seq window state' '/airlock/vm,tst window state' | sort -u)" = '"up"' ] &&
        grep -q '^{' "$AIRLOCK_WORK/seq.log"
}

# received: by seq, by tst, as the guests themselves count.
received() {
    echo "$(seen packets) $(ask tst '/ethdev/stats,0 ipackets')"
}

# receive_more SEQ TST: each of them, packets that came through the window among them.
receive_more() {
    local now vm

    read -ra now < <(received)
    [ "${now[0]}" -gt $(($1 + 1000)) ] && [ "${now[1]}" -gt $(($2 + 1000)) ] || return 1
    for vm in seq tst; do
        [ "$(ask "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window remapped_packets")" -gt 100 ] || return 1
    done
}

# flows WHEN
flows() {
    local before

    read -ra before < <(received)
    wait_for 30 windows_are_up || fail "the windows are not there $1"
    wait_for 30 receive_more "${before[@]}" || fail "a guest gets nothing $1: ${before[*]}, $(received)"
}

# go_and_come SIGNAL
go_and_come() {
    local dark pid=$airlockd_pid

    airlockd_pid=
    dark=$(/usr/bin/python3 "$here/dark.py" "$1" "$pid" "$RUN_DIR/pool" "$seq_pid" "$tst_pid") ||
        fail "the windows are not dark after SIG$1"
    wait "$pid" 2>/dev/null || [ "$1" = KILL ] || fail "airlockd has ended with an error"
    begin
    flows "after SIG$1"
    say "  SIG$1: dark after $dark ms, resumed" \
        "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,seq window resumed' \
            '/airlock/vm,tst window resumed' | xargs)," \
        "blank $(seen blank)"
}

/usr/bin/python3 "$here/make_checked.py" "$AIRLOCK_WORK/packets.pcap" $each 64,1514 $seq_mac $tst_mac
mkfifo "$AIRLOCK_WORK/fifo.pcap"
touch "$AIRLOCK_WORK/go"
begin
guests rxonly
wait_for 60 windows_are_up || fail "the windows are not there after 60 seconds"
flows 'at first'
for number in "${signals[@]}"; do
    go_and_come "$number"
done
touch "$AIRLOCK_WORK/stop"
[ "$(telemetry /airlock/pages/verify wrong_pages)" = 0 ] ||
    fail "pages differ: $(telemetry /airlock/pages/verify)"
for vm in seq tst; do
    [ "$(ask "$AIRLOCKD_PREFIX" "/airlock/vm,$vm window strays")" = 0 ] || fail "$vm has touched what was never its own"
done
stop_pid "$seq_pid" 15 || fail "window-guest found something wrong: $(seen bad foreign)"
[ "$(seen bad foreign)" = '0 0' ] || fail "wrong packets, frames with foreign bytes: $(seen bad foreign)"
[ "$(seen shown)" -gt 0 ] || fail "nothing came through the window"
stop_pid "$tst_pid" 15 || fail "testpmd has ended with an error"
stop_airlockd
allow_if_there '^WARN VHOST_CONFIG: .*(last_used_idx|resent for Tx)'
