#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Three kinds of guests at once behind the card: a stock Linux guest under KVM, by copy, which answers
# pings from outside and gets 16 MiB byte for byte; meanwhile a DPDK guest under KVM and one in a
# process get packets by remap, all of them as they were sent.

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/smoke/lib_window_qemu.sh
. "$lab/../smoke/lib_window_qemu.sh"

# Of the Linux guest; web is the DPDK guest under KVM, win the one in a process. A guest under KVM has
# one CPU, as the box has no more for it.
lin=52:54:00:00:00:06
mac[win]=52:54:00:00:00:02
cpus=1
lcore_cpu=0

win_is_up() {
    [ "$(ask '/airlock/vm,win state' '/airlock/vm,win window state' | xargs)" = "up up" ] &&
        grep -q '^{' "$AIRLOCK_WORK/win.log"
}

# no_vm_has_a_page: nor is one on its way back. Frames that were sent may still be in the card's ring;
# airlockd counts them when it ends.
no_vm_has_a_page() {
    [ "$(ask '/airlock/balance balanced' '/airlock/pages leased' '/airlock/pages released' \
        '/airlock/pages unmapping' '/airlock/pages violations' '/airlock/pages agree' | xargs)" = \
        "yes 0 0 0 0 yes" ]
}

win_has_all() {
    [ "$(counted win packets missing bad foreign)" = "$each 0 0 0" ]
}

# A guest's kernel tries whether it has performance counters.
allow_kernel '^kvm \[[0-9]+\]: vcpu[0-9]+, guest rIP: 0x[0-9a-f]+ Unhandled WRMSR\(0xc0010007\) = 0xffff$'
/usr/bin/python3 "$lab/../smoke/make_checked.py" "$LAB_SHARE/checked.pcap" $each 64,1514 \
    "${mac[web]}" "${mac[win]}"
outside ip addr add 10.0.0.1/24 dev wire0
start_on_card --copy-below 1000 --vm "name=lin,mac=$lin" --vm "name=web,mac=${mac[web]},deliver=remap" \
    --vm "name=win,mac=${mac[win]},deliver=remap"
guest_start lin --socket "$RUN_DIR/lin.sock" --mac $lin --ip 10.0.0.2/24
guest_wait lin
step "the Linux guest is up"
boot web
# The others count everything that comes, so nothing may be sent to all.
guest_sh lin "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && \
    arp -s 10.0.0.1 $(outside wire_address)" ||
    fail "lin's network cannot be set up"
outside ip neigh add 10.0.0.2 lladdr $lin nud permanent dev wire0
step "the guests under KVM are up"
receive web --count $each --scan
start_window_guest win win 0 --count $each --scan --interrupt
win_pid=$STARTED_PID
wait_for 20 win_is_up || fail "win does not receive"
step "all guests receive"

pings 10.0.0.2 20
transfer 10.0.0.2 16 &
transfer=$!
outside send "$LAB_SHARE/checked.pcap"
wait_for 20 exactly web $each || fail "web: sent $each: $(last web '' packets missing bad foreign)"
wait_for 20 win_has_all || fail "win: sent $each: $(counted win packets missing bad foreign)"
step "all packets have arrived"
wait "$transfer"
for name in web win; do
    say "$name: $(ask "/airlock/vm,$name window remapped_packets") remapped," \
        "$(ask "/airlock/vm,$name window copied_packets") copied"
    [ "$(ask "/airlock/vm,$name window remapped_packets")" -gt 0 ] || fail "$name: nothing was remapped"
    [ "$(ask "/airlock/vm,$name window refused")" = '{}' ] || fail "$name posts what it must not"
done
[ "$(dmar_faults)" -eq 0 ] || fail "DMA was refused"
guest_stop lin --now
guest_stop web --now
stop_pid "$win_pid" || fail "win has ended with status $?"
wait_for 10 no_vm_has_a_page || fail "not all is back: $(ask /airlock/balance /airlock/pages)"
is_clean || fail "$(ask /airlock/pages/verify)"
stop_airlockd
allow_lost_guest_log
