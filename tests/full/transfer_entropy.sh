#!/usr/bin/env bash
# All reference values of transfer entropy (./check looks at a sample), and the exact search's economy on the real model.
set -euo pipefail
[ -d "$VITRIM_SHARED/data" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
OMP_WAIT_POLICY=passive VITRIM_FULL=1 "$(dirname "$VITRIM_BINARY")/tests/analysis_tests" --gtest_filter='*Real*'
data=$VITRIM_SHARED/data
"$VITRIM_BINARY" analyze "$data/vit_tiny_imagenet1k/model.safetensors" --calib "$data/imagenet_calib1000" --images 50 --te-images 50 --remove 3 --search exact \
  --criterion te -o "$work/scores.json" --quiet
python3 - "$work/scores.json" <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))
share = s["block_evaluations"] / s["brute_force_block_evaluations"]
print("chosen", s["chosen"], "block evaluations", s["block_evaluations"], f"{100 * share:.0f} % of brute force")
assert share <= 0.45
PY
