#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Packet capture as a user sees it: ten drops and their reasons, what goes to a VM and comes from it
# and by the uplink, filter, snap length and count, several captures at once; a stop under load, a
# full disk, a VM that is deleted. tcpdump and tshark read every file.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

command -v tshark >/dev/null || skip "there is no tshark"
files=$AIRLOCK_WORK/files
out=$AIRLOCK_WORK/out.txt

# field NAME KEY: what capture list tells of a capture.
field() {
    ctl --json capture list | /usr/bin/python3 -c '
import json, sys
print(*(c[sys.argv[2]] for c in json.load(sys.stdin) if c["name"] == sys.argv[1]))' "$@"
}

is() {
    [ "$(field "$1" "$2")" = "$3" ]
}

has() {
    [ "$(field "$1" packets)" -ge "$2" ]
}

# count NAME [FILTER]: packets in the file, by tcpdump.
count() {
    tcpdump -n -r "$files/$1" "${@:2}" 2>"$AIRLOCK_WORK/tcpdump.log" | grep -c '^[0-9]' || true
}

# stop NAME: its figures in $out, and the packets that its file has are as many.
stop() {
    ctl --json capture stop "$1" >"$out"
    told=$(/usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["packets"])' <"$out")
    found=$(count "$1")
    ! grep -q -i -E 'truncat|bogus|malformed|error' "$AIRLOCK_WORK/tcpdump.log" ||
        fail "$1: $(cat "$AIRLOCK_WORK/tcpdump.log")"
    [ "$told" -eq "$found" ] || fail "$1: $told packets told, $found in the file"
}

# same NAME SNAPLEN KIND...: what was sent is what was captured.
same() {
    tcpdump -n -r "$files/$1" -w "$AIRLOCK_WORK/plain.pcap" 2>/dev/null
    /usr/bin/python3 "$here/capture_packets.py" same "$AIRLOCK_WORK/plain.pcap" "${@:2}" ||
        fail "$1: not what was sent"
}

send() {
    /usr/bin/python3 "$here/capture_packets.py" send up0 "$@"
}

# refused WHY ARGUMENT...: one line that says why.
refused() {
    local status=0

    ctl capture "${@:2}" >"$out" 2>&1 || status=$?
    if [ $status -ne 1 ] || [ "$(wc -l <"$out")" -ne 1 ] || ! grep -q -e "$1" "$out"; then
        fail "'${*:2}' is not refused with '$1': $(cat "$out")"
    fi
}

mkdir "$files" "$files/small"
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_tap0,iface=up0 -- --uplink port=0 \
    --vm name=web,mac=52:54:00:00:00:01,mode=server \
    --vm name=db,mac=52:54:00:00:00:02,mode=server
ip link set up0 up
start guest dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix guest \
    --vdev "net_virtio_user0,path=$RUN_DIR/web.sock,mac=52:54:00:00:00:01" \
    -- --forward-mode=macswap --total-num-mbufs=4096 --no-lsc-interrupt \
    --stats-period 60
guest_pid=$STARTED_PID
# Before it has begun to receive, its ring may be full.
wait_for 30 grep -q 'Port statistics' "$AIRLOCK_WORK/guest.log" || fail "web does not receive"

say "ten drops"
ctl capture start drops "$files/drops" drops_only=yes count=10 filter='ether src 02:a0:00:00:00:01'
send unknown other
wait_for 5 is drops state complete || fail "ten drops do not end it: $(ctl capture list)"
stop drops
[ "$told" -eq 10 ] || fail "$told packets, not 10"
[ "$(tshark -r "$files/drops" -T fields -e frame.interface_name -e frame.comment 2>/dev/null |
    sort | uniq -c | xargs)" = "10 uplink 0 drop: unknown_mac" ] ||
    fail "tshark: $(tshark -r "$files/drops" -T fields -e frame.interface_name -e frame.comment)"
[ "$(count drops vlan 7)" -eq 5 ] || fail "tags are lost"

