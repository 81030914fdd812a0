# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# For cases whose VMs are processes with windows (window-guest), that come and go: what
# tests/smoke/lib_window_qemu.sh has, and
#
#   ctl COMMAND...               airlockctl
#   start_guest NAME OPTION...   the guest of a VM; returns when it receives
#   has_got NAME COUNT           it has got so many, all of them right

# shellcheck source=tests/smoke/lib_window_qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/../smoke/lib_window_qemu.sh"

ctl() {
    "$AIRLOCK_BUILD/app/airlockctl/airlockctl" --socket "$RUN_DIR/control.sock" "$@"
}

is_up() {
    [ "$(ask "/airlock/vm,$1 state" "/airlock/vm,$1 window state" | xargs)" = "up up" ] &&
        grep -q '^{' "$AIRLOCK_WORK/$1.log"
}

has_got() {
    [ "$(counted "$1" packets missing bad foreign)" = "$2 0 0 0" ]
}

start_guest() {
    rm -f "$AIRLOCK_WORK/$1.log" "$RUN_DIR/$1.sock"
    start_window_guest "$1" "$1" 0 --count $few --scan --interrupt "${@:2}"
    wait_for 20 is_up "$1" || fail "$1 does not receive"
}
