#!/usr/bin/env bash
# `pip wheel ./python/runtime` from the source tree, installed where there is no torch, held against `vitrim eval` of preset release.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export VITRIM_WHEEL_FROM_SOURCE=1 VITRIM_LIBRARY=$root/build/release/libvitrim.so VITRIM_RUN=$root/build/release/vitrim-run VITRIM_BINARY=$root/build/release/vitrim
exec "${VITRIM_PYTHON:-python3}" "$root/tests/engine/wheel_test.py" Wheel
