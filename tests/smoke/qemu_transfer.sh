#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 900
#
# Two Linux guests in QEMU behind airlockd: every ping between host and guests and between the
# guests is answered, and what one sends another gets, byte for byte, with offloads on, off, and
# on in one guest only, at MTU 1500 (net_tap) and 9000 (net_af_packet on a veth pair: net_tap of
# DPDK 22.11 sends no frame over 1526 bytes). One airlockd for each MTU; its guests come and go.
#
#   tests/smoke/qemu_transfer.sh [--full]
#
# --full: all combinations, 64 MiB instead of 4 in each transfer, and the same by IPv6.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib_qemu.sh
. "$here/lib_qemu.sh"

declare -A address=([host]=10.0.0.1 [g1]=10.0.0.2 [g2]=10.0.0.3)
declare -A address6=([host]=fd00::1 [g1]=fd00::2 [g2]=fd00::3)
mib=4
full=
combinations=('1500 on on' '1500 on off' '9000 on off')
case ${1:-} in
'') ;;
--full)
    mib=64
    full=yes
    combinations=('1500 on on' '1500 off off' '1500 on off'
        '9000 on on' '9000 off off' '9000 on off')
    ;;
*) fail "usage: tests/smoke/qemu_transfer.sh [--full]" ;;
esac

# at NAME COMMAND...: run one line of shell on the host or in a guest.
at() {
    local name=$1

    shift
    if [ "$name" = host ]; then
        timeout 300 busybox sh -c "$*"
    else
        guest_sh "$name" --limit 300 "$*"
    fi
}

# A worker that may run on any CPU: the guests need them too.
lcores() {
    printf '0@(0-%d),1@(0-%d)' $(($(nproc) - 1)) $(($(nproc) - 1))
}

# uplink MTU: start airlockd and set up the host's side of its uplink.
uplink() {
    local mtu=$1 host_if=tap0 vdev=net_tap0,iface=tap0
    local vms=(--vm "name=g1,mac=52:54:00:00:00:01" --vm "name=g2,mac=52:54:00:00:00:02")

    if [ "$mtu" -gt 1500 ]; then
        host_if=host0
        vdev=net_af_packet0,iface=up0,framesz=12288,blocksz=12288,framecnt=512
        ip link add host0 type veth peer name up0
        ip link set up0 mtu "$mtu" up
        # A packet socket gets what the host's stack has left for the card to do; so leave nothing.
        ethtool -K host0 tx off tso off gso off >/dev/null
    fi
    start_airlockd --lcores "$(lcores)" -m 256 --no-pci --vdev "$vdev" -- --idle adaptive \
        --uplink "port=0,mtu=$mtu" "${vms[@]}"
    ip link set "$host_if" mtu "$mtu" up
    ip addr add "${address[host]}/24" dev "$host_if"
    [ -z "$full" ] || at host "$(add_address6 host "$host_if")"
}

# add_address6 NAME INTERFACE: the command for it; the address serves at once.
add_address6() {
    echo "echo 0 >/proc/sys/net/ipv6/conf/$2/accept_dad && ip addr add ${address6[$1]}/64 dev $2"
}

# guests MTU OFFLOAD1 OFFLOAD2: start both, with something to send.
guests() {
    local mtu=$1 name

    guest_start g1 --socket "$RUN_DIR/g1.sock" --mac 52:54:00:00:00:01 \
        --ip "${address[g1]}/24" --mtu "$mtu" --offload "$2"
    guest_start g2 --socket "$RUN_DIR/g2.sock" --mac 52:54:00:00:00:02 \
        --ip "${address[g2]}/24" --mtu "$mtu" --offload "$3"
    for name in g1 g2; do
        guest_wait "$name" 240
        at "$name" "head -c $((mib << 20)) /dev/urandom >/tmp/data"
        [ -z "$full" ] || at "$name" "$(add_address6 "$name" eth0)"
    done
}

