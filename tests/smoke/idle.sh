#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# idle=adaptive: with ten VMs that are silent the lcore sleeps, which the CPU time of airlockd shows;
# a packet on the uplink, a tap, wakes it by an interrupt, and what the VM answers by a kick. VMs
# are added and deleted meanwhile, and the lcore stops when it is told to. How often it sleeps is
# counted.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

nb_vms=10
ctl=$AIRLOCK_BUILD/app/airlockctl/airlockctl

vms=()
ports=()
for ((i = 0; i < nb_vms; i++)); do
    mac=$(printf '52:54:00:00:00:%02x' $((i + 1)))
    vms+=(--vm "name=vm$i,mac=$mac,mode=server")
    ports+=(--vdev "net_virtio_user$i,path=$RUN_DIR/vm$i.sock,mac=$mac")
done

are_up() {
    [ "$(grep -c 'vnic: vm[0-9]*: up' "$AIRLOCKD_LOG")" -eq $nb_vms ]
}

iterations() {
    telemetry /airlock/lcores,1 iterations
}

# cpu_ms: CPU time of airlockd.
cpu_ms() {
    awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / hz) }' "/proc/$airlockd_pid/stat"
}

# A lcore that polls goes round a million times a second.
is_asleep() {
    local before

    before=$(iterations)
    sleep 0.5
    [ $(($(iterations) - before)) -lt 5000 ]
}

start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_tap0,iface=tap0 -- \
    --idle adaptive --uplink port=0 "${vms[@]}"
allow_net_tap_log
start guests dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 256 --file-prefix guests \
    "${ports[@]}" -- --forward-mode=icmpecho --total-num-mbufs=16384 --no-lsc-interrupt \
    --stats-period 60
wait_for 30 are_up || fail "not all VMs are there"
allow_lost_guest_log
ip addr add 10.0.0.1/24 dev tap0
ip link set tap0 up
for ((i = 0; i < nb_vms; i++)); do
    ip neigh add "10.0.0.$((i + 2))" lladdr "$(printf '52:54:00:00:00:%02x' $((i + 1)))" dev tap0
done

# The kernel says hello to a new link for some seconds.
wait_for 30 is_asleep || fail "the lcore does not sleep"
before=$(cpu_ms)
slept=$(telemetry /airlock/lcores,1 sleeps)
sleep 5
after=$(cpu_ms)
echo "idle with $nb_vms VMs: $(((after - before) / 50)).$(((after - before) / 5 % 10)) % of a CPU, all" \
    "threads of airlockd; the lcore woke $((($(telemetry /airlock/lcores,1 sleeps) - slept) / 5))" \
    "times a second"
# What the control socket tells of sleep begins anew with a reset, as all else does.
slept=$(telemetry /airlock/lcores,1 sleeps)
"$ctl" --socket "$RUN_DIR/control.sock" stats reset
sleep 1
"$ctl" --socket "$RUN_DIR/control.sock" --json lcores >"$AIRLOCK_WORK/lcores.json"
/usr/bin/python3 -c '
import json, sys
(lcore,) = json.load(open(sys.argv[1]))
assert 0 < lcore["sleeps"] <= int(sys.argv[2]) and 50 <= lcore["sleep_percent"] <= 100, lcore
' "$AIRLOCK_WORK/lcores.json" $(($(telemetry /airlock/lcores,1 sleeps) - slept)) ||
    fail "sleep after a reset"
for ((i = 0; i < nb_vms; i++)); do
    ping -q -c 3 -i 0.2 -W 2 "10.0.0.$((i + 2))" >"$AIRLOCK_WORK/ping.log" ||
        fail "vm$i does not answer: $(cat "$AIRLOCK_WORK/ping.log")"
done
tail -n 1 "$AIRLOCK_WORK/ping.log"

# A VM that is deleted while the lcore sleeps, and one that is added.
wait_for 10 is_asleep || fail "the lcore does not sleep again"
"$ctl" --socket "$RUN_DIR/control.sock" vm del vm0 >/dev/null
"$ctl" --socket "$RUN_DIR/control.sock" vm add name=new,mac=52:54:00:00:00:99,mode=server >/dev/null
ping -q -c 3 -i 0.2 -W 2 10.0.0.3 >/dev/null || fail "vm1 does not answer after vm0 has gone"
wait_for 10 is_asleep || fail "the lcore does not sleep at last"
stop_airlockd
