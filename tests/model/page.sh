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
# --full: also all mishaps in one search, and the death of either VMM. It takes minutes, and 16 GB.
# timeout: 600

set -u -o pipefail

model=$(cd "$(dirname "$0")" && pwd)/page.pml
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
nb_cpus=$(nproc)
checks=()

# search OPTION... -- PAN_OPTION...: build and run a verifier, exact and with all states kept.
search() {
    local spin_options=() cc_options=(-DSAFETY)

    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        spin_options+=("$1")
        [ "$1" != -DCOMES_BACK ] || cc_options=()
        shift
    done
    shift
    spin "${spin_options[@]}" -a "$model" >log 2>&1 &&
        gcc -w "${optimize:--O2}" "${cc_options[@]}" -DNOFAIR -DMEMLIM="${memory_mb:-3500}" \
            -DVECTORSZ=2048 -o pan pan.c >>log 2>&1 &&
        ./pan -m100000 "$@" >>log 2>&1
}

stored() {
    awk '/states, stored/ { print int($1) }' log
}

# fail NAME REASON
fail() {
    echo "not ok $1: $2"
    grep -v unreached log | tail -n 40
}

# searched NAME OPTION...: to the end, and nothing found.
searched() {
    local name=$1 flags=(-w25)

    shift
    [[ " $* " != *" -DCOMES_BACK "* ]] || flags+=(-a)
    search "$@" -- "${flags[@]}"
    if ! grep -q 'errors: 0$' log; then
        fail "$name" "$(grep -m 1 '^pan:' log)"
    elif grep -q -E 'max search depth too small|Search not completed|memory bound' log; then
        fail "$name" "not searched to the end"
    else
        echo "ok $name: $(stored) states"
    fi
}

# found NAME ASSERTION OPTION...: this assertion breaks.
found() {
    local name=$1 assertion=$2
    # It ends soon; to compile it well would take longer.
    local optimize=-O0

    shift 2
    search "$@" -- -w22
    if grep -F 'pan:1: assertion violated' log | grep -q -F "$assertion"; then
        echo "ok $name: found after $(stored) states"
    else
        fail "$name" "not found: $assertion"
    fi
}

# begin NAME COMMAND...: a check, in a directory of its own, beside others if there are CPUs.
begin() {
    local name=$1

    while [ "$(jobs -pr | wc -l)" -ge "$nb_cpus" ]; do
        wait -n
    done
    checks+=("$name")
    mkdir "$work/$name"
    (cd "$work/$name" && "$2" "$name" "${@:3}") >"$work/$name.result" &
}

holds() {
    begin "$1" searched "${@:2}"
}

# finds SAFEGUARD ASSERTION OPTION...: without the safeguard, this assertion breaks.
finds() {
    begin "without_$1" found "$2" "-D$1" "${@:3}"
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

wait
cd "$work" || exit 1
results=("${checks[@]/%/.result}")
cat "${results[@]}"
nb_ok=$(cat "${results[@]}" | grep -c '^ok ')
nb_states=$(sed -n 's/^ok [a-z_]*: \([0-9]*\) states$/\1/p' "${results[@]}" | awk '{ n += $1 } END { print n }')
echo "$nb_ok of ${#checks[@]} hold, $nb_states states searched"
[ "$nb_ok" -eq ${#checks[@]} ]
