# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What every script here needs: messages, waiting for a condition, and a sandbox of its own.
#
# The sandbox is a network, mount and process namespace. Interfaces, mounts and processes made in
# it go away with it, so a script that is killed leaves as little behind as one that ends well.

AIRLOCK_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export AIRLOCK_TOP

say() {
    printf '%s\n' "$*"
}

warn() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    warn "$@"
    exit 1
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die "must run as root"
}

# wait_for SECONDS COMMAND...: run COMMAND until it succeeds; 1 when the time is over. On a slow
# machine a second of that is as many as patience says.
wait_for() {
    local deadline=$((SECONDS + $1 * ${patience:-1}))

    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# stop_pid PID [SECONDS]: SIGTERM, then SIGKILL. Returns the exit status of a child of this shell.
stop_pid() {
    local pid=$1 limit=${2:-10}

    kill -TERM "$pid" 2>/dev/null || true
    if ! wait_for "$limit" gone "$pid"; then
        where_is "$pid" >&2
        kill -KILL "$pid" 2>/dev/null || true
    fi
    wait "$pid" 2>/dev/null
}

# where_is PID: what each thread of a process that does not end is at.
where_is() {
    local task

    echo "process $1 has not ended:"
    for task in "/proc/$1/task"/*; do
        echo "  $(cat "$task/comm"): $(cut -d ' ' -f 3 "$task/stat")," \
            "$(xargs <"$task/stack") ($(cat "$task/syscall"))"
    done 2>/dev/null || true
}

# The process that unshare started: process 1 of the sandbox.
sandbox_init_pid() {
    local children=

    read -r children 2>/dev/null <"/proc/$1/task/$1/children" || true
    printf '%s' "${children%% *}"
}

# sandbox_forward UNSHARE_PID: ask the script inside to end; the second time, end it.
sandbox_forward() {
    local inner

    inner=$(sandbox_init_pid "$1")
    if [ -n "$sandbox_asked" ] || [ -z "$inner" ]; then
        kill -KILL "$1" 2>/dev/null
    else
        sandbox_asked=yes
        kill -TERM "$inner" 2>/dev/null
    fi
}

# sandbox_run COMMAND...: run COMMAND as process 1 of a sandbox, return its exit status.
# COMMAND finds AIRLOCK_SANDBOX=1 and a private directory in AIRLOCK_WORK. AIRLOCK_STDIN is its standard
# input.
sandbox_run() {
    local dir pid status

    dir=$(mktemp -d "${TMPDIR:-/tmp}/airlock.XXXXXX") || return 1
    sandbox_asked=
    # A background job of a script ignores SIGINT, and bash cannot undo that: env can.
    # Should this shell be killed, the kernel ends unshare, and unshare's end that of the sandbox.
    AIRLOCK_SANDBOX=1 AIRLOCK_WORK=$dir env --default-signal=INT,TERM \
        setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child=KILL \
        --mount-proc -- "$@" <"${AIRLOCK_STDIN:-/dev/null}" &
    pid=$!
    # SIGINT from a terminal reaches the inside by itself; here it must only not end this shell.
    trap 'sandbox_forward "$pid"' TERM HUP
    trap ':' INT
    # A signal interrupts the first wait.
    status=0
    wait "$pid" || status=$?
    while ! gone "$pid"; do
        status=0
        wait "$pid" || status=$?
    done
    trap - TERM HUP INT
    rmdir "$dir"
    return "$status"
}

# sandbox_init: first thing inside; makes the private directory and a hugetlbfs in it.
# All DPDK programs inside keep their run-time files there too.
sandbox_init() {
    mount -t tmpfs -o mode=0755 airlock "$AIRLOCK_WORK" || die "cannot mount a tmpfs"
    mkdir "$AIRLOCK_WORK/huge" "$AIRLOCK_WORK/dpdk"
    mount -t hugetlbfs -o pagesize=2M airlock-huge "$AIRLOCK_WORK/huge" ||
        die "cannot mount a hugetlbfs with 2 MiB pages"
    export RUNTIME_DIRECTORY=$AIRLOCK_WORK
    ip link set lo up
}

# mount_run_dir DIR: where airlockd keeps sockets and pool; in huge folios if the kernel has them.
mount_run_dir() {
    mkdir -p "$1"
    mount -t tmpfs -o huge=within_size,mode=0700 airlock-run "$1" 2>/dev/null ||
        mount -t tmpfs -o mode=0700 airlock-run "$1" || die "cannot mount a tmpfs on $1"
}
