# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What a smoke test sources first:
#
#   #!/bin/bash
#   . "$(dirname "$0")/lib.sh"
#   allow_log 'uplink 0: link is down'
#   start_airlockd -l 0 --no-pci --vdev net_tap0,iface=up0 -- --uplink port=0 --vm ...
#   wait_for 5 ping -c 1 ...
#   stop_airlockd
#
# From the source line on the script runs in a sandbox (config/lib/common.sh): interfaces it makes,
# mounts and processes go away with it. AIRLOCK_WORK is a private tmpfs, RUN_DIR airlockd's run
# directory in it. The script ends as soon as a command fails. An airlockd that still runs at its
# end is stopped and has to exit with 0, and a WARN or ERR line in its log that no allow_log names
# is a failure; so is an allow_log that names none. On failure the logs are shown.
#
# Also here, from common.sh: wait_for SECONDS COMMAND..., stop_pid PID, say, warn, die.

# shellcheck source=config/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/common.sh"

need_root
if [ -z "${AIRLOCK_SANDBOX:-}" ]; then
    sandbox_run "$0" "$@"
    exit
fi

set -eu -o pipefail

AIRLOCK_BUILD=$(realpath "${AIRLOCK_BUILD:-$AIRLOCK_TOP/build}")
RUN_DIR=$AIRLOCK_WORK/run
AIRLOCKD_LOG=$AIRLOCK_WORK/airlockd.log
AIRLOCKD_PREFIX=airlockd
airlockd_pid=
allowed=()
# What DPDK 22.11 warns of every time.
ignored='^WARN TELEMETRY: No legacy callbacks'
others=()
# How long airlockd may take until it is ready, seconds.
ready_s=30
# What has to hold at the end of a test that went well; a function each.
checks=(check_log)

# skip REASON: this machine cannot run the test.
skip() {
    echo "skip: $*"
    exit 77
}

# fail REASON
fail() {
    echo "FAILED: $*"
    exit 1
}

# allow_log REGEX: one or more WARN or ERR lines of airlockd have to match this.
allow_log() {
    allowed+=("$1")
}

# allow_if_there REGEX: WARN or ERR lines may match this; after stop_airlockd.
allow_if_there() {
    if grep -E '^(WARN|ERR) ' "$AIRLOCKD_LOG" | grep -q -E -e "$1"; then
        allow_log "$1"
    fi
}

# net_tap's, where the kernel has no multiq qdisc: no rte_flow then, which airlockd does not use.
allow_net_tap_log() {
    allow_if_there '^ERR (tap_|qdisc_create_multiq|eth_dev_tap_create)'
}

# rte_vhost's, when a guest ends that it has just connected to, or that has not read its answer.
allow_lost_guest_log() {
    allow_if_there '^ERR VHOST_CONFIG: .*(recvmsg failed on fd|vhost read message failed)'
}

# check_log: no other WARN or ERR line than those allowed, and some for each of them.
check_log() {
    local lines regex

    [ -e "$AIRLOCKD_LOG" ] || return 0
    lines=$(grep -E '^(WARN|ERR) ' "$AIRLOCKD_LOG" || true)
    for regex in ${allowed[@]+"${allowed[@]}"}; do
        grep -q -E -e "$regex" <<<"$lines" || {
            echo "no WARN or ERR line matches: $regex"
            return 1
        }
        lines=$(grep -v -E -e "$regex" <<<"$lines" || true)
    done
    lines=$(grep -v -E -e "$ignored" <<<"$lines" || true)
    [ -z "$lines" ] || {
        echo "not expected in airlockd's log:"
        echo "$lines"
        return 1
    }
}

# is_ready_or_gone FROM_BYTE: airlockd says so behind this place of its log, or is no more.
is_ready_or_gone() {
    grep -q -w ready <(tail -c "+$1" "$AIRLOCKD_LOG") || gone "$airlockd_pid"
}

