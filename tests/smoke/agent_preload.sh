#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# libairlock-agent.so in a stock QEMU, against a played airlockd (fake_window.py): the window is dark
# but for what is mapped, dark again when airlockd is killed, and comes back; every way of mapping
# the pool that cannot be guarded is refused.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
agent=$AIRLOCK_BUILD/app/agent/libairlock-agent.so
pool=$RUN_DIR/pool
window=$RUN_DIR/web.window
pages=4096
backend=memory-backend-file,id=pool,mem-path=$pool,share=on,size=$((pages * 4096))
preload=(LD_PRELOAD="$agent" AIRLOCK_WINDOW="$window")
fake_pid=

fake() {
    "$here/fake_window.py" "$@"
}

ask() {
    fake ask "$window" "$@"
}

start_fake() {
    start fake "$here/fake_window.py" serve "$window" "$pool"
    fake_pid=$STARTED_PID
    wait_for 10 answers || fail "fake_window.py does not answer"
}

answers() {
    ask hello >/dev/null 2>&1
}

kill_fake() {
    kill -KILL "$fake_pid"
    wait "$fake_pid" 2>/dev/null || true
}

# machine NAME VARIABLE... -- OPTION...: a QEMU whose guest is its BIOS; process in STARTED_PID.
machine() {
    local name=$1 variables=()

    shift
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    shift
    start "$name" env "${variables[@]}" qemu-system-x86_64 -machine q35,accel=tcg -m 32 \
        -nodefaults -display none -monitor "unix:$AIRLOCK_WORK/$name.monitor,server=on,wait=off" \
        "$@"
}

# monitor NAME COMMAND
monitor() {
    printf '%s\n' "$2" | socat -t 2 - "UNIX-CONNECT:$AIRLOCK_WORK/$1.monitor" >/dev/null
}

has_hello() {
    [ "$(ask hello)" != none ]
}

has_no_hello() {
    [ "$(ask hello)" = none ]
}

nb_mapped() {
    fake mapped "$1" "$pool"
}

is_dark() {
    [ "$(nb_mapped "$1")" = 0 ]
}

