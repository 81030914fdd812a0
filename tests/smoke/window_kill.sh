#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 600
#
# Guests with windows, in processes, are killed under load, while three others receive: each time
# all of their pages come back.
#
#   tests/smoke/window_kill.sh [KILLS]

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib_qemu.sh
. "$here/lib_qemu.sh"
# shellcheck source=tests/smoke/lib_window_qemu.sh
. "$here/lib_window_qemu.sh"
# shellcheck source=tests/smoke/lib_window_load.sh
. "$here/lib_window_load.sh"

kills=${1:-20}

# kill_one NAME: a guest that has just begun to receive.
kill_one() {
    local pid

    rm -f "$RUN_DIR/$1.sock"
    start_receiver "$1" 1024 --posted 1
    pid=$STARTED_PID
    load_go_on
    gets_load "$1"
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
    wait_for 20 has_gone "$1" || fail "$1 was killed, and is still there: $(ask "/airlock/vm,$1")"
    load_pause
    wait_for 10 is_clean || fail "$1 was killed: $(ask /airlock/pages/verify /airlock/pages)"
}

make_packets
start_uplink
start_load
for ((i = 1; i <= kills; i++)); do
    kill_one "$([ $((i % 2)) -ne 0 ] && echo web || echo aut)"
done
say "$kills killed"
end_load
stop_airlockd
# A connection that was cut off while something was still to be read.
allow_if_there '^ERR VHOST_CONFIG: .*(recvmsg failed on fd .*Connection reset by peer|vhost read message failed)'
