#!/usr/bin/env bash
# The CPU engine on all 700 labelled images: bfloat16 against float32 (./check looks at a sample).
set -euo pipefail
[ -d "$VITRIM_SHARED/data" ] || exit 77
OMP_WAIT_POLICY=passive VITRIM_FULL=1 "$(dirname "$VITRIM_BINARY")/tests/runtime_tests" --gtest_filter='*Real*'
