#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A card that does DMA where it should not, with dma=strict: edu stands in for it. It reaches pages
# that no VM has, and those that came back; one that a VM has, or may still have, it neither reads nor
# writes, and the kernel logs each try as a fault (tests/unit/test_edu_card.c).

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"

allow_kernel 'DMAR: (DRHD: handling fault status|\[DMA (Read|Write).*fault addr)'
bind_vfio "$EDU" || fail "edu is not on vfio-pci"
DPDK_TEST=edu_card_autotest "$AIRLOCK_BUILD/tests/unit/airlock-test" --no-huge --no-pci -m 256 \
    --lcores '0@0,1@0,2@1,3@1' || fail "exit status $?"
[ "$(dmar_faults)" -gt 0 ] || fail "no DMA was refused"
