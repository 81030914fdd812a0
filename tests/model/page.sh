#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The life of a page (page.pml): Spin goes through every order in which things can happen, and finds
# no step that breaks an invariant, and no end at which a page is missing. Then each safeguard is
# taken away in turn, and Spin has to find what it was there for.
#
#   tests/model/page.sh [--full]
#
# --full: also all mishaps in one search, and the death of either VMM. It takes minutes, and 8 GB.
# timeout: 600

set -u -o pipefail

model=$(cd "$(dirname "$0")" && pwd)/page.pml
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
nb_checked=0 nb_failed=0 nb_states=0

# search NAME OPTION... -- PAN_OPTION...: build and run a verifier, exact and with all states kept.
search() {
    local name=$1 spin_options=() cc_options=(-DSAFETY)

    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        spin_options+=("$1")
        [ "$1" != -DCOMES_BACK ] || cc_options=()
        shift
    done
    shift
    if ! spin "${spin_options[@]}" -a "$model" >"$name.log" 2>&1 ||
        ! gcc -w "${optimize:--O2}" "${cc_options[@]}" -DNOFAIR -DMEMLIM="${memory_mb:-3500}" -DVECTORSZ=2048 \
            -o pan pan.c >>"$name.log" 2>&1; then
        cat "$name.log"
        exit 1
    fi
    ./pan -m100000 "$@" >>"$name.log" 2>&1
}

nb_states_of() {
    awk '/states, stored/ { print int($1) }' "$1.log"
}

# fail NAME REASON
fail() {
    nb_failed=$((nb_failed + 1))
    echo "not ok $1: $2"
    grep -v unreached "$1.log" | tail -n 40
}

# holds NAME OPTION...: searched to the end, and nothing found.
holds() {
    local name=$1 flags=(-w25)

    shift
    nb_checked=$((nb_checked + 1))
    [[ " $* " != *" -DCOMES_BACK "* ]] || flags+=(-a)
    search "$name" "$@" -- "${flags[@]}"
    if ! grep -q 'errors: 0$' "$name.log"; then
        fail "$name" "$(grep -m 1 '^pan:' "$name.log")"
    elif grep -q -E 'max search depth too small|Search not completed|memory bound' "$name.log"; then
        fail "$name" "not searched to the end"
    else
        nb_states=$((nb_states + $(nb_states_of "$name")))
        echo "ok $name: $(nb_states_of "$name") states"
    fi
}

# finds SAFEGUARD ASSERTION OPTION...: without the safeguard, this assertion breaks.
finds() {
    local name=without_$1 safeguard=$1 assertion=$2
    # It ends soon; to compile it well would take longer.
    local optimize=-O0

    shift 2
    nb_checked=$((nb_checked + 1))
    search "$name" "-D$safeguard" "$@" -- -w22
    if grep -F 'pan:1: assertion violated' "$name.log" | grep -q -F "$assertion"; then
        echo "ok $name: found after $(nb_states_of "$name") states"
    else
        fail "$name" "not found: $assertion"
    fi
}

command -v spin >/dev/null || {
    echo "skip: spin is not installed"
    exit 77
}

holds restart_and_break -DRESTARTS=1 -DBREAKS=1 -DDEATHS=0
holds restart_and_death -DRESTARTS=1 -DBREAKS=0 -DDEATHS=1
holds device_and_break -DDEVICE -DRESTARTS=0 -DBREAKS=1 -DDEATHS=0
holds device_and_restart -DDEVICE -DRESTARTS=1 -DBREAKS=0 -DDEATHS=0
if [ "${1:-}" = --full ]; then
    memory_mb=8000
    holds break_and_death -DRESTARTS=0 -DBREAKS=1 -DDEATHS=1 -DANY_VMM_DIES
    holds all -DRESTARTS=1 -DBREAKS=1 -DDEATHS=1
fi
holds comes_back -DCOMES_BACK -DRESTARTS=0 -DBREAKS=1 -DDEATHS=0

in_its_state='assertion violated ((state['
in_no_vm='holder[0]!=0))||( !(vms[1].mapped[0])&&'
dma_in_no_vm='(holder[0]!=0))||( !((vms[1].mapped[0]||vms[1].dma[0]))&&'
in_one_vm='!(vms[1].mapped[0])|| !(vms[2].mapped[0])'
own_bytes='(front[0]==0)'
none_lost='assertion violated ((state[0]=='
one=(-DRESTARTS=0 -DBREAKS=1 -DDEATHS=0)

finds NO_SCRUB "$own_bytes" -DRESTARTS=0 -DBREAKS=0 -DDEATHS=0
finds KEEP_TAG "$own_bytes" -DRESTARTS=0 -DBREAKS=0 -DDEATHS=0
finds TRUST_LENGTH "$own_bytes" -DRESTARTS=0 -DBREAKS=0 -DDEATHS=0
finds FREE_UNCONFIRMED "$in_no_vm" -DRESTARTS=0 -DBREAKS=0 -DDEATHS=0
finds FREE_ON_END "$in_no_vm" "${one[@]}"
finds LEAVE_DMA "$dma_in_no_vm" -DDEVICE -DRESTARTS=0 -DBREAKS=0 -DDEATHS=0
finds NO_QUIESCENCE "$in_its_state" "${one[@]}"
finds NO_HIDE "$none_lost" "${one[@]}"
finds HIDE_ONCE "$none_lost" "${one[@]}"
finds TAG_IS_VM "$own_bytes" -DRESTARTS=0 -DBREAKS=0 -DDEATHS=1
finds NO_PUNCH "$in_no_vm" -DRESTARTS=1 -DBREAKS=0 -DDEATHS=0
finds MINOR_ONLY "$in_one_vm" -DRESTARTS=1 -DBREAKS=0 -DDEATHS=0

echo "$((nb_checked - nb_failed)) of $nb_checked hold, $nb_states states searched"
[ $nb_failed -eq 0 ]
