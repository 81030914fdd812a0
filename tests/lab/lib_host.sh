# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The outside of the box: its kernel and initramfs, its QEMU, and the wire of its card.
#
# What sources this runs in a sandbox (config/lib/common.sh) with the wire for its only network: what
# is sent out of wire0 comes to the card, and the other way round. LAB_SHARE is a directory that the
# box has under the same name; the box asks for commands to be run out here, on its line
# (line_serve).

# shellcheck source=config/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/common.sh"
# shellcheck source=config/lib/guest.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/guest.sh"

need_root
if [ -z "${AIRLOCK_SANDBOX:-}" ]; then
    guest_prepare
    sandbox_run "$0" "$@"
    exit
fi

AIRLOCK_BUILD=$(realpath "${AIRLOCK_BUILD:-$AIRLOCK_TOP/build}")
LAB_TOP=$AIRLOCK_TOP/tests/lab
LAB_CPUS=${LAB_CPUS:-2}
LAB_MEM_MB=${LAB_MEM_MB:-4096}
box_pid=

box_initramfs() {
    local root=$AIRLOCK_WORK/root

    mkdir -p "$root/bin" &&
        cp "$(type -P busybox)" "$root/bin/busybox" &&
        cp -r "$(guest_kernel_cached)/lab" "$root/modules" &&
        cp "$LAB_TOP/init" "$root/init" &&
        chmod 0755 "$root/init" "$root/bin/busybox" &&
        (cd "$root" && find . | cpio -o -H newc --quiet) >"$AIRLOCK_WORK/initramfs"
}

# box_prepare: share, initramfs, line and wire.
box_prepare() {
    mount -t tmpfs airlock-lab "$AIRLOCK_WORK" || die "cannot mount a tmpfs"
    LAB_SHARE=$AIRLOCK_WORK/share
    mkdir "$LAB_SHARE" || die "cannot make $LAB_SHARE"
    box_initramfs || die "cannot make an initramfs"
    mkfifo "$AIRLOCK_WORK/line.in" "$AIRLOCK_WORK/line.out" || die "cannot make the line"
    wire_prepare || die "cannot make the wire"
}

# Nothing is on the wire but what a case sends. A queue long enough that a burst waits for a card
# that is slow: emulated.
wire_prepare() {
    ip link set lo up
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    ip tuntap add dev wire0 mode tap
    ip link set wire0 txqueuelen 2000 up
}

# box_start CONSOLE APPEND: boot the box. CONSOLE is the chardev of its console; descriptor 4 is its
# standard input.
box_start() {
    # shellcheck disable=SC2086
    ${LAB_QEMU:-qemu-system-x86_64} -machine q35,kernel-irqchip=split -accel tcg,thread=multi \
        -cpu EPYC-v2 -smp "$LAB_CPUS" -m "$LAB_MEM_MB" -nodefaults -no-reboot -display none \
        -device intel-iommu,intremap=on,aw-bits=48 \
        -device pcie-root-port,id=slot0,chassis=1,slot=1 \
        -netdev tap,id=wire,ifname=wire0,script=no,downscript=no \
        -device e1000e,id=card0,netdev=wire,bus=slot0,mac=02:00:00:00:00:aa \
        -device edu,id=edu0,dma_mask=0xffffffffffff \
        -device pcie-root-port,id=slot1,chassis=2,slot=2 -netdev hubport,id=nowhere,hubid=1 \
        -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
        -virtfs "local,path=$LAB_SHARE,mount_tag=share,security_model=none" \
        -chardev "$1" -serial chardev:console \
        -chardev "pipe,id=line,path=$AIRLOCK_WORK/line" -serial chardev:line \
        -chardev "socket,id=monitor,path=$AIRLOCK_WORK/monitor.sock,server=on,wait=off" \
        -mon chardev=monitor \
        -kernel "$(guest_kernel_cached)/kernel" -initrd "$AIRLOCK_WORK/initramfs" \
        -append "console=ttyS0 quiet panic=-1 intel_iommu=on iommu=nopt hugepages=${LAB_HUGEPAGES:-256} \
mitigations=off no_timer_check lab.top=$AIRLOCK_TOP lab.share=$LAB_SHARE $2" \
        <&4 2>"$LAB_SHARE/qemu.log" &
    box_pid=$!
}

# monitor COMMAND...: a line for the monitor of the box's QEMU; what it answers.
monitor() {
    printf '%s\n' "$*" | socat -t 1 - "UNIX-CONNECT:$AIRLOCK_WORK/monitor.sock" |
        tr -d '\r' | sed -e '/^QEMU /d' -e '/^(qemu)/d'
}

# outside ID: run the command in LAB_SHARE/outside.ID, which the box has written.
outside() {
    local file=$LAB_SHARE/outside.$1 status=0

    # shellcheck source=/dev/null
    (. "$file") >"$file.log" 2>&1 </dev/null || status=$?
    echo "$status" >"$file.new"
    mv "$file.new" "$file.status"
}

# line_serve FUNCTION SECONDS: serve the box until it has ended; 1 if the time is over before (0: there
# is no end). A line "outside ID" of the box is a command; FUNCTION gets all others.
line_serve() {
    local line='' part deadline=$((SECONDS + $2))

    exec 3<>"$AIRLOCK_WORK/line.out"
    while :; do
        if read -r -t 1 part <&3; then
            line+=${part%$'\r'}
            case $line in
            'outside '*) outside "${line#outside }" & ;;
            *) "$1" "$line" ;;
            esac
            line=
        else
            # What came of a line so far.
            line+=$part
            ! gone "$box_pid" || return 0
        fi
        [ "$2" -eq 0 ] || [ "$SECONDS" -lt "$deadline" ] || return 1
    done
}

# For commands from the box.

# send PCAP: its packets, to the card.
send() {
    /usr/bin/python3 "$AIRLOCK_TOP/tests/smoke/send_pcap.py" wire0 "$@"
}

# received: how many packets the card has sent so far.
received() {
    ip -j -s link show dev wire0 |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["stats64"]["rx"]["packets"])'
}

# wire_address: where what comes from the card is to go.
wire_address() {
    ip -o link show dev wire0 | sed -n 's,.* link/ether \([^ ]*\) .*,\1,p'
}

# load_begin: the packets of LAB_SHARE/load.pcap, again and again. load_signal SIGNAL: to the sender.
load_begin() {
    /usr/bin/python3 "$AIRLOCK_TOP/tests/smoke/send_pcap.py" wire0 "$LAB_SHARE/load.pcap" \
        "$LAB_SHARE/no-stop" 0.02 &
    echo $! >"$LAB_SHARE/load.pid"
}

load_signal() {
    kill "-$1" "$(cat "$LAB_SHARE/load.pid")"
}

# tidy: as before the first case.
tidy() {
    load_signal KILL 2>/dev/null
    ip addr flush dev wire0
    ip neigh flush nud permanent dev wire0
    monitor set_link card0 on >/dev/null
    monitor device_del card1 >/dev/null
}
