# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The uplink of lib_window_qemu.sh, which comes first, where it is a veth pair; and who sends into it.
# shellcheck disable=SC2154

send() {
    /usr/bin/python3 "$smoke/send_pcap.py" host0 "$@"
}

start_uplink() {
    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    ip link add host0 type veth peer name up0
    ip link set up0 up
    ip link set host0 up
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_af_packet0,iface=up0,framecnt=8192 -- \
        --uplink port=0 --copy-below 1000 --vm "name=web,mac=${mac[web]},deliver=remap" \
        --vm "name=aut,mac=${mac[aut]},deliver=auto" --vm "name=tst,mac=${mac[tst]},deliver=auto" \
        --vm "name=one,mac=${mac[one]},deliver=auto" --vm "name=two,mac=${mac[two]},deliver=auto"
}

load_begin() {
    start load /usr/bin/python3 "$smoke/send_pcap.py" host0 "$AIRLOCK_WORK/load.pcap" \
        "$AIRLOCK_WORK/stop"
    load_pid=$STARTED_PID
}

load_pause() {
    kill -STOP "$load_pid"
}

load_go_on() {
    kill -CONT "$load_pid"
}

load_end() {
    touch "$AIRLOCK_WORK/stop"
    load_go_on
}
