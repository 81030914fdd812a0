# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Building airlock. Needs common.sh.

# airlock_build DIR [MESON OPTION...]: set up DIR if that was not done yet, and build in it.
# Quiet, unless it fails. Debian's own meson is called by its path: another one in PATH
# would bring another python, and with it other modules.
airlock_build() {
    local dir=$1 log

    shift
    case $dir in
    /*) ;;
    *) dir=$AIRLOCK_TOP/$dir ;;
    esac
    log=$(mktemp) || return 1
    if ! { [ -f "$dir/build.ninja" ] ||
        /usr/bin/meson setup "$@" "$dir" "$AIRLOCK_TOP" >"$log" 2>&1; } ||
        ! /usr/bin/ninja -C "$dir" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        warn "building airlock in $dir failed"
        return 1
    fi
    rm -f "$log"
}