# start_airlockd EAL_OPTION... -- OPTION...: start it and wait until it forwards. File prefix,
# hugetlbfs and run directory are added.
start_airlockd() {
    local eal=() from huge=(--huge-dir "$AIRLOCK_WORK/huge")

    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        [ "$1" != --no-huge ] || huge=()
        eal+=("$1")
        shift
    done
    shift $(($# > 0))
    touch "$AIRLOCKD_LOG"
    from=$(($(wc -c <"$AIRLOCKD_LOG") + 1))
    "$AIRLOCK_BUILD/app/airlockd/airlockd" --file-prefix "$AIRLOCKD_PREFIX" \
        ${huge[@]+"${huge[@]}"} ${eal[@]+"${eal[@]}"} -- --run-dir "$RUN_DIR" "$@" \
        >>"$AIRLOCKD_LOG" 2>&1 </dev/null &
    airlockd_pid=$!
    wait_for $ready_s is_ready_or_gone "$from" || fail "airlockd is not ready after $ready_s seconds"
    ! gone "$airlockd_pid" || fail "airlockd has ended instead of getting ready"
}

end_airlockd() {
    local pid=$airlockd_pid status=0

    airlockd_pid=
    stop_pid "$pid" 15 || status=$?
    [ $status -eq 0 ] || echo "FAILED: airlockd has ended with status $status"
    return $status
}

# stop_airlockd: SIGTERM; it has to exit with 0 within 15 seconds.
stop_airlockd() {
    [ -n "$airlockd_pid" ] || fail "airlockd does not run"
    end_airlockd
}

# start NAME COMMAND...: another program in the background; log in AIRLOCK_WORK/NAME.log, process
# in STARTED_PID. It is stopped when the test ends.
start() {
    local log=$AIRLOCK_WORK/$1.log

    shift
    "$@" >>"$log" 2>&1 </dev/null &
    STARTED_PID=$!
    others+=("$STARTED_PID")
}

# make_netns NAME: a network namespace for `ip netns exec NAME`, gone with the sandbox.
make_netns() {
    mkdir -p /run/netns
    mountpoint -q /run/netns || mount -t tmpfs airlock-netns /run/netns
    ip netns add "$1"
    ip -n "$1" link set lo up
}

# telemetry COMMAND [KEY...]: airlockd's answer as JSON; with keys, what stands under them.
telemetry() {
    /usr/bin/python3 - "$RUNTIME_DIRECTORY/dpdk/$AIRLOCKD_PREFIX/dpdk_telemetry.v2" "$@" <<'END'
import json
import socket
import sys

path, command, *keys = sys.argv[1:]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
    client.settimeout(10)
    client.connect(path)
    size = json.loads(client.recv(4096))["max_output_len"]
    client.send(command.encode())
    (value,) = json.loads(client.recv(size)).values()
for key in keys:
    value = value[int(key) if isinstance(value, list) else key]
print(value if isinstance(value, str) else json.dumps(value))
END
}

# ask PREFIX QUESTION...: ask.py
ask() {
    /usr/bin/python3 "$AIRLOCK_TOP/tests/smoke/ask.py" "$@"
}

# ctl COMMAND...: airlockctl, to this airlockd.
ctl() {
    "$AIRLOCK_BUILD/app/airlockctl/airlockctl" --socket "$RUN_DIR/control.sock" "$@"
}

# start_window_guest NAME VM CPU ARG...: window-guest in a process, as a VM with a window.
start_window_guest() {
    local name=$1 vm=$2 cpu=$3

    shift 3
    start "$name" "$AIRLOCK_BUILD/tests/smoke/window-guest" --lcores "0@$cpu" --no-pci --no-huge \
        -m 512 --file-prefix "$name" \
        --vdev "net_virtio_user0,path=$RUN_DIR/$vm.sock,server=1,queue_size=2048" -- \
        --window "$RUN_DIR/$vm.window" --ring 2048 "$@"
}

# start_window_testpmd NAME VM CPU ARG...: an unmodified dpdk-testpmd as a VM with a window. Here and
# elsewhere: testpmd prints its statistics when it has begun only if the machine has been up for
# longer than --stats-period.
start_window_testpmd() {
    local name=$1 vm=$2 cpu=$3

    shift 3
    start "$name" env LD_PRELOAD="$AIRLOCK_BUILD/app/guest/libairlock-guest.so" \
        AIRLOCK_WINDOW="$RUN_DIR/$vm.window" \
        dpdk-testpmd --lcores "0@$cpu,1@$cpu" --no-pci --no-huge -m 512 --file-prefix "$name" \
        --vdev "net_virtio_user0,path=$RUN_DIR/$vm.sock,server=1,queue_size=2048" -- \
        --rxd=2048 --txd=2048 --total-num-mbufs=4096 --stats-period 60 "$@"
}

# counted NAME KEY...: by the last line of JSON in the log of a window-guest, which prints one
# a second.
counted() {
    /usr/bin/python3 -c '
import json, sys
lines = [line for line in open(sys.argv[1]) if line.startswith("{") and line.endswith("}\n")]
print(*(json.loads(lines[-1])[key] for key in sys.argv[2:]))' "$AIRLOCK_WORK/$1.log" "${@:2}"
}

# start_pair NAME1 NAME2: one testpmd that is two VMs, with the addresses 52:54:00:00:00:01 and :02,
# which airlockd serves; each sends to the other as fast as it can.
start_pair() {
    start guest dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 128 --file-prefix guest \
        --vdev "net_virtio_user0,path=$RUN_DIR/$1.sock,mac=52:54:00:00:00:01" \
        --vdev "net_virtio_user1,path=$RUN_DIR/$2.sock,mac=52:54:00:00:00:02" \
        -- --forward-mode=mac --eth-peer=0,52:54:00:00:00:02 --eth-peer=1,52:54:00:00:00:01 \
        --port-topology=loop --tx-first --total-num-mbufs=8192 --no-lsc-interrupt \
        --stats-period 60
}

delivers_more() {
    [ "$(telemetry "/airlock/vm,$1" delivered_packets)" -gt "$2" ]
}

# traffic_flows WHEN NAME...: each of these VMs gets packets.
traffic_flows() {
    local when=$1 name now

    shift
    for name in "$@"; do
        now=$(telemetry "/airlock/vm,$name" delivered_packets)
        wait_for 20 delivers_more "$name" "$now" || fail "$name gets no packets $when"
    done
}

finish() {
    local status=$?

    trap '' INT TERM
    trap - EXIT
    set +e
    if [ $status -eq 0 ] && [ -n "$airlockd_pid" ]; then
        end_airlockd || status=1
    fi
    if [ $status -eq 0 ]; then
        for check in "${checks[@]}"; do
            $check || status=1
        done
    fi
    for pid in $airlockd_pid ${others[@]+"${others[@]}"}; do
        stop_pid "$pid"
    done
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        echo "exit status $status"
        for log in "$AIRLOCK_WORK"/*.log; do
            [ -e "$log" ] || continue
            echo "==> ${log##*/}"
            tail -n 200 "$log"
        done
    fi
    exit $status
}

trap finish EXIT
trap 'echo "FAILED: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR
trap 'exit 143' TERM
trap 'exit 130' INT
sandbox_init
mount_run_dir "$RUN_DIR"
