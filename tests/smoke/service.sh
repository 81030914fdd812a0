#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# airlockd as a service of systemd, without systemd: it tells a notify socket when it is ready and
# when it stops; its log has the journal's levels; and what the unit leaves it of capabilities and
# system calls is enough for taps, packet sockets, and a VM with a window.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

unit=$AIRLOCK_TOP/config/systemd/airlockd.service.in
notified=$AIRLOCK_WORK/notified.log
traced=$AIRLOCK_WORK/strace.txt
real=$AIRLOCK_BUILD

# setting NAME: all values of the unit's.
setting() {
    sed -n "s/^$1=//p" "$unit" | xargs
}

# The system calls of a group, and of the groups in it.
calls_of() {
    local word

    for word in $(systemd-analyze syscall-filter "$1" | sed 1d | sed 's/#.*//'); do
        case $word in
        @*) calls_of "$word" ;;
        *) echo "$word" ;;
        esac
    done
}

# calls_beyond FILE: system calls in strace's summary that the unit forbids. DPDK's virtio driver
# tries iopl() when it is loaded, for old PCI devices; without CAP_SYS_RAWIO it fails anyway.
calls_beyond() {
    comm -13 <(for group in $(setting SystemCallFilter); do calls_of "$group"; done | sort -u) \
        <(sed -n 's/^ *[0-9.]\+ .* \([a-z][a-z0-9_]*\)$/\1/p' "$1" | grep -v -x -e total -e iopl | sort -u)
}

# capabilities: as setpriv takes them.
capabilities() {
    setting CapabilityBoundingSet | sed 's/CAP_/+/g; s/ /,/g' | tr '[:upper:]' '[:lower:]'
}

window_is_up() {
    [ "$(telemetry /airlock/vm,web window state)" = up ]
}

has_packets() {
    [ "$(telemetry /airlock/uplinks 1 received_packets)" -gt 0 ]
}

# As start_airlockd starts it: confined, watched, with somebody to notify.
mkdir -p "$AIRLOCK_WORK/build/app/airlockd"
cat >"$AIRLOCK_WORK/build/app/airlockd/airlockd" <<END_OF_WRAPPER
#!/bin/sh
export NOTIFY_SOCKET=$AIRLOCK_WORK/notify
exec strace -D -f -q -c -S name -o "$traced" \
    setpriv --no-new-privs --bounding-set=-all,$(capabilities) --inh-caps=-all \
    "$real/app/airlockd/airlockd" "\$@"
END_OF_WRAPPER
chmod +x "$AIRLOCK_WORK/build/app/airlockd/airlockd"

say "notify, capabilities, system calls"
start notified /usr/bin/python3 "$here/notified.py" "$AIRLOCK_WORK/notify"
wait_for 10 test -e "$AIRLOCK_WORK/notify"
ip link add host0 type veth peer name up0
ip link set host0 up
ip link set up0 up
AIRLOCK_BUILD=$AIRLOCK_WORK/build
start_airlockd --lcores '0@0,1@1' -m 128 --no-pci --vdev net_tap0,iface=tap0 \
    --vdev net_af_packet0,iface=up0 -- --uplink port=0 --uplink port=1 \
    --vm name=web,mac=52:54:00:00:00:01,uplink=1,deliver=auto --metrics 9100
AIRLOCK_BUILD=$real
grep -q -x 'READY=1' "$notified" || fail "not told that it is ready"
grep -q 'STATUS=.*2 uplinks, 1 VMs' "$notified"
! grep -q 'STOPPING' "$notified" || fail "told too early that it stops"
start_window_guest guest web 0
wait_for 30 window_is_up || fail "no window"
ip addr add 10.0.0.1/24 dev host0
ping -c 1 -W 1 10.0.0.2 >/dev/null || true
wait_for 10 has_packets
[ "$(telemetry /airlock/pages/verify verdict)" = clean ]
stop_pid "$STARTED_PID" || true
stop_airlockd
[ "$(grep -x -e READY=1 -e STOPPING=1 "$notified" | xargs)" = 'READY=1 STOPPING=1' ] ||
    fail "not told that it stops"
wait_for 10 test -s "$traced"
grep -q ' epoll_wait$' "$traced" || fail "no summary of system calls"
beyond=$(calls_beyond "$traced")
[ -z "$beyond" ] || fail "the unit forbids: $beyond"

say "levels for the journal"
journal=$AIRLOCK_WORK/journal.txt
touch "$journal"
stream=$(stat -c %d:%i "$journal")
JOURNAL_STREAM=$stream "$AIRLOCK_BUILD/app/airlockd/airlockd" --no-huge -m 64 --no-pci \
    --lcores '0@0,1@0' --file-prefix journal -- --run-dir "$RUN_DIR" \
    --vm name=web,mac=52:54:00:00:00:01 --check 2>"$journal"
grep -q '^<6>EAL: ' "$journal" || fail "no information for the journal"
! grep -v '^<[3-7]>' "$journal" || fail "lines without a level"
status=0
JOURNAL_STREAM=$stream "$AIRLOCK_BUILD/app/airlockd/airlockd" -- --nonsense 2>"$journal" || status=$?
[ $status -eq 2 ]
[ "$(cat "$journal")" = '<3>airlockd: --nonsense: unknown flag, expected one that --help lists' ]
JOURNAL_STREAM=$stream "$AIRLOCK_BUILD/app/airlockd/airlockd" -- --nonsense 2>"$journal.other" ||
    true
! grep -q '^<' "$journal.other" || fail "levels in what is no journal"

allow_net_tap_log
allow_lost_guest_log