say "all points at once"
ctl capture start to "$files/to" vm=web direction=to filter='ether src 02:a0:00:00:00:01'
ctl capture start from "$files/from" vm=web direction=from filter='ether dst 02:a0:00:00:00:01'
ctl capture start rx "$files/rx" uplink=0 direction=rx filter='udp port 53'
ctl capture start tx "$files/tx" uplink=0 direction=tx filter='udp port 53' snaplen=60
ctl capture start both "$files/both" vm=web filter='ether proto 0x88b5'
ctl capture start few "$files/few" vm=web direction=to count=7
ctl capture start none "$files/none" vm=db
(cd "$files" && ctl capture start here here vm=web filter='udp port 53')
send udp other
for name in to from both here; do
    wait_for 10 has $name 40 || fail "$name: $(ctl capture list)"
done
wait_for 5 has tx 20 || fail "tx: $(ctl capture list)"
wait_for 5 is few state complete || fail "few: $(ctl capture list)"
ctl capture list >"$out"
[ "$(wc -l <"$out")" -eq 9 ] || fail "not eight captures: $(cat "$out")"
for name in to from rx tx both few none here; do
    stop $name
done
same to 262144 udp other
same from 262144 udp/swapped other/swapped
same rx 262144 udp
same tx 60 udp/swapped
[ "$(count few)" -eq 7 ] || fail "few has not seven"
[ "$(tshark -r "$files/both" -T fields -e frame.interface_name -e frame.packet_flags_direction \
    2>/dev/null | sort | uniq -c | xargs)" = "20 vm web 0x00000001 20 vm web 0x00000002" ] ||
    fail "both: $(tshark -r "$files/both" -T fields -e frame.packet_flags_direction)"

say "what is refused"
touch "$files/there"
refused "vm 'wbe', expected that of a VM" start x "$files/x" vm=wbe
refused 'uplink 7, expected the port of an uplink' start x "$files/x" uplink=7
refused 'vm and uplink, expected one' start x "$files/x" uplink=0 vm=web
refused "direction 'rx', expected from, to or both" start x "$files/x" vm=web direction=rx
refused "filter 'udp prt 5': .*syntax error" start x "$files/x" filter='udp prt 5'
refused 'snaplen 0, expected a number from 1 to 262144' start x "$files/x" snaplen=0
refused 'snaplen 262145, expected' start x "$files/x" snaplen=262145
refused 'count 0, expected' start x "$files/x" count=0
refused 'is there, expected a new one, or overwrite' start x "$files/there"
refused 'expected one in a directory that is there' start x "$files/nowhere/x"
refused 'expected a regular file' start x /dev/null overwrite=yes
refused "name 'a b', expected" start 'a b' "$files/x"
refused "name 'x', expected that of a capture" stop x
[ ! -e "$files/x" ] || fail "a capture that was refused has left a file"
ctl capture start x "$files/there" overwrite=yes
refused "name 'x', expected one that no capture has" start x "$files/y"
refused 'another capture writes it' start y "$files/there" overwrite=yes
ctl capture stop x

say "under load"
stop_pid "$guest_pid"
start_pair web db
traffic_flows "at first" web db
ctl capture start load "$files/load" vm=web snaplen=64
wait_for 10 has load 20000 || fail "load: $(ctl capture list)"
stop load
traffic_flows "after a stop under load" web db
mount -t tmpfs -o size=1m airlock-small "$files/small"
ctl capture start full "$files/small/full" vm=web
wait_for 10 is full state failed || fail "a full disk does not end it: $(ctl capture list)"
[ "$(field full error)" = 'No space left on device' ] || fail "full: $(field full error)"
ln -s small/full "$files/full"
stop full
[ "$told" -gt 100 ] || fail "only $told packets on the full disk"
tshark -r "$files/full" >"$AIRLOCK_WORK/tshark.txt" 2>&1 || fail "$(tail -n 2 "$AIRLOCK_WORK/tshark.txt")"
traffic_flows "after a full disk" web db

say "a VM that goes"
ctl capture start gone "$files/gone" vm=db
wait_for 10 has gone 100 || fail "gone: $(ctl capture list)"
ctl vm del db
wait_for 5 is gone state gone || fail "gone: $(ctl capture list)"
stop gone
ctl vm add name=db,mac=52:54:00:00:00:02,mode=server
ctl capture start left "$files/left"
stop_airlockd
tcpdump -n -r "$files/left" >/dev/null 2>&1 || fail "what a capture had at the end cannot be read"
allow_net_tap_log
allow_lost_guest_log
