# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The devices of the box, for its init and for cases.

# shellcheck disable=SC2034
LAB_CARD_ID=0x8086:0x10d3
# shellcheck disable=SC2034
LAB_EDU_ID=0x1234:0x11e8

# find_device VENDOR:DEVICE: the PCI addresses of all such devices.
find_device() {
    local device

    for device in /sys/bus/pci/devices/*; do
        [ "$(cat "$device/vendor"):$(cat "$device/device")" != "$1" ] || echo "${device##*/}"
    done
}

# bind_vfio ADDRESS: give a device to vfio-pci.
bind_vfio() {
    local device=/sys/bus/pci/devices/$1

    echo vfio-pci >"$device/driver_override"
    [ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
    echo "$1" >/sys/bus/pci/drivers_probe
    [ "$(basename "$(readlink "$device/driver")")" = vfio-pci ]
}
