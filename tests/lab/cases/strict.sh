#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The case wire, where the card does not have the pages that VMs have.

dma=strict
# shellcheck source=tests/lab/cases/wire.sh
. "$(dirname "$0")/wire.sh"
