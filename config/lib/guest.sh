# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Stock guests for tests and the demonstration: Debian's kernel in Debian's QEMU, with an
# initramfs made here from busybox and the kernel's virtio modules. Needs common.sh.
#
# With --program a guest has no network of the kernel's: its card is bound to uio_pci_generic, for
# that program, which is a DPDK program. With --window it has a window.
#
#   guest_prepare                    fetch the kernel, find out whether KVM runs (needs network)
#   guest_start NAME --socket PATH --mac MAC --ip ADDRESS/PREFIX [option...]
#   guest_start NAME --socket PATH --mac MAC --program FILE... [--window SOCKET] [option...]
#   guest_wait NAME [SECONDS]        until it answers
#   guest_sh NAME [--limit SECONDS] COMMAND...
#   guest_state NAME                 what its CPUs do and which interrupts wait
#   guest_stop NAME [--now]
#
# A guest keeps its files in $AIRLOCK_WORK/guests/NAME; what it and its QEMU say is in
# $AIRLOCK_WORK/guest-NAME.log and qemu-NAME.log. The kernel stays in a cache and is never
# installed: this machine's boot loader must not hear of it. Remove the cache to get a newer one.

AIRLOCK_CACHE=${AIRLOCK_CACHE:-/var/cache/airlock}
AIRLOCK_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

guest_dir() {
    printf '%s/guests/%s' "$AIRLOCK_WORK" "$1"
}

# The newest kernel in the cache: a directory with the kernel, modules/*.ko, modules/order,
# modules/order.dpdk, and the same in lab for a guest that is a host itself.
guest_kernel_cached() {
    find "$AIRLOCK_CACHE" -maxdepth 2 -path '*/linux-*/kernel' 2>/dev/null |
        sort -V | tail -n 1 | sed 's|/kernel$||'
}

# guest_kernel_order TREE VERSION DIR ORDER MODULE...: copy modules and all that they need to DIR,
# and note in ORDER how to load them.
guest_kernel_order() {
    local tree=$1 version=$2 dir=$3 order=$4 module path

    shift 4
    for module in "$@"; do
        modprobe -d "$tree" -S "$version" --show-depends "$module" || return 1
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
        cp "$path" "$dir/" && basename "$path" >>"$order" || return 1
    done
    grep -q "^${!#}\.ko" "$order"
}

