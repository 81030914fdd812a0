#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# asan
#
# airlockd's virtual NIC against net_virtio_user of other processes: a VM for each combination of
# ring layout, mergeable buffers, order of use, queue pairs, and who connects to whom; those that
# connect have the same addresses as those that listen, in a VLAN. Each sends back all that it gets
# from the wire, byte for byte; then all guests are ended, half of them by SIGKILL, and come again.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/loop/lib.sh
. "$here/lib.sh"

each=40
ring=256
nb_rounds=0
nb_vms=0
declare -A pids
addresses=()
names=()

# combinations: "MERGEABLE PACKED IN_ORDER"
combinations() {
    printf '%s\n' {0,1}' '{0,1}' '{0,1}
}

# vm_name WHO QUEUES MERGEABLE PACKED IN_ORDER: of the VM, and of its socket.
vm_name() {
    printf '%s-q%s-m%s-p%s-o%s' "$@"
}

# guest WHO QUEUES: one testpmd that plays all VMs with so many queues. WHO "listens": the guest does
# that, and airlockd connects; "connects": the other way round.
guest() {
    local who=$1 queues=$2 number=0 vdevs=() vdev mergeable packed in_order

    while read -r mergeable packed in_order; do
        vdev=net_virtio_user$number,path=$RUN_DIR/$(vm_name "$@" "$mergeable" "$packed" "$in_order").sock
        vdev+=,queues=$queues,queue_size=$ring,cq=$((queues > 1))
        vdev+=,mrg_rxbuf=$mergeable,packed_vq=$packed,in_order=$in_order
        [ "$who" = connects ] || vdev+=,server=1
        vdevs+=(--vdev "$vdev")
        number=$((number + 1))
    done < <(combinations)
    start "$who$queues-$nb_rounds" dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 256 \
        --file-prefix "$who$queues-$nb_rounds" "${vdevs[@]}" -- --forward-mode=macswap \
        --port-topology=loop --rxq="$queues" --txq="$queues" --rxd=$ring --txd=$ring \
        --total-num-mbufs=16384 --no-lsc-interrupt --stats-period 60
    pids[$who$queues]=$STARTED_PID
}

guests_are_ready() {
    local who

    for who in connects1 connects2 listens1 listens2; do
        grep -q 'Port statistics' "$AIRLOCK_WORK/$who-$nb_rounds.log" 2>/dev/null || return 1
    done
    [ "$(grep -c 'vnic: .*: up' "$AIRLOCKD_LOG")" -eq $((nb_rounds * nb_vms)) ]
}

guests_are_gone() {
    [ "$(grep -c 'vnic: .*: down' "$AIRLOCKD_LOG")" -eq $((nb_rounds * nb_vms)) ]
}

# end_guests: those that listen leave their sockets behind.
end_guests() {
    local who

    for who in connects1 connects2; do
        stop_pid "${pids[$who]}" || fail "the guest $who has not ended well"
    done
    for who in listens1 listens2; do
        kill -KILL "${pids[$who]}"
        wait "${pids[$who]}" 2>/dev/null || true
    done
    wait_for 20 guests_are_gone || fail "airlockd has not seen all guests end"
    rm -f "$RUN_DIR"/listens*.sock
}

# for_each_vm COMMAND: with WHO QUEUES MERGEABLE PACKED IN_ORDER behind it.
for_each_vm() {
    local who queues combination

    for who in connects listens; do
        for queues in 1 2; do
            while read -r combination; do
                # shellcheck disable=SC2086
                "$1" $who $queues $combination
            done < <(combinations)
        done
    done
}

add_vm() {
    local mac name mode=server vlan=0

    name=$(vm_name "$@")
    mac=$(printf '52:54:00:00:00:%02x' $((nb_vms % 16)))
    if [ "$1" = listens ]; then
        mode=client
        vlan=77
    fi
    nb_vms=$((nb_vms + 1))
    addresses+=("$mac,$vlan")
    names+=("$name")
    printf '[vm %s]\nmac = %s\nvlan = %s\nqueues = %s\nmode = %s\n' \
        "$name" "$mac" $vlan "$2" $mode >>"$AIRLOCK_WORK/airlock.conf"
}

make_wire
printf '[uplink 0]\n' >"$AIRLOCK_WORK/airlock.conf"
for_each_vm add_vm
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_af_packet0,iface=up0 -- \
    -c "$AIRLOCK_WORK/airlock.conf"
for _ in 1 2; do
    nb_rounds=$((nb_rounds + 1))
    for queues in 1 2; do
        guest connects $queues
        guest listens $queues
    done
    wait_for 60 guests_are_ready || fail "the VMs are not there after 60 seconds"
    back=$(/usr/bin/python3 "$here/wire.py" host0 $each "${addresses[@]}") || fail "${back:-see above}"
    [ "$back" = $((each * nb_vms)) ] || fail "$back came back"
    /usr/bin/python3 "$here/check_vms.py" "$AIRLOCKD_PREFIX" $((each * nb_rounds)) $nb_rounds \
        "${names[@]}" || fail "not what the guests were to be, or to get"
    end_guests
    say "round $nb_rounds: $back packets to $nb_vms VMs and back"
done
[ "$(telemetry /airlock/uplinks 0 sent_packets)" = $((2 * each * nb_vms)) ] ||
    fail "the uplink has sent: $(telemetry /airlock/uplinks 0)"
[ "$(telemetry /airlock/balance balanced)" = yes ] || fail "$(telemetry /airlock/balance)"
stop_airlockd
allow_lost_guest_log
