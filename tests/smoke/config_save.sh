#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# VMs of a file, a flag and the control socket; all of it is saved, airlockd is killed, and started
# from the file alone: the same VMs are there at the first question, they get packets again, and the
# pages are clean; a mirror is a mirror again. The file's comments are where they were.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

socket=$RUN_DIR/control.sock
conf=$AIRLOCK_WORK/$'airlock\xe9.conf' # a path may be anything but UTF-8

is_up() {
    ctl --json vm list | grep -q "\"name\":\"$1\",[^}]*\"state\":\"up\""
}

copies() {
    telemetry /airlock/vm,new rx_drops total
}

more_copies() {
    [ "$(copies)" -gt "$1" ]
}

# is_mirrored WHEN: what web sends comes to new, too, which has nobody to take it.
is_mirrored() {
    wait_for 20 more_copies "$(copies)" || fail "$1: nothing of web comes to new"
}

cat >"$conf" <<'END'
; This host's.
[vm web] ; sends
mac = 00:01:02:03:04:00 ; as flowgen has it
 vlan=10

; goes
[vm old]
mac = 52:54:00:00:00:05
END
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci -- -c "$conf" \
    --vm name=db,mac=52:54:00:00:00:02,queues=1,storm=77
# testpmd connects again when its link goes, so it has to look for that. In this mode it sends from
# and to addresses of its own; what it gets it drops.
start guests dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix guests \
    --vdev "net_virtio_user0,path=$RUN_DIR/web.sock,server=1" \
    --vdev "net_virtio_user1,path=$RUN_DIR/db.sock,server=1" \
    -- --forward-mode=flowgen --total-num-mbufs=8192 --stats-period 3600
wait_for 30 is_up web || fail "web does not connect"
wait_for 30 is_up db || fail "db does not connect"

ctl vm set db mac=00:01:02:03:04:01,rx-rate=10G
ctl vm set web vlan=0
ctl vm del old
ctl vm add name=new,mac=52:54:00:00:00:03,mode=server,antispoof=off
ctl vm set web mirror=new,mirror-direction=tx
ctl --json config show | grep -q '"file":"[^"]*/airlock?.conf"' || fail "$(ctl --json config show)"
ctl config save
cat >"$AIRLOCK_WORK/expected.conf" <<END
; This host's.
[vm web] ; sends
mac = 00:01:02:03:04:00 ; as flowgen has it
 vlan=0
mirror = new
mirror-direction = tx


[airlock]
run-dir = $RUN_DIR

[vm db]
mac = 00:01:02:03:04:01
storm = 77
rx-rate = 10000000000

[vm new]
mac = 52:54:00:00:00:03
mode = server
antispoof = off
END
diff -u "$AIRLOCK_WORK/expected.conf" "$conf" || fail "saved something else"
cp "$conf" "$AIRLOCK_WORK/copy.conf"
ctl config save "$AIRLOCK_WORK/other.conf"
cmp "$conf" "$AIRLOCK_WORK/other.conf" || fail "another file has other text"
ctl config show >"$AIRLOCK_WORK/before"
traffic_flows "before" db
is_mirrored "before"

# Nothing is left of a file that cannot be written, and somebody else's change stays.
! ctl config save "$AIRLOCK_WORK/run/none/x" 2>/dev/null || fail "saved where no folder is"
echo '; mine' >>"$conf"
! ctl config save 2>"$AIRLOCK_WORK/refused" || fail "another's change is lost"
grep -q 'has changed since it was read' "$AIRLOCK_WORK/refused" || fail "$(cat "$AIRLOCK_WORK/refused")"
cp "$AIRLOCK_WORK/copy.conf" "$conf"
[ -z "$(find "$AIRLOCK_WORK" -name '.airlock*.conf.*')" ] || fail "a file is left behind"

kill -9 "$airlockd_pid"
wait "$airlockd_pid" 2>/dev/null || true
rm "$socket"
"$AIRLOCK_BUILD/app/airlockd/airlockd" --file-prefix "$AIRLOCKD_PREFIX" \
    --huge-dir "$AIRLOCK_WORK/huge" --lcores '0@0,1@1' -m 256 --no-pci -- -c "$conf" \
    >>"$AIRLOCKD_LOG" 2>&1 </dev/null &
airlockd_pid=$!
wait_for 30 test -S "$socket" || fail "airlockd does not start from the file"
[ "$(ctl --json vm list | grep -o '"name":"[a-z]*"' | tr '\n' ' ')" = \
    '"name":"web" "name":"db" "name":"new" ' ] || fail "first VMs: $(ctl vm list)"
ctl config show | diff -u "$AIRLOCK_WORK/before" - || fail "the configuration is another"
wait_for 30 is_up web || fail "web is not back"
wait_for 30 is_up db || fail "db is not back"
traffic_flows "after" db
is_mirrored "after"
ctl pages verify >"$AIRLOCK_WORK/verify" || fail "$(cat "$AIRLOCK_WORK/verify")"
stop_airlockd
