# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The QEMU that emulates the box. Its own guests run on a CPU whose SVM it emulates, and that of
# QEMU 7.2, which Debian 12 has, lets the box's kernel run with its guest's state now and then. So a
# newer one comes from Debian's backports into the cache, unpacked and never installed: the guests in
# the box and all other tests keep the one that users have. Needs guest.sh.
#
#   emulator_prepare     fetch it if it is needed (needs network)
#   emulator             its command, in the array box_qemu
#
# Remove the cache to get a newer one.

# emulator_version COMMAND: its major number.
emulator_version() {
    "$1" --version | sed -n 's/^QEMU emulator version \([0-9]*\)\..*/\1/p'
}

emulator_cached() {
    find "$AIRLOCK_CACHE" -maxdepth 1 -name 'qemu-[0-9]*' 2>/dev/null | sort -V | tail -n 1
}

# emulator_apt SCRATCH WORD...: apt-get, which knows the backports and nothing else. They are where
# this machine gets its packages.
emulator_apt() {
    local scratch=$1

    shift
    apt-get -q -o "Dir::Etc::SourceList=$scratch/sources" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch" \
        -o APT::Sandbox::User=root "$@"
}

# emulator_unpack SCRATCH: fetch and unpack it, and move it to its place in the cache.
emulator_unpack() {
    local scratch=$1 deb tree=$1/tree version

    # shellcheck disable=SC2016
    mkdir "$scratch/lists" "$scratch/archives" &&
        apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME)-backports main' \
            'Created-By: Packages' 'Label: Debian' 'Codename: bookworm' 'Component: main' |
        sort -u >"$scratch/sources" &&
        emulator_apt "$scratch" update &&
        (cd "$scratch" && emulator_apt "$scratch" download \
            qemu-system-x86 qemu-system-common qemu-system-data seabios) || return 1
    for deb in "$scratch"/*.deb; do
        dpkg -x "$deb" "$tree" || return 1
    done
    version=$(emulator_version "$tree/usr/bin/qemu-system-x86_64")
    [ -n "$version" ] || return 1
    # Two at once: the second finds the directory there, and throws its own away.
    mv -T "$tree" "$AIRLOCK_CACHE/qemu-$version" 2>/dev/null ||
        [ -d "$AIRLOCK_CACHE/qemu-$version" ]
}

emulator_prepare() {
    local scratch

    [ "$(emulator_version qemu-system-x86_64)" -lt 10 ] && [ -z "$(emulator_cached)" ] || return 0
    mkdir -p "$AIRLOCK_CACHE" || die "cannot make $AIRLOCK_CACHE"
    scratch=$(mktemp -d "$AIRLOCK_CACHE/new.XXXXXX") || die "cannot write to $AIRLOCK_CACHE"
    emulator_unpack "$scratch" >"$scratch/log" 2>&1 || {
        tail -n 5 "$scratch/log" >&2
        warn "no QEMU from Debian's backports: with the one of this machine, cases that have" \
            "guests under KVM may fail"
    }
    rm -rf "$scratch"
}

emulator() {
    local tree

    tree=$(emulator_cached)
    box_qemu=(qemu-system-x86_64)
    # shellcheck disable=SC2034
    [ -z "$tree" ] || box_qemu=("$tree/usr/bin/qemu-system-x86_64" -L "$tree/usr/share/qemu"
        -L "$tree/usr/share/seabios" -L /usr/share/qemu)
}