# guest_kernel_modules TREE OUT: what a virtio network card needs, for the kernel and for DPDK; and
# what a host needs whose root comes by 9p, which gives its card to airlockd, and has guests.
guest_kernel_modules() {
    local tree=$1 out=$2 dir=$2/modules version

    version=$(basename "$tree"/lib/modules/*)
    mkdir "$dir" "$out/lab" || return 1
    depmod -b "$tree" "$version" || return 1
    guest_kernel_order "$tree" "$version" "$dir" "$dir/order" virtio_pci virtio_net &&
        guest_kernel_order "$tree" "$version" "$dir" "$dir/order.dpdk" uio_pci_generic &&
        guest_kernel_order "$tree" "$version" "$out/lab" "$out/lab/order" \
            virtio_pci 9pnet_virtio 9p af_packet veth tun kvm-amd vfio_iommu_type1 vfio-pci
}

# guest_kernel_plain VMLINUZ OUT: the kernel itself. An emulated CPU takes as long to unpack it as it
# takes to boot it. One that is packed in another way stays as it is, which only takes longer.
guest_kernel_plain() {
    local offset

    offset=$(LC_ALL=C grep -a -b -o -m 1 -P '\xfd7zXZ\x00' "$1" | head -n 1 | cut -d : -f 1)
    # What comes behind the packed kernel is not read: tail ends by SIGPIPE.
    if [ -z "$offset" ] ||
        ! xz -d -c --single-stream >"$2" < <(tail -c "+$((offset + 1))" "$1") ||
        [ "$(head -c 4 "$2")" != $'\x7fELF' ]; then
        cp "$1" "$2"
    fi
}

# guest_kernel_unpack SCRATCH NAME: the package in SCRATCH becomes $AIRLOCK_CACHE/NAME.
guest_kernel_unpack() {
    local scratch=$1 name=$2

    mkdir "$scratch/out" &&
        dpkg -x "$scratch"/*.deb "$scratch/tree" &&
        guest_kernel_plain "$scratch"/tree/boot/vmlinuz-* "$scratch/out/kernel" &&
        guest_kernel_modules "$scratch/tree" "$scratch/out" &&
        # Two at once: the second finds the directory there, and throws its own away.
        { mv -T "$scratch/out" "$AIRLOCK_CACHE/$name" 2>/dev/null ||
            [ -f "$AIRLOCK_CACHE/$name/kernel" ]; }
}

guest_kernel_package() {
    apt-cache depends --no-recommends --no-suggests linux-image-amd64 2>/dev/null |
        awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }'
}

guest_kernel_fetch() {
    local package scratch status

    [ -z "$(guest_kernel_cached)" ] || return 0
    package=$(guest_kernel_package)
    if [ -z "$package" ]; then
        apt-get -q update >/dev/null 2>&1
        package=$(guest_kernel_package)
    fi
    [ -n "$package" ] || die "apt knows no linux-image-amd64: cannot get a kernel for the guests"
    mkdir -p "$AIRLOCK_CACHE" || die "cannot make $AIRLOCK_CACHE"
    scratch=$(mktemp -d "$AIRLOCK_CACHE/new.XXXXXX") || die "cannot write to $AIRLOCK_CACHE"
    if ! (cd "$scratch" && apt-get -q -o APT::Sandbox::User=root download "$package") \
        >"$scratch/log" 2>&1; then
        tail -n 5 "$scratch/log" >&2
        rm -rf "$scratch"
        die "cannot download $package"
    fi
    status=0
    guest_kernel_unpack "$scratch" "linux-${package#linux-image-}" || status=$?
    rm -rf "$scratch"
    [ "$status" -eq 0 ] || die "cannot unpack $package"
}

# guest_copy_program ROOT PROGRAM [TO]: a program, or a library, and the shared libraries it needs.
# Those that the system does not have go where it has its own: a build directory may be anywhere.
guest_copy_program() {
    local root=$1 program=$2 to=${3:-$2} file installed=() built=()

    for file in $(ldd "$program" 2>&1 | grep -o '/[^ ]*'); do
        if [[ $file =~ ^(/usr)?/lib ]]; then
            installed+=("$file")
        else
            built+=("$file")
        fi
    done
    mkdir -p "$root${to%/*}" "$root/lib/x86_64-linux-gnu" && cp -L "$program" "$root$to" || return 1
    [ ${#installed[@]} -eq 0 ] || cp -L -u --parents "${installed[@]}" "$root" || return 1
    [ ${#built[@]} -eq 0 ] || cp -L -u "${built[@]}" "$root/lib/x86_64-linux-gnu/"
}

# guest_copy_dpdk ROOT: the drivers that a DPDK program in a guest loads. Each must be there once.
guest_copy_dpdk() {
    local root=$1 libdir name

    libdir=$(pkg-config --variable=libdir libdpdk)
    mkdir -p "$root$libdir"/dpdk/pmds-23.0 || return 1
    for name in bus_pci bus_vdev mempool_ring net_virtio; do
        guest_copy_program "$root" "$libdir/librte_$name.so.23" &&
            ln -s "$libdir/librte_$name.so.23" "$root$libdir/dpdk/pmds-23.0/librte_$name.so" ||
            return 1
    done
}

# guest_initramfs FILE [PROGRAM...]
guest_initramfs() {
    local root=$1.root ethtool program

    mkdir -p "$root/bin" &&
        cp "$(type -P busybox)" "$root/bin/busybox" &&
        cp -r "$(guest_kernel_cached)/modules" "$root/modules" &&
        cp "$AIRLOCK_LIB/guest_init" "$root/init" &&
        chmod 0755 "$root/init" "$root/bin/busybox" || return 1
    ethtool=$(type -P ethtool || true)
    [ -z "$ethtool" ] || guest_copy_program "$root" "$ethtool" || return 1
    for program in "${@:2}"; do
        guest_copy_program "$root" "$program" "/bin/${program##*/}" || return 1
    done
    [ $# -eq 1 ] || guest_copy_dpdk "$root" || return 1
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$1" || return 1
    rm -rf "$root"
}

# guest_kvm_runs: a device file is not enough; only a guest that ran to its end is.
guest_kvm_runs() {
    local dir status

    [ -w /dev/kvm ] || return 1
    dir=$(mktemp -d) || return 1
    guest_initramfs "$dir/initramfs" &&
        timeout -k 1 20 qemu-system-x86_64 -accel kvm -M q35 -cpu max -m 256 -nodefaults \
            -display none -no-reboot -kernel "$(guest_kernel_cached)/kernel" \
            -initrd "$dir/initramfs" -append 'console=ttyS0 quiet panic=-1 airlock.probe' \
            -serial "file:$dir/console" </dev/null >/dev/null 2>&1 &&
        grep -q 'airlock: guest runs' "$dir/console"
    status=$?
    rm -rf "$dir"
    return "$status"
}

# The answer holds until the machine is booted again.
guest_accel_file() {
    printf '%s/accel-%s' "$AIRLOCK_CACHE" "$(cat /proc/sys/kernel/random/boot_id)"
}

guest_prepare() {
    local file

    guest_kernel_fetch
    file=$(guest_accel_file)
    [ ! -s "$file" ] || return 0
    rm -f "$AIRLOCK_CACHE"/accel-*
    if guest_kvm_runs; then
        echo kvm >"$file"
    else
        echo tcg >"$file"
    fi
}

# AIRLOCK_GUEST_CPUS: those of this machine, as taskset has them, that the guests run on.
# AIRLOCK_ACCEL is for a machine that is known, and whose cache cannot be written.
guest_accel() {
    [ -z "${AIRLOCK_ACCEL:-}" ] || { echo "$AIRLOCK_ACCEL" && return; }
    cat "$(guest_accel_file)" 2>/dev/null || echo tcg
}

# guest_device MAC MTU QUEUES OFFLOAD PACKED MERGEABLE: the virtio-net-pci device, as QEMU wants it.
guest_device() {
    local mac=$1 mtu=$2 queues=$3 offload=$4 packed=$5 mergeable=$6 off
    local device="virtio-net-pci,netdev=net0,mac=$mac,host_mtu=$mtu"

    device+=",rx_queue_size=1024,tx_queue_size=1024,packed=$packed,mrg_rxbuf=$mergeable"
    [ "$queues" -eq 1 ] || device+=",mq=on"
    # QEMU 7.2 crashes when a vhost-user device's MSI-X vector is unmasked without KVM.
    if [ "$(guest_accel)" = kvm ]; then
        device+=",vectors=$((2 * queues + 2))"
    else
        device+=",vectors=0"
    fi
    if [ "$offload" = off ]; then
        for off in csum gso guest_csum guest_tso4 guest_tso6 guest_ecn guest_ufo \
            host_tso4 host_tso6 host_ecn host_ufo; do
            device+=",$off=off"
        done
    fi
    printf '%s' "$device"
}

# guest_qemu NAME CPUS MB CHARDEV QUEUES DEVICE APPEND WINDOW: become QEMU.
guest_qemu() {
    local name=$1 cpus=$2 mb=$3 chardev=$4 queues=$5 device=$6 append=$7 window=$8 dir accel
    local pool=${window%/*}/pool variables=() options=()

    dir=$(guest_dir "$name")
    accel=$(guest_accel)
    if [ -n "$window" ]; then
        variables=(AIRLOCK_WINDOW="$window"
            LD_PRELOAD="$AIRLOCK_BUILD/app/agent/libairlock-agent.so")
        options=(-device 'ivshmem-plain,memdev=pool' -object
            "memory-backend-file,id=pool,mem-path=$pool,share=on,size=$(stat -c %s "$pool")")
    fi
    # TCG leaves memory barriers out where there can never be a second CPU, but airlockd is one: so
    # there could be one more, or interrupts get lost.
    # la57 would give an emulated CPU one more level of page table to walk, for nothing.
    exec ${AIRLOCK_GUEST_CPUS:+taskset -c "$AIRLOCK_GUEST_CPUS"} \
        env ${variables[@]+"${variables[@]}"} qemu-system-x86_64 -accel "$accel" -M q35 -cpu max,la57=off -m "$mb" \
        -smp "cpus=$cpus,maxcpus=$((cpus + 1))" \
        -nodefaults -display none -no-reboot \
        -object "memory-backend-memfd,id=mem,size=${mb}M,share=on" -numa node,memdev=mem \
        -chardev "$chardev" \
        -netdev "vhost-user,id=net0,chardev=vhost0,vhostforce=on,queues=$queues" \
        -device "$device" \
        -chardev "file,id=console,path=$AIRLOCK_WORK/guest-$name.log,append=on" -serial chardev:console \
        -chardev "socket,id=command,path=$dir/command.sock,server=on,wait=off" \
        -serial chardev:command -monitor "unix:$dir/monitor.sock,server=on,wait=off" \
        -kernel "$(guest_kernel_cached)/kernel" -initrd "$dir/initramfs" -append "$append" \
        ${options[@]+"${options[@]}"} </dev/null >"$AIRLOCK_WORK/qemu-$name.log" 2>&1
}

# guest_start NAME --socket PATH --mac MAC --ip ADDRESS/PREFIX [--mtu N] [--queues N]
# [--offload on|off] [--packed on|off] [--mergeable on|off] [--server|--client] [--mem MB]
# [--cpus N]
# A DPDK guest: --program FILE, for each program, instead of --ip; [--window SOCKET] of airlockd's,
# with the agent in AIRLOCK_BUILD. Every CPU but the first is kept free for the programs.
# --server (the default): QEMU listens on PATH; --client: QEMU connects to it.
guest_start() {
    local name=$1 socket='' mac='' ip='' mtu=1500 queues=1 offload=on packed=off mergeable=on
    local mode=server=on,wait=off mb=320 cpus='' window='' programs=() dir device append

    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --server) mode=server=on,wait=off ;;
        --client) mode=reconnect=1 ;;
        --socket | --mac | --ip | --mtu | --queues | --offload | --packed | --mergeable | \
            --cpus | --window)
            printf -v "${1#--}" '%s' "$2"
            shift
            ;;
        --mem)
            mb=$2
            shift
            ;;
        --program)
            programs+=("$2")
            shift
            ;;
        *) die "guest_start: what is $1?" ;;
        esac
        shift
    done
    if [ -z "$socket" ] || [ -z "$mac" ] || [ -z "$ip${programs[*]-}" ]; then
        die "guest_start: --socket, --mac and --ip or --program are needed"
    fi
    dir=$(guest_dir "$name")
    mkdir -p "$dir"
    guest_initramfs "$dir/initramfs" ${programs[@]+"${programs[@]}"} || die "cannot make an initramfs for guest $name"
    device=$(guest_device "$mac" "$mtu" "$queues" "$offload" "$packed" "$mergeable")
    append="console=ttyS0 quiet panic=-1 mitigations=off no_timer_check"
    cpus=${cpus:-$queues}
    if [ -n "$ip" ]; then
        append+=" airlock.ip=$ip airlock.mtu=$mtu"
    else
        # Whoever touches a dark page has its CPU wait with it: nothing else may need that CPU.
        append+=" airlock.dpdk hugepages=64 nmi_watchdog=0 nosoftlockup"
        [ "$cpus" -eq 1 ] || append+=" isolcpus=1-$((cpus - 1))"
        append+=" rcupdate.rcu_cpu_stall_suppress=1"
    fi
    guest_qemu "$name" "$cpus" "$mb" "socket,id=vhost0,path=$socket,$mode" "$queues" \
        "$device" "$append" "$window" &
    echo $! >"$dir/pid"
}

# guest_sh NAME [--limit SECONDS] COMMAND...: run one line of shell in a guest; its output and
# its exit status, 124 if it took longer than SECONDS (60), 125 if the guest is not there.
guest_sh() {
    local name=$1 dir limit=$((60 * ${patience:-1})) status=0

    dir=$(guest_dir "$1")
    shift
    if [ "$1" = --limit ]; then
        limit=$2
        shift 2
    fi
    flock "$dir/lock" /usr/bin/python3 "$AIRLOCK_LIB/guest_sh.py" "$dir/command.sock" \
        "$limit" "$*" || status=$?
    [ "$status" -ne 124 ] || guest_state "$name" >&2
    return "$status"
}

# guest_state NAME: by its QEMU, for who wants to know why it does not answer: of each CPU where it
# is, whether it has halted (HLT) and may be interrupted (IF, 0x200 of RFL); of each interrupt
# controller what waits; of each of QEMU's threads its state and times.
guest_state() {
    local dir pid task

    dir=$(guest_dir "$1")
    pid=$(cat "$dir/pid") || return 0
    printf 'info registers -a\ninfo pic\n' |
        socat -t 2 - "UNIX-CONNECT:$dir/monitor.sock" 2>/dev/null |
        grep -a -E '^(CPU#|RIP=|pic|ioapic|.*(irr|IRR)=?)' || echo "QEMU's monitor does not answer"
    for task in "/proc/$pid/task"/*; do
        echo "$(cat "$task/comm"): $(cut -d ' ' -f 3,14,15 "$task/stat") $(cat "$task/wchan")"
    done 2>/dev/null || true
}

guest_answers() {
    guest_sh "$1" --limit 2 true 2>/dev/null || ! guest_runs "$1"
}

guest_runs() {
    kill -0 "$(cat "$(guest_dir "$1")/pid")" 2>/dev/null
}

# guest_wait NAME [SECONDS]: until the guest answers; on failure, say what it said last.
guest_wait() {
    wait_for "${2:-120}" guest_answers "$1" || true
    guest_sh "$1" --limit 10 true 2>/dev/null && return
    warn "guest $1 does not answer"
    tail -n 5 "$AIRLOCK_WORK/qemu-$1.log" "$AIRLOCK_WORK/guest-$1.log" >&2
    return 1
}

# guest_stop NAME [--now]: switch it off; when that does not help, or at once, end its QEMU.
guest_stop() {
    local dir pid

    dir=$(guest_dir "$1")
    [ -f "$dir/pid" ] || return 0
    pid=$(cat "$dir/pid")
    if [ "${2:-}" != --now ] && ! gone "$pid"; then
        guest_sh "$1" --limit 1 'poweroff -f' >/dev/null 2>&1 || true
        wait_for 2 gone "$pid" || true
    fi
    stop_pid "$pid" 5 || true
    rm -rf "$dir"
}
