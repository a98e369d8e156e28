#!/usr/bin/env bash
# The ExecuTorch example on the embedded model with attention removed: exported, run, and held against PyTorch. Skipped where executorch is not installed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
peers=${VITRIM_PEERS_PYTHON:-$root/.venv-peers/bin/python}
vitrim=${VITRIM_BINARY:-$root/build/release/vitrim}
"$peers" -c 'from importlib.util import find_spec as f; raise SystemExit(not all(map(f, ("torch", "safetensors", "executorch", "torchao"))))' ||
  { echo "SKIPPED: $peers has not all of torch, safetensors, executorch and torchao"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$vitrim" compress "$root/models/synthetic_vit.safetensors" --calib synthetic:calib:64 --remove-attention 1 --epochs 0 --quiet -o "$work/small/"
PYTHONPATH=$root/python "$peers" "$root/examples/executorch/export_model.py" "$work/small" "$work/small.pte" 2>"$work/log.txt" || { tail -20 "$work/log.txt"; exit 1; }
[ "$(stat -c %s "$work/small.pte")" -gt 1000000 ] || { echo "small.pte holds no weights"; exit 1; }
