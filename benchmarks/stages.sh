#!/usr/bin/env bash
# The CPU engine against LibTorch's path on models with stages (random weights), bfloat16, interleaved: one result file a model.
# usage: benchmarks/stages.sh [RESULTS_DIR]; MODELS, BATCH, THREADS and ROUNDS change what is run. Existing results are kept.
set -euo pipefail
cd "$(dirname "$0")/.."
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/stages}
mkdir -p "$out"
for model in ${MODELS:-deit_small_patch16_224 swin_tiny_patch4_window7_224 flatten_swin_tiny_patch4_224 pvt_tiny flatten_pvt_tiny pvt_v2_b1 cswin_tiny}; do
  json=$out/$model.json
  [ -s "$json" ] || "$vitrim" bench "$model" --against "libtorch:$model" --precision bf16 --batch "${BATCH:-8}" --threads "${THREADS:-2}" --rounds "${ROUNDS:-15}" --peak-seconds 0.2 --quiet --json "$json"
done
python3 benchmarks/bench_table.py stages "$out"/*.json
