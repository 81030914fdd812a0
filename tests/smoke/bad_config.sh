#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# asan
#
# Whatever is wrong with flags, file or machine: airlockd says so in one line that names the flag or
# the file and line, what was found and what was expected; it exits with 2 and leaves nothing behind.
# What is right passes --check.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

airlockd=${AIRLOCKD:-$AIRLOCK_BUILD/app/airlockd/airlockd}
conf=$AIRLOCK_WORK/airlock.conf
out=$AIRLOCK_WORK/out.txt
err=$AIRLOCK_WORK/err.txt
web=name=web,mac=52:54:00:00:00:01
memory=(--no-huge -m 256)
device=net_null0
status=
nb_cases=0
eal_ran=no

# run OPTION...: what it printed in $out and $err, its exit status in $status.
run() {
    status=0
    # A daemon that starts in spite of all would stay.
    timeout -k 5 30 "$airlockd" --file-prefix bad --no-pci --lcores '0@0,1@1' \
        --vdev "$device" "${memory[@]}" -- "$@" >"$out" 2>"$err" </dev/null || status=$?
}

wrong() {
    echo "arguments: $arguments"
    [ ! -e "$conf" ] || head -c 2000 "$conf" | cat -v | sed 's/^/    conf | /'
    cat -v "$err" | sed 's/^/    err | /'
    fail "$@"
}

nothing_left() {
    local left

    left=$(find "$RUN_DIR" -mindepth 1)
    [ -z "$left" ] || wrong "left behind: $left"
}

# bad REGEX OPTION...: the one line is "airlockd: " and this; a line of the EAL may stand beside it.
bad() {
    local regex=$1 lines arguments

    shift
    arguments="$*"
    nb_cases=$((nb_cases + 1))
    run "$@"
    lines=$(grep -a '^airlockd: ' "$err" || true)
    [ "$status" -eq 2 ] || wrong "exit status $status, not 2"
    [ "$(grep -a -c '^airlockd: ' "$err")" = 1 ] || wrong "not exactly one line"
    # What is wrong in itself is found before the EAL can say anything.
    [ $eal_ran = yes ] || [ "$(wc -l <"$err")" = 1 ] || wrong "more lines than one"
    grep -q -E -e "^airlockd: $regex" <<<"$lines" || wrong "no match for: $regex"
    grep -q -e 'expected' <<<"$lines" || wrong "does not say what was expected"
    ! grep -a '^ERR ' "$err" || wrong "says it twice"
    nothing_left
}

# bad_conf LINE REGEX [OPTION...] <TEXT: the line that is wrong in the file, and what is said of it.
bad_conf() {
    local line=$1 regex=$2

    shift 2
    cat >"$conf"
    bad "$conf:$line: $regex" --run-dir "$RUN_DIR" -c "$conf" "$@"
    rm "$conf"
}

bad_flag() {
    bad "$1" --run-dir "$RUN_DIR" "${@:2}"
}

# good OPTION...: exit status 0 and no complaint.
good() {
    local arguments="$*"

    nb_cases=$((nb_cases + 1))
    run "$@"
    [ "$status" -eq 0 ] || wrong "exit status $status, not 0"
    ! grep -a '^airlockd: ' "$err" || wrong "complains"
    nothing_left
}

say "wrong in themselves: flags"
bad_flag '--vm: no VM and no uplink, expected at least one, as a flag behind -- or'
bad_flag '--nonsense: unknown flag' --nonsense
bad_flag "--metrics: value 'nonsense', expected off, a port" --metrics nonsense --vm $web
bad_flag 'command line: stray argument .web' web
bad_flag '--vm: no value' --vm
bad_flag '--vm: .*unicast' --vm name=web,mac=01:00:5e:00:00:01
bad_flag '--vm: .*unicast' --vm name=web,mac=00:00:00:00:00:00
bad_flag '--vm: .*52:54:00:00:00' --vm name=web,mac=52:54:00:00:00
bad_flag '--vm: .*without a mac' --vm name=web
bad_flag '--vm: name .a/b' --vm name=a/b,mac=52:54:00:00:00:01
bad_flag '--vm: name .\.\.' --vm name=..,mac=52:54:00:00:00:01
bad_flag "--vm: key 'colour'" --vm $web,colour=5
bad_flag "--vm: quota 'x', expected a number" --vm $web,quota=x
bad_flag "--vm: deliver 'swap', expected copy, auto or remap" --vm $web,deliver=swap
bad_flag "--vm: stray 'on', expected stall or kill" --vm $web,stray=on
bad_flag "--vm: dma-device '00:05', expected a PCI address" --vm $web,dma-device=00:05
bad_flag "--vm: dma-device '0000:00:05.0' of VM 'web' without a window" \
    --vm $web,dma-device=00:05.0
bad_flag "--copy-below: value 'some', expected a number .*auto, always or never" \
    --vm $web --copy-below some
bad_flag '--vm: .*second' --vm $web --vm $web
bad_flag '--vm: mac .*that of VM .web' --vm $web --vm name=db,mac=52:54:00:00:00:01
bad_flag '--vm: socket .*the socket of VM .web' --vm $web,socket=/tmp/s \
    --vm name=db,mac=52:54:00:00:00:02,socket=/tmp/s
