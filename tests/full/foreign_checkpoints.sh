#!/usr/bin/env bash
# Checkpoints that transformers and timm save here and now: vitrim answers as they do, or says in a sentence what it has not.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
build=$(dirname "$VITRIM_BINARY")
python=${VITRIM_PEERS_PYTHON:-python3}
if ! "$python" -c 'import importlib.util, sys; sys.exit(not all(importlib.util.find_spec(name) for name in ("timm", "transformers", "safetensors")))'; then
  echo "timm or transformers is missing: skipped"
  exit 77
fi
"$python" "$folder/foreign_checkpoints.py" "$VITRIM_BINARY" "$build/tests/model_outputs"
