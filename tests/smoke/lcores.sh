#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Lcores that share the work in two ways, one for each stage and two that do it all: a VM sends back
# what it gets, to the uplink and to another VM, and every packet is where it belongs, in the VMs
# and in the file that the uplink writes. Then the same at full load, where only the sums must fit.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

echoes=52:54:00:00:00:01
takes=52:54:00:00:00:02
sender=02:a0:00:00:00:01
# What a queue of the uplink gets: fewer in all than any ring on the way holds.
kinds=("$echoes,$sender,100" "$echoes,$takes,1000" "$takes,$sender,60" "ff:ff:ff:ff:ff:ff,$sender,60")
each=200
ring=4096
nb_runs=0

# guest NAME MODE QUEUES
guest() {
    start "$1$nb_runs" dpdk-testpmd --lcores '0@0,1@0' --no-pci --no-huge -m 256 \
        --file-prefix "$1$nb_runs" \
        --vdev "net_virtio_user0,path=$RUN_DIR/$1.sock,queues=$3,queue_size=$ring" \
        -- --forward-mode="$2" --rxq="$3" --txq="$3" --rxd=$ring --txd=$ring \
        --total-num-mbufs=40000 --no-lsc-interrupt --stats-period 60
}

guests_are_ready() {
    grep -q 'Port statistics' "$AIRLOCK_WORK/echoes$nb_runs.log" 2>/dev/null &&
        grep -q 'Port statistics' "$AIRLOCK_WORK/takes$nb_runs.log" 2>/dev/null &&
        [ "$(grep -c 'vnic: .*: up' "$AIRLOCKD_LOG")" -eq $((2 * nb_runs)) ]
}

# exact: where each packet has to be. A broadcast that is sent back has a false source.
exact() {
    local n=$((each * nb_queues)) found expected

    expected="$((3 * n)) $((3 * n)) {\"total\": $n, \"spoofed\": $n} {\"total\": 0}"
    expected+=" $((3 * n)) $((n * (1000 + 60 + 60))) {\"total\": 0} $n $((n * 100)) $((3 * n))"
    found=$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,echoes delivered_packets' \
        '/airlock/vm,echoes taken_packets' '/airlock/vm,echoes tx_drops' \
        '/airlock/vm,echoes rx_drops' '/airlock/vm,takes delivered_packets' \
        '/airlock/vm,takes delivered_bytes' '/airlock/vm,takes rx_drops' \
        '/airlock/uplinks 0 sent_packets' '/airlock/uplinks 0 sent_bytes')
    found+=" $(ask takes$nb_runs '/ethdev/stats,0 ipackets')"
    [ "${found//$'\n'/ }" = "$expected" ]
}

at_rest() {
    local found

    found=$(ask "$AIRLOCKD_PREFIX" '/airlock/balance balanced' '/airlock/balance in_flight' \
        '/airlock/pages pages' '/airlock/pages free')
    [[ ${found//$'\n'/ } =~ ^\"yes\"\ 0\ ([0-9]+)\ ([0-9]+)$ ]] &&
        [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
}

show() {
    ask "$AIRLOCKD_PREFIX" /airlock/vm,echoes /airlock/vm,takes /airlock/uplinks \
        /airlock/balance /airlock/pages
}

# sent_back: packets in the files that the uplink wrote.
sent_back() {
    local q bytes=0

    for ((q = 0; q < nb_queues; q++)); do
        bytes=$((bytes + $(stat -c %s "$dir/out$q.pcap") - 24))
    done
    echo $((bytes / (16 + 100)))
}

# works LCORE RX TX: has it received, has it taken from VMs?
works() {
    local found

    found=$(ask "$AIRLOCKD_PREFIX" "/airlock/lcores,$1 rx_packets" "/airlock/lcores,$1 tx_packets")
    found=$(sed 's/^[1-9].*/yes/; s/^0$/no/' <<<"$found")
    [ "${found//$'\n'/ }" = "$2 $3" ] || fail "lcore $1 has received and taken: $found"
}

# run_with NB_QUEUES FULL_LOAD LCORES: the [lcores] section is on standard input.
run_with() {
    local q vdev=net_pcap0 stop=() feeders=() pid

    nb_queues=$1
    nb_runs=$((nb_runs + 1))
    dir=$AIRLOCK_WORK/run$nb_runs
    mkdir "$dir"
    [ "$2" = exact ] || stop=("$dir/stop")
    /usr/bin/python3 "$here/write_pcap.py" "$dir/in.pcap" $((4 * each)) "${kinds[@]}"
    for ((q = 0; q < nb_queues; q++)); do
        mkfifo "$dir/fifo$q.pcap"
        start feed$nb_runs-$q /usr/bin/python3 "$here/feed_pcap.py" "$dir/in.pcap" \
            "$dir/fifo$q.pcap" "$dir/go" ${stop[@]+"${stop[@]}"}
        feeders+=("$STARTED_PID")
        vdev+=,rx_pcap=$dir/fifo$q.pcap,tx_pcap=$dir/out$q.pcap
    done
    {
        printf '[uplink 0]\nstorm = 0\nqueues = %d\n' "$nb_queues"
        printf '[vm echoes]\nmac = %s\nqueues = 2\nmode = server\nstorm = 0\n' $echoes
        printf '[vm takes]\nmac = %s\nmode = server\n' $takes
        cat
    } >"$dir/airlock.conf"
    start_airlockd --lcores "$3" -m 256 --no-pci --vdev "$vdev" -- -c "$dir/airlock.conf"
    guest echoes macswap 2
    guest takes rxonly 1
    wait_for 30 guests_are_ready || fail "the VMs are not there after 30 seconds"
    touch "$dir/go"
    if [ "$2" = exact ]; then
        wait_for 15 exact || { show; fail "packets are not where they belong"; }
    else
        sleep 3
        touch "$dir/stop"
    fi
    for pid in "${feeders[@]}"; do
        wait_for 10 gone "$pid" || fail "airlockd does not read any more"
    done
    wait_for 10 at_rest || { show; fail "not at rest"; }
}

check_stages() {
    works 1 yes no
    works 2 no no
    works 3 no yes
}

check_all() {
    works 1 yes yes
    works 2 yes yes
}

for load in exact full; do
    say "an lcore for each stage, $load"
    run_with 1 $load '0@0,1@0,2@1,3@1' <<'END'
[lcores]
1 = rx
2 = handoff
3 = tx
END
    check_stages
    stop_airlockd
    [ $load = full ] || [ "$(sent_back)" = $each ] || fail "in the file: $(sent_back), not $each"

    say "two lcores that do it all, $load"
    run_with 2 $load '0@0,1@0,2@1' <<'END'
[lcores]
1 = all
2 = rx handoff tx
END
    check_all
    stop_airlockd
    [ $load = full ] || [ "$(sent_back)" = $((2 * each)) ] ||
        fail "in the files: $(sent_back), not $((2 * each))"
done