bad_flag '--vm: .*107' --vm "$web,socket=/$(printf 'x%.0s' {1..107})"
bad_flag '--vm: .*uplink .3' --vm $web,uplink=3 --uplink port=0
bad_flag '--pool-pages: .*8192k' --vm $web --pool-pages 8192k
bad_flag '--pool-pages: .*99999999999999999999' --vm $web --pool-pages 99999999999999999999
bad_flag '--uplink: mtu .67' --uplink port=0,mtu=67
bad_flag '-c: .*No such file' -c "$AIRLOCK_WORK/none.conf"
bad_flag '-c: .*directory' -c "$AIRLOCK_WORK"

say "wrong in themselves: files"
bad_conf 3 "key 'foo'" <<END
[airlock]

foo = 1
END
bad_conf 1 'section \[vms web\]' <<END
[vms web]
END
bad_conf 2 "'pool-pages'" <<END
[airlock]
pool-pages
END
bad_conf 1 "key 'stats' outside" <<END
stats = 1
END
bad_conf 4 "VM 'web' is a second one" <<END
[vm web]
mac = 52:54:00:00:00:01
; once more
[vm web]
END
bad_conf 4 'mac .*that of VM .web' <<END
[vm web]
mac = 52:54:00:00:00:01
[vm db]
mac = 52:54:00:00:00:01
END
bad_conf 1 "VM 'db' without a mac" <<END
[vm db]
vlan = 5
END
bad_conf 4 "'tx:db'" <<END
[vm web]
mac = 52:54:00:00:00:01
[lcores]
1 = all tx:db
END
bad_conf 2 'byte 0x00' < <(printf '[airlock]\n\0\n')
bad_conf 1 'byte 0x7f' < <(head -c 4096 "$(realpath "$airlockd")")

say "wrong for this machine"
eal_ran=yes
bad_flag '--uplink: .*7' --uplink port=7 --vm $web
bad_conf 1 '.*7' --vm $web <<END
[uplink 7]
END
bad_conf 2 '.*lcore' --uplink port=0 --vm $web <<END
[lcores]
5 = all
END
bad_conf 2 '.*main lcore' --uplink port=0 --vm $web <<END
[lcores]
0 = all
END
bad_flag '--pool-pages: ' --pool-pages 1024 --uplink port=0,desc=4096 --vm $web
bad_flag '--pool-pages: 3072 pages, expected a power of two' --pool-pages 3072 --uplink port=0 \
    --vm $web,deliver=remap
bad_conf 2 '' --uplink port=0,desc=4096 --vm $web <<END
[airlock]
pool-pages = 1024
END
bad '--run-dir: .*/proc/x' --run-dir /proc/x --uplink port=0 --vm $web
touch "$AIRLOCK_WORK/file"
bad '--run-dir: ' --run-dir "$AIRLOCK_WORK/file" --uplink port=0 --vm $web
bad_flag '--pool-file: .*/proc/x' --pool-file /proc/x --uplink port=0 --vm $web
memory=(--huge-dir "$AIRLOCK_WORK/huge" -m 65536)
bad_flag '.*hugepages' --uplink port=0 --vm $web
memory=(--no-huge -m 256)
ip link add host0 type veth peer name up0
device=net_af_packet0,iface=up0
bad_flag '--uplink: mtu 9000, expected at most 1968,' --uplink port=0,mtu=9000 --vm $web
bad_flag '--uplink: mtu 1969, expected at most 1968,' --uplink port=0,mtu=1969 --vm $web
device+=,framesz=4096,blocksz=4096
bad_flag '--uplink: mtu 4017, expected at most 4016,' --uplink port=0,mtu=4017 --vm $web
# The driver wants a buffer for all of its frame, whatever the MTU.
device=net_af_packet0,iface=up0,framesz=12288,blocksz=12288,framecnt=512
bad_flag '--pool-pages: 1024 pages .frames of 4.' --pool-pages 1024 --uplink port=0,mtu=9000 --vm $web
device=net_af_packet0,iface=up0,framesz=9216,blocksz=36864,framecnt=512
bad_flag '--pool-pages: 1024 pages .frames of 3.' --pool-pages 1024 --uplink port=0,mtu=9000 --vm $web
device=net_null0

bad_flag "--vm: dma-device '0000:ff:1f.7' of VM 'web' does not exist, expected" \
    --vm $web,deliver=auto,dma-device=0000:ff:1f.7

say "right"
device=net_af_packet0,iface=up0
good --run-dir "$RUN_DIR" --check --uplink port=0,mtu=1968 --vm $web
device+=,framesz=9216,blocksz=36864,framecnt=512
good --run-dir "$RUN_DIR" --check --uplink port=0,mtu=9000 --vm $web
# Frames of three pages, which divide neither.
good --run-dir "$RUN_DIR" --check --uplink port=0,mtu=9000 --pool-pages 8192 --vm $web
good --run-dir "$RUN_DIR" --check --uplink port=0,mtu=9000 --pool-pages 4096 --vm $web,deliver=remap
device=net_null0
good --run-dir "$RUN_DIR" --check --uplink port=0 --vm $web
cat >"$conf" <<END
; all of it
[airlock]
pool-pages = 4096
[uplink 0]
queues = 1
[vm web]
mac = 52:54:00:00:00:01
[lcores]
1 = rx handoff tx:web.0
END
good --run-dir "$RUN_DIR" -c "$conf" --check
rm "$conf"
good --run-dir "$RUN_DIR" -c "$AIRLOCK_TOP/config/airlock.conf.example" --check
good --help
grep -q -e '^usage: airlockd' "$out" || wrong "no usage"
good --version
grep -q -e '[0-9]\.[0-9]' "$out" || wrong "no version"

say "$nb_cases cases"
