#!/usr/bin/env bash
# What three budgets buy on the real ViT-Ti: 30 % less latency at batch 1, 40 % fewer multiply-adds, 20 % fewer parameters. Candidates are judged on calibration
# images that no fit saw; val700 judges and chooses nothing.
# usage: benchmarks/plan_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: a result that is there
# already is kept. IMAGES says how many calibration images are used (default 256).
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${VITRIM_SHARED:-../shared}
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/plan_vit_tiny}
work=build/plan_vit_tiny
mkdir -p "$out" "$work"
model=$shared/data/vit_tiny_imagenet1k/model.safetensors
plan() {  # NAME BUDGET
  [ -s "$out/$1.json" ] || "$vitrim" plan "$model" --budget "$2" --calib "$shared/data/imagenet_calib1000" --images "${IMAGES:-256}" --plan-images 128 \
    --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none --latency-table "$work/table.json" \
    -o "$work/$1.safetensors" --json "$out/$1.json" > "$out/$1.log.tmp" && mv "$out/$1.log.tmp" "$out/$1.log"
}
plan latency_70 'latency<=70%@batch1'
plan macs_60 'macs<=60%'
plan params_80 'params<=80%'
