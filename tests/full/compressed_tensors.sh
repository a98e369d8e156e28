#!/usr/bin/env bash
# Quantised checkpoints in the hands of the compressed-tensors package: it reads the same weights, and multiplies by them.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
python=${VITRIM_PEERS_PYTHON:-python3}
if ! "$python" -c 'import importlib.util, sys; sys.exit(not all(importlib.util.find_spec(name) for name in ("compressed_tensors", "timm", "torch", "safetensors")))'; then
  echo "compressed-tensors is missing: skipped"
  exit 77
fi
"$python" "$folder/compressed_tensors_reads.py" "$VITRIM_BINARY"
