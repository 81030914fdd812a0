#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# idle=adaptive: with ten VMs that are silent the lcore sleeps, which the CPU time of airlockd shows;
# a packet on the uplink, a tap, wakes it by an interrupt. If it sleeps at once, what the VM answers
# has to wake it again, by a kick, and neither waits for the time after which it looks anyway. VMs are
# added, changed and deleted meanwhile, and the lcore stops when it is told to. How often it sleeps
# is counted.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

nb_vms=10

vms=()
ports=()
for ((i = 0; i < nb_vms; i++)); do
    mac=$(printf '52:54:00:00:00:%02x' $((i + 1)))
    vms+=(--vm "name=vm$i,mac=$mac,mode=server")
    ports+=(--vdev "net_virtio_user$i,path=$RUN_DIR/vm$i.sock,mac=$mac")
done

# are_up N
are_up() {
    [ "$(ctl --json vm list | grep -o '"state":"up"' | wc -l)" -eq "$1" ]
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

# has_slept N: so often since the reset; what the control socket tells in lcores.json.
has_slept() {
    ctl --json lcores >"$AIRLOCK_WORK/lcores.json"
    /usr/bin/python3 -c '
import json, sys
sys.exit(json.load(open(sys.argv[1]))[0]["sleeps"] < int(sys.argv[2]))' \
        "$AIRLOCK_WORK/lcores.json" "$1"
}

# start_vms N OPTION...: airlockd with these, and the first N guests, which answer a ping.
start_vms() {
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_tap0,iface=tap0 -- \
        --idle adaptive --uplink port=0 "${vms[@]:0:2 * $1}" "${@:2}"
    start "guests$1" dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 256 --file-prefix guests \
        "${ports[@]:0:2 * $1}" -- --forward-mode=icmpecho --total-num-mbufs=16384 \
        --no-lsc-interrupt --stats-period 60
    wait_for 30 are_up "$1" || fail "not all VMs are there"
    # Before they have begun to receive, they answer nothing.
    wait_for 30 grep -q 'Port statistics' "$AIRLOCK_WORK/guests$1.log" || fail "they do not begin"
    ip addr add 10.0.0.1/24 dev tap0
    ip link set tap0 up
    for ((i = 0; i < $1; i++)); do
        ip neigh add "10.0.0.$((i + 2))" lladdr "$(printf '52:54:00:00:00:%02x' $((i + 1)))" dev tap0
    done
}

# Half of the answers take less than they would if the lcore only looked every 100 ms. A machine that
# does much else may need another try.
answers_soon() {
    ping -c 31 -i 0.07 -W 2 10.0.0.2 >"$AIRLOCK_WORK/ping.log" || return 1
    median_ms=$(sed -n 's/.* time=\([0-9.]*\) ms/\1/p' "$AIRLOCK_WORK/ping.log" | sort -n |
        sed -n 16p)
    [ "${median_ms%.*}" -lt 20 ]
}

say "ten VMs that are silent"
start_vms $nb_vms
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
ctl stats reset
wait_for 20 has_slept 10 || fail "no sleep is told after a reset"
/usr/bin/python3 -c '
import json, sys
(lcore,) = json.load(open(sys.argv[1]))
# A sleep is counted a moment before the time of its round.
assert lcore["sleeps"] <= int(sys.argv[2]) and 50 <= lcore["sleep_percent"] <= 120, lcore
' "$AIRLOCK_WORK/lcores.json" $(($(telemetry /airlock/lcores,1 sleeps) - slept)) ||
    fail "sleep after a reset"
for ((i = 0; i < nb_vms; i++)); do
    ping -q -c 3 -i 0.2 -W 2 "10.0.0.$((i + 2))" >"$AIRLOCK_WORK/ping.log" ||
        fail "vm$i does not answer: $(cat "$AIRLOCK_WORK/ping.log")"
done
tail -n 1 "$AIRLOCK_WORK/ping.log"

# A VM that is deleted while the lcore sleeps, and one that is added.
wait_for 10 is_asleep || fail "the lcore does not sleep again"
ctl vm del vm0 >/dev/null
ctl vm add name=new,mac=52:54:00:00:00:99,mode=server >/dev/null
ping -q -c 3 -i 0.2 -W 2 10.0.0.3 >/dev/null || fail "vm1 does not answer after vm0 has gone"
wait_for 10 is_asleep || fail "the lcore does not sleep at last"
stop_pid "$STARTED_PID" || true
stop_airlockd

say "asleep at once"
# What nobody signals would be found after 100 ms.
start_vms 1 --idle-pause 0 --idle-sleep 0 --idle-wait 0
wait_for 30 is_asleep || fail "the lcore does not sleep"
wait_for 120 answers_soon || fail "a packet does not wake the lcore: $(cat "$AIRLOCK_WORK/ping.log")"
echo "an answer takes $median_ms ms"
stop_airlockd

say "asleep for good"
# No uplink: nothing but a signal ends its sleep, and a change must not wait for that.
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci -- --idle adaptive "${vms[@]:0:2}"
wait_for 30 is_asleep || fail "the lcore does not sleep"
ctl vm set vm0 storm=7 || fail "a change waits for the lcore"
wait_for 10 is_asleep || fail "the lcore does not sleep after a change"
stop_airlockd
allow_net_tap_log
allow_lost_guest_log
