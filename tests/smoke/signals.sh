#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# asan
#
# Signals and what else ends or starts a daemon, all under full load: SIGHUP changes nothing, SIGINT
# and SIGTERM stop it and leave an empty run directory; a second daemon is refused; after SIGKILL a
# new one takes over pool and sockets, and refuses another size of the pool.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

airlockd=$AIRLOCK_BUILD/app/airlockd/airlockd
# net_null's packets are for an address that no VM has: they are load, and the VMs send too.
# shellcheck disable=SC2054
options=(--lcores '0@0,1@1' -m 256 --no-pci --vdev net_null0 -- --uplink port=0
    --vm name=a,mac=52:54:00:00:00:01,mode=server --vm name=b,mac=52:54:00:00:00:02,mode=server)
guest_pid=

start_all() {
    start_airlockd "${options[@]}"
    start_pair a b
    guest_pid=$STARTED_PID
    traffic_flows "after the start" a b
}

# stop_by SIGNAL: exit status 0, and nothing left behind.
stop_by() {
    local pid=$airlockd_pid status=0 left

    airlockd_pid=
    kill "-$1" "$pid"
    wait_for 15 gone "$pid" || fail "SIG$1 does not end it within 15 seconds"
    wait "$pid" || status=$?
    [ $status -eq 0 ] || fail "exit status $status after SIG$1"
    stop_pid "$guest_pid" || true
    left=$(find "$RUN_DIR" -mindepth 1)
    [ -z "$left" ] || fail "left behind after SIG$1: $left"
}

# refused REGEX OPTION...: another daemon on this run directory ends with 2 and one line.
refused() {
    local regex=$1 err=$AIRLOCK_WORK/refused.txt status=0

    shift
    timeout -k 5 30 "$airlockd" --file-prefix refused --lcores '0@0,1@0' --no-pci --no-huge \
        -m 128 -- --run-dir "$RUN_DIR" --vm name=c,mac=52:54:00:00:00:03 "$@" \
        >"$err" 2>&1 </dev/null || status=$?
    [ $status -eq 2 ] || fail "exit status $status, not 2: $(cat "$err")"
    [ "$(grep -c '^airlockd: ' "$err")" -eq 1 ] || fail "not exactly one line: $(cat "$err")"
    grep -q -E "^airlockd: $regex" "$err" || fail "not for the right reason: $(cat "$err")"
}

say "SIGHUP"
start_all
for _ in 1 2 3 4 5; do
    kill -HUP "$airlockd_pid"
    sleep 0.1
done
traffic_flows "after SIGHUP" a b
[ "$(telemetry /airlock/vm,a connects)" = 1 ] || fail "SIGHUP cost a its connection"
grep -q 'airlockd: SIGHUP' "$AIRLOCKD_LOG" || fail "no word of SIGHUP"

say "a second daemon"
refused '--run-dir: .*/pool: another process'
[ -S "$RUN_DIR/a.sock" ] || fail "the second daemon took a socket away"
traffic_flows "after a second daemon was refused" a b

say "SIGTERM"
stop_by TERM

say "SIGINT"
start_all
stop_by INT

say "SIGKILL"
start_all
inode=$(stat -c %i "$RUN_DIR/pool")
kill -KILL "$airlockd_pid"
wait "$airlockd_pid" 2>/dev/null || true
airlockd_pid=
stop_pid "$guest_pid" || true
[ -S "$RUN_DIR/a.sock" ] || fail "no socket left: nothing to replace"
refused '--pool-pages: .*/pool: it has another size' --pool-pages 4096
start_all
[ "$(stat -c %i "$RUN_DIR/pool")" = "$inode" ] || fail "the pool file was replaced"
stop_by TERM
