#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# meson install puts everything below DESTDIR and nothing elsewhere; and from its place it works:
# airlockd takes the example configuration, systemd the units, man the pages.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

dest=$AIRLOCK_WORK/dest
prefix=/usr/local
libs=lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
examples=share/doc/airlock/examples

wanted() {
    printf '%s\n' bin/airlockctl sbin/airlockd \
        "$libs/airlock/libairlock-agent.so" "$libs/libairlock-guest.so" \
        include/airlock_window.h include/airlock_window_proto.h \
        lib/systemd/system/{airlockd,airlock-hugepages}.service lib/systemd/system/run-airlock.mount \
        share/bash-completion/completions/airlockctl \
        share/man/man1/airlockctl.1 share/man/man5/airlock.conf.5 share/man/man8/airlockd.8 \
        "$examples"/{airlock.conf.example,libvirt.xml,libvirt-window.xml} \
        "$examples"/grafana/airlock.json "$examples"/kubernetes/pod.yaml \
        "$examples"/systemd/airlock.default \
        "$examples"/systemd/run-airlock.mount.d/libvirt.conf | sort
}

say "install"
touch "$AIRLOCK_WORK/before"
DESTDIR=$dest meson install -C "$AIRLOCK_BUILD" --no-rebuild --quiet
diff <(wanted) <(cd "$dest$prefix" && find . ! -type d | sed 's,^\./,,' | sort) ||
    fail "not what is to be installed"
[ -z "$(find "$dest" -path "$dest$prefix" -prune -o ! -type d -print)" ]
[ -z "$(find $prefix -newer "$AIRLOCK_WORK/before" ! -type d)" ] || fail "something went beside DESTDIR"
! grep -r -l -F -e "$dest" -e "$AIRLOCK_TOP" "$dest$prefix"/{lib/systemd,share,include} ||
    fail "a path of this machine in an installed file"

say "from its place"
mount --bind "$dest$prefix" $prefix
mount -t tmpfs -o mode=0755 run /run
airlockctl --version
airlockd --no-huge -m 128 --no-pci --vdev net_null0 --lcores '0@0,1@0' --file-prefix installed -- \
    -c "$prefix/$examples/airlock.conf.example" --check 2>/dev/null | grep 'configuration is valid'
systemd-analyze verify --man=no airlockd.service airlock-hugepages.service run-airlock.mount
mkdir -p /run/systemd/system/run-airlock.mount.d
cp "$prefix/$examples/systemd/run-airlock.mount.d/libvirt.conf" /run/systemd/system/run-airlock.mount.d
systemd-analyze verify --man=no run-airlock.mount
for page in airlockctl.1 airlock.conf.5 airlockd.8; do
    mandoc -T lint -W warning "$prefix/share/man/man${page##*.}/$page"
done
