# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What a case of the lab sources first. It is a smoke test (tests/smoke/lib.sh says what there is),
# only that it runs in the box, and that it has
#
#   start_on_card OPTION...     airlockd on the card, which is port 0
#   guest_start ...             guests under KVM: config/lib/guest.sh
#   outside COMMAND...          run a line of shell outside: "outside send FILE" sends the packets of
#                               a pcap file to the card, "outside ping ...", "outside monitor ..."
#   allow_kernel REGEX          one or more warnings of the kernel have to match this
#   CARD, EDU                   PCI addresses
#   LAB_SHARE                   a directory that is outside, too
#
# At the end of a case the kernel must have warned of nothing else, and no DMA may have been refused.

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${LAB_SHARE:-}" ]; then
    echo "${0##*/}: a case runs in the box: tests/lab/run $(basename "$0" .sh)" >&2
    exit 2
fi
# shellcheck source=config/lib/guest.sh
. "$lab/../../config/lib/common.sh"
# shellcheck source=config/lib/guest.sh
. "$lab/../../config/lib/guest.sh"
# shellcheck source=tests/smoke/lib.sh
. "$lab/../smoke/lib.sh"
# shellcheck source=tests/lab/lib_box.sh
. "$lab/lib_box.sh"

CARD=$(find_device "$LAB_CARD_ID")
# shellcheck disable=SC2034
EDU=$(find_device "$LAB_EDU_ID")
allowed_kernel=()

allow_kernel() {
    allowed_kernel+=("$1")
}

# kernel_warnings: all so far, but those of an emulated CPU that did not get its time.
kernel_warnings() {
    dmesg --level emerg,alert,crit,err,warn --notime |
        grep -v -E '^(hrtimer: interrupt took|perf: interrupt took|clocksource: )' || true
}

# kernel_log: what the kernel has warned of since the case began; and each DMA that the IOMMU refused,
# which it calls an error.
kernel_log() {
    kernel_warnings | tail -n "+$((kernel_lines + 1))"
}

# dmar_faults: how many DMAs were refused since the case began.
dmar_faults() {
    kernel_log | grep -c 'DMAR: \[DMA' || true
}

# check_kernel: no other line than those allowed, and some for each of them.
check_kernel() {
    local lines regex

    lines=$(kernel_log)
    for regex in ${allowed_kernel[@]+"${allowed_kernel[@]}"}; do
        grep -q -E -e "$regex" <<<"$lines" || {
            echo "no line of the kernel matches: $regex"
            return 1
        }
        lines=$(grep -v -E -e "$regex" <<<"$lines" || true)
    done
    [ -z "$lines" ] || {
        echo "not expected in the kernel's log:"
        echo "$lines"
        return 1
    }
}

# outside COMMAND...
outside() {
    local file status

    file=$LAB_SHARE/outside.$(cat /proc/sys/kernel/random/uuid)
    printf '%s\n' "$*" >"$file"
    printf 'outside %s\n' "${file##*.}" >/dev/ttyS1
    while [ ! -e "$file.status" ]; do
        sleep 0.1
    done
    cat "$file.log"
    status=$(cat "$file.status")
    rm -f "$file" "$file.log" "$file.status"
    return "$status"
}

# step TEXT: a line of the log with the time since the box was booted.
step() {
    say "$(cut -d ' ' -f 1 /proc/uptime): $*"
}

# Ports 0, 1, ..., and options of these uplinks: "mtu=9000,dma=strict".
cards=("$CARD")
card_options=

# Where the lcore runs: not where guests in processes do. Those under KVM are not on CPU 0.
lcore_cpu=$(($(nproc) - 1))
# An lcore that never rests takes a CPU from the guests.
idle=adaptive

# start_on_card OPTION...
start_on_card() {
    local i allowed=() uplinks=()

    step "airlockd starts"
    for i in "${!cards[@]}"; do
        allowed+=(-a "${cards[i]}")
        uplinks+=(--uplink "port=$i${card_options:+,$card_options}")
    done
    start_airlockd --lcores "0@0,1@$lcore_cpu" -m 64 "${allowed[@]}" -- --idle "$idle" \
        "${uplinks[@]}" "$@"
    step "airlockd is ready"
}

# pings ADDRESS COUNT: from outside, and all are answered.
pings() {
    outside ping -q -c "$2" -i 0.1 -w 60 "$1" || fail "not all of $2 pings were answered"
    step "$2 pings"
}

# transfer ADDRESS MIB: from outside to a guest of config/lib/guest.sh, which answers with the digest
# of what it got.
transfer() {
    local digests

    mapfile -t digests < <(outside "head -c $(($2 << 20)) /dev/urandom >\$LAB_SHARE/data;
        sha256sum <\$LAB_SHARE/data; busybox nc $1 5001 <\$LAB_SHARE/data; rm \$LAB_SHARE/data")
    if [ "${#digests[@]}" -ne 2 ] || [ "${digests[0]}" != "${digests[1]}" ]; then
        fail "sent and received: ${digests[*]}"
    fi
    step "$2 MiB arrived as they were sent"
}

# What a case that failed has left outside.
outside tidy
# Emulated, on a busy machine, everything takes long.
patience=6
kernel_lines=$(kernel_warnings | wc -l)
checks+=(check_kernel)
