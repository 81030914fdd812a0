#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# airlock as a new user gets to know it: the service's command with a configuration file that has an
# uplink and no VM; three VMs are added, and their counters move; ten dropped packets are captured,
# and tshark tells why; a rate limit holds; all is saved, airlockd is killed, and what comes back is
# what was there.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

command -v tshark >/dev/null || skip "there is no tshark"
conf=$AIRLOCK_WORK/airlock.conf
unit=$AIRLOCK_TOP/config/systemd/airlockd.service.in
declare -A mac=([web]=52:54:00:00:00:01 [db]=52:54:00:00:00:02 [log]=52:54:00:00:00:03)

# start_service: the unit's command, with this build and this run directory.
start_service() {
    local command

    command=$(sed -n 's/^ExecStart=[^ ]* //p' "$unit")
    command=${command//\$AIRLOCK_EAL/--lcores 0@0,1@1 -m 256 --no-pci --vdev net_tap0,iface=tap0}
    command=${command//\/etc\/airlock\/airlock.conf/$conf}
    command=${command//\$AIRLOCK_OPTIONS/}
    # shellcheck disable=SC2086
    start_airlockd $command
    ip link set tap0 up
}

# guest NAME MODE [TESTPMD_OPTION...]
guest() {
    start "$1" dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix "$1" \
        --vdev "net_virtio_user0,path=$RUN_DIR/$1.sock,server=1,queue_size=1024,mac=${mac[$1]}" \
        -- --forward-mode="$2" --rxd=1024 --txd=1024 --total-num-mbufs=8192 \
        --stats-period 60 "${@:3}"
}

delivered() {
    ctl --json vm show "$1" | /usr/bin/python3 -c '
import json, sys
print(json.load(sys.stdin)["delivered_packets"])'
}

moves() {
    local before

    before=$(delivered "$1")
    wait_for 20 test_moves "$1" "$before" || fail "nothing comes to $1"
}

test_moves() {
    [ "$(delivered "$1")" -gt "$2" ]
}

# state: what a restart must bring back.
state() {
    ctl config show
    ctl --json vm list | /usr/bin/python3 -c '
import json, sys
for vm in json.load(sys.stdin):
    print(vm["name"], vm["mac"], vm["state"])'
}

# holds: web's limit, within 2 %.
holds() {
    /usr/bin/python3 -B "$here/rate.py" "$RUN_DIR/control.sock" db 1514 web tx
}

all_up() {
    [ "$(ctl --json vm list | grep -o '"state": *"up"' | wc -l)" -eq 3 ]
}

is_complete() {
    ctl capture list | grep -q complete
}

say "the service's command, and three VMs"
printf '[airlock]\nrun-dir = %s\n\n; The way out.\n[uplink 0]\nmtu = 1500\n' "$RUN_DIR" >"$conf"
start_service
for name in web db log; do
    ctl vm add "name=$name,mac=${mac[$name]}"
done
guest web txonly "--eth-peer=0,${mac[db]}" --txpkts=1514
guest db rxonly
guest log rxonly
wait_for 30 all_up || fail "the VMs are not up: $(ctl vm list)"
moves db
ctl stats

say "ten dropped packets"
ctl capture start drops "$AIRLOCK_WORK/drops.pcapng" uplink=0 drops_only=yes count=10
/usr/bin/python3 "$here/capture_packets.py" send tap0 unknown
wait_for 10 is_complete || fail "not ten drops: $(ctl capture list)"
ctl capture stop drops
tshark -r "$AIRLOCK_WORK/drops.pcapng" -T fields -e frame.comment >"$AIRLOCK_WORK/reasons" 2>/dev/null
[ "$(wc -l <"$AIRLOCK_WORK/reasons")" -eq 10 ] || fail "tshark: $(cat "$AIRLOCK_WORK/reasons")"
grep -q '^drop: unknown_mac$' "$AIRLOCK_WORK/reasons" || fail "tshark: $(cat "$AIRLOCK_WORK/reasons")"

say "a rate limit"
ctl vm set web tx-rate=100M,tx-burst=25000000
holds

say "saved, killed, and back"
ctl config save
grep -q '^; The way out.$' "$conf" || fail "the comment is lost: $(cat "$conf")"
state >"$AIRLOCK_WORK/before"
kill -KILL "$airlockd_pid"
wait "$airlockd_pid" 2>/dev/null || true
start_service
wait_for 30 all_up || fail "the VMs are not back: $(ctl vm list)"
state >"$AIRLOCK_WORK/after"
cmp "$AIRLOCK_WORK/before" "$AIRLOCK_WORK/after" ||
    fail "$(diff "$AIRLOCK_WORK/before" "$AIRLOCK_WORK/after")"
moves db
holds
ctl pages verify
stop_airlockd
allow_net_tap_log
allow_lost_guest_log