has_thread() {
    grep -q -x airlock-agent "/proc/$1/task"/*/comm
}

# served PID: it has said hello with its window, and the window is dark until pages are mapped.
served() {
    local base size pid

    wait_for 20 has_hello || fail "no hello"
    read -r pid base size < <(ask hello)
    [ "$pid" -eq "$1" ] || fail "hello comes from process $pid"
    [ "$size" -eq $((pages * 4096)) ] || fail "hello tells of $size bytes"
    grep -q -E "^$base-[0-9a-f]+ rw-s .* $pool$" "/proc/$1/maps" || fail "no window at $base"
    has_thread "$1" || fail "no thread airlock-agent"
    is_dark "$1" || fail "visible before anything is mapped"
    [ "$(ask map 5 7)" = 0 ] || fail "cannot map"
    [ "$(nb_mapped "$1")" = 7 ] || fail "$(nb_mapped "$1") pages visible, not 7"
    [ "$(ask unmap 6 4)" = 0 ] || fail "cannot unmap"
    [ "$(nb_mapped "$1")" = 3 ] || fail "$(nb_mapped "$1") pages visible, not 3"
    [ "$(ask unmap 0 "$pages")" = 0 ] || fail "cannot unmap all"
    is_dark "$1" || fail "visible when all is unmapped"
}

# refused NAME REGEX: it has ended by itself, with an error, and said why.
refused() {
    local status=0

    wait_for 20 gone "$STARTED_PID" || fail "$1 runs"
    wait "$STARTED_PID" || status=$?
    [ $status -eq 1 ] || fail "$1 ended with status $status"
    grep -q -E -e "^libairlock-agent: .*$2" "$AIRLOCK_WORK/$1.log" || fail "$1 does not say: $2"
}

# stopped NAME: QEMU ends when it is asked to.
stopped() {
    stop_pid "$STARTED_PID" || fail "$1 ended with status $?"
    wait_for 10 has_no_hello || fail "$1 has gone, its connection has not"
}

fake fill "$pool" "$pages"

say "nobody tells which file is the pool"
machine nobody "${preload[@]}" -- -object "$backend"
refused nobody "airlockd does not tell"

say "a window from the start to the end of QEMU"
start_fake
machine first "${preload[@]}" -- -object "$backend" -device ivshmem-plain,memdev=pool
first=$STARTED_PID
served "$first"

say "a second agent for one VM"
machine second "${preload[@]}" AIRLOCK_POOL="$pool" -- -object "$backend"
wait_for 20 grep -q 'libairlock-agent: airlockd refuses: this VM has an agent' \
    "$AIRLOCK_WORK/second.log" || fail "not said"
is_dark "$STARTED_PID" || fail "the refused agent's window is visible"
stop_pid "$STARTED_PID"
[ "$(grep -c refuses "$AIRLOCK_WORK/second.log")" -eq 1 ] || fail "said more than once"

say "airlockd is killed, and comes again"
for _ in 1 2 3; do
    [ "$(ask map 0 "$pages")" = 0 ] || fail "cannot map all"
    [ "$(nb_mapped "$first")" = "$pages" ] || fail "not all visible"
    kill_fake
    wait_for 5 is_dark "$first" || fail "visible without airlockd"
    start_fake
    served "$first"
done

say "the window is taken out of QEMU and put in again"
STARTED_PID=$first
stopped first
machine plugged "${preload[@]}" --
plugged=$STARTED_PID
wait_for 20 test -S "$AIRLOCK_WORK/plugged.monitor"
for _ in 1 2 3; do
    monitor plugged "object_add $backend"
    served "$plugged"
    monitor plugged "object_del pool"
    wait_for 10 has_no_hello || fail "still served"
    ! has_thread "$plugged" || fail "the agent's thread lives on"
done
[ "$(find "/proc/$plugged/fd" -lname '*userfaultfd*' | wc -l)" -eq 0 ] || fail "descriptors left"
STARTED_PID=$plugged
stopped plugged

say "started by a shell, and daemonized"
start shell env "${preload[@]}" sh -c "qemu-system-x86_64 -machine q35,accel=tcg -m 32 \
    -nodefaults -display none -object $backend -daemonize -pidfile $AIRLOCK_WORK/pid; true"
wait_for 20 test -s "$AIRLOCK_WORK/pid" || fail "not started"
daemon=$(cat "$AIRLOCK_WORK/pid")
served "$daemon"
kill "$daemon"
wait_for 10 has_no_hello || fail "still there"

say "children of a VMM are not concerned"
/usr/bin/env "${preload[@]}" /usr/bin/python3 - "$pool" >"$AIRLOCK_WORK/child.log" 2>&1 <<'END'
import mmap
import os
import sys

with open(sys.argv[1], "r+b") as pool:
    window = mmap.mmap(pool.fileno(), 0)
    for flags in mmap.MAP_SHARED, mmap.MAP_PRIVATE:
        try:
            mmap.mmap(pool.fileno(), 0, flags=flags)
            sys.exit("mapped a second time")
        except OSError as error:
            print(error.strerror)
other = mmap.mmap(-1, 4096)
other[0] = 1
other.close()
sys.exit(os.system('[ -z "$AIRLOCK_WINDOW" ]'))
END
wait_for 10 has_no_hello || fail "still there"

say "ways to map the pool that cannot be guarded"
machine private "${preload[@]}" -- -object "${backend/share=on/share=off}"
refused private "share=on,size=$((pages * 4096))"
machine small "${preload[@]}" -- -object "${backend/size=*/size=8M}"
refused small "share=on,size=$((pages * 4096))"
has_no_hello || fail "a window nevertheless"

say "as a plugin"
machine plugin A=B -- -object "$backend" -plugin "file=$agent,window=$window"
served "$STARTED_PID"
stopped plugin
machine both "${preload[@]}" -- -object "$backend" -plugin "file=$agent"
served "$STARTED_PID"
stopped both
machine empty A=B -- -plugin "file=$agent,window=$window"
refused empty "no mapping of the pool"
machine nameless A=B -- -object "$backend" -plugin "file=$agent"
refused nameless "the window socket is missing"
machine typo A=B -- -object "$backend" -plugin "file=$agent,widow=$window"
refused typo "widow="

say "airlockd comes later than the VMM"
kill_fake
machine early "${preload[@]}" AIRLOCK_POOL="$pool" -- -object "$backend"
early=$STARTED_PID
wait_for 20 has_thread "$early" || fail "no thread airlock-agent"
is_dark "$early" || fail "visible without airlockd"
start_fake
served "$early"
STARTED_PID=$early
stopped early

say "without AIRLOCK_WINDOW nothing happens"
machine off LD_PRELOAD="$agent" -- -object "$backend"
off=$STARTED_PID
wait_for 20 test -S "$AIRLOCK_WORK/off.monitor"
! has_thread "$off" || fail "there is an agent"
stop_pid "$off"
[ "$(grep -c libairlock "$AIRLOCK_WORK/off.log")" -eq 0 ] || fail "it said something"
