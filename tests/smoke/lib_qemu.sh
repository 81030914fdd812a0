# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What a smoke test with VMs in QEMU sources first, in place of lib.sh: config/lib/guest.sh and
# lib.sh. The kernel of the VMs is fetched before the sandbox is entered, which has no network.

# shellcheck source=config/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/common.sh"
# shellcheck source=config/lib/guest.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/guest.sh"
if [ -z "${AIRLOCK_SANDBOX:-}" ]; then
    need_root
    guest_prepare
fi
# shellcheck source=tests/smoke/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
