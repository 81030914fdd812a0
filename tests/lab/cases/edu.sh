#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A VM's device behind the IOMMU reaches the pages that are mapped for its VM, and no other: not a
# free one, nor another VM's, nor one that was given back a moment ago. Each other try is a fault in
# the kernel's log, and memory is as it was (tests/unit/test_edu.c).

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"

allow_kernel 'DMAR: (DRHD: handling fault status|\[DMA (Read|Write).*fault addr)'
bind_vfio "$EDU" || fail "edu is not on vfio-pci"
DPDK_TEST=edu_autotest "$AIRLOCK_BUILD/tests/unit/airlock-test" --no-huge --no-pci -m 256 \
    --lcores '0@0,1@0,2@1,3@1' || fail "exit status $?"
[ "$(dmar_faults)" -gt 0 ] || fail "no DMA was refused"