# replies NAME: how many echo replies it has got so far (InEchoReps).
replies() {
    at "$1" "awk '/^Icmp: [0-9]/ { print \$11 }' /proc/net/snmp"
}

has_replies() {
    [ "$(replies "$1")" -ge "$2" ]
}

# ping_all FROM TO SIZE: 200 of 200. The kernel's counter tells, as ping itself waits for the last
# replies no longer than two of its round trips, which is nothing on a busy machine.
ping_all() {
    local before

    before=$(replies "$1")
    at "$1" "ping -q -c 200 -i 0.004 -s $3 ${address[$2]}" >/dev/null || true
    wait_for 30 has_replies "$1" $((before + 200)) ||
        fail "$2 answered $(($(replies "$1") - before)) of 200 pings of $3 bytes from $1"
}

# transfer FROM TO ADDRESS: the receiver answers with the digest of what it got.
transfer() {
    local sent got matched=no start=$SECONDS

    sent=$(at "$1" "sha256sum <$data")
    got=$(at "$1" "nc $3 5001 <$data") || fail "transfer from $1 to $2 broke off"
    [ "${#got}" -ge 64 ] && [ "$got" = "$sent" ] && matched=yes
    [ "$matched" = yes ] || fail "$2 got ${got:-nothing} from $1, which had sent $sent"
    say "  $1 to $2 ($3): $mib MiB in $((SECONDS - start)) s"
}

# few_resent NAME: what TCP has to send twice may be lost in a full ring now and then, but a path
# that loses all packets of one kind gets the data across as well, only slowly.
few_resent() {
    local sent resent

    read -r sent resent <<<"$(at "$1" "awk '/^Tcp: [0-9]/ { print \$12, \$13 }' /proc/net/snmp")"
    [ $((resent * 20)) -le "$sent" ] || fail "$1 sent $resent of $sent TCP segments again"
}

# takes_time NAME: a command that comes in two parts is one for the guest, though something that an
# earlier one has left behind ends in between.
takes_time() {
    local socket

    socket=$(guest_dir "$1")/command.sock
    at "$1" true
    (printf '\n1.1 5 echo wh' && sleep 2 && printf 'ole\n' && sleep 2) |
        socat - "UNIX-CONNECT:$socket" | grep -a -x whole >/dev/null ||
        fail "$1 forgets half of a command"
}

# combination MTU OFFLOAD1 OFFLOAD2
combination() {
    local mtu=$1 pair from to data

    say "MTU $mtu, offloads of g1 $2, of g2 $3"
    guests "$@"
    [ "$2 $3" != 'on on' ] || takes_time g1
    for pair in 'host g1' 'host g2' 'g1 host' 'g2 host' 'g1 g2' 'g2 g1'; do
        read -r from to <<<"$pair"
        ping_all "$from" "$to" 56
        data=/tmp/data
        [ "$from" != host ] || data=$AIRLOCK_WORK/data
        transfer "$from" "$to" "${address[$to]}"
        [ -z "$full" ] || transfer "$from" "$to" "${address6[$to]}"
    done
    # The largest packet that needs no fragments: IPv4 and ICMP headers are 28 bytes.
    ping_all host g1 $((mtu - 28))
    ping_all g1 g2 $((mtu - 28))
    few_resent g1
    few_resent g2
    guest_stop g1
    guest_stop g2
}

head -c $((mib << 20)) /dev/urandom >"$AIRLOCK_WORK/data"
start digests busybox nc -ll -p 5001 -e sha256sum
uplink_mtu=
for settings in "${combinations[@]}"; do
    read -r mtu offload1 offload2 <<<"$settings"
    if [ "$mtu" != "$uplink_mtu" ]; then
        [ -z "$uplink_mtu" ] || stop_airlockd
        uplink "$mtu"
        uplink_mtu=$mtu
    fi
    combination "$mtu" "$offload1" "$offload2"
done
stop_airlockd
allow_net_tap_log
allow_lost_guest_log
