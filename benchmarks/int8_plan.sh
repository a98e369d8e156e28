#!/usr/bin/env bash
# The fastest ViT-Ti with a small loss, by any combination of moves: `vitrim plan --quantize` for two latency budgets that must both hold, using
# calibration images only. The dense model, its int8 form and the built model are then evaluated on val700 and dev500, on which no choice depends, and
# timed against the dense model.
# usage: benchmarks/int8_plan.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED) and a quiet machine. Resumable:
# existing results are kept. Table: benchmarks/two_sets_table.py RESULTS_DIR. Peers: benchmarks/peers/int8.py with --also "vitrim, planned,
# int8=build/int8_plan/planned.safetensors". BUDGETS, WITHOUT (kinds of moves to leave out) and IMAGES are passed to the plan.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${VITRIM_SHARED:-../shared}/data
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/int8_plan}
work=build/int8_plan
mkdir -p "$out" "$work"
dense=$data/vit_tiny_imagenet1k/model.safetensors
prepare=(--mean 0.5 --std 0.5 --crop 224)
budgets=()
for budget in ${BUDGETS:-latency<=50%@batch32 latency<=66%@batch1}; do budgets+=(--budget "$budget"); done
if [ ! -s "$out/planned.json" ] || [ ! -s "$work/planned.safetensors" ]; then
  "$vitrim" plan "$dense" --quantize --without "${WITHOUT:-removal,pruning,mlp}" --most-removed 4 "${budgets[@]}" --calib "$data/imagenet_calib1000" "${prepare[@]}" --resize 248 \
    --images "${IMAGES:-1000}" --plan-images 160 --measure 3 --epochs 2 --latency-table "$work/table.json" -o "$work/planned.safetensors" --json "$out/planned.json"
fi
[ -s "$work/int8.safetensors" ] || "$vitrim" quantize "$dense" "${prepare[@]:0:4}" -o "$work/int8.safetensors" --quiet
for name in dense int8 planned; do
  model=$work/$name.safetensors
  if [[ $name == dense ]]; then model=$dense; fi
  [ -s "$out/$name.val700.json" ] || "$vitrim" eval "$model" --data "$data/imagenet_val700" --classes "$data/imagenet_synsets.txt" "${prepare[@]}" --resize none --engine native --quiet --json "$out/$name.val700.json"
  [ -s "$out/$name.dev500.json" ] || "$vitrim" eval "$model" --data "$data/imagenet_dev500" --classes "$data/imagenet_synsets.txt" "${prepare[@]}" --resize 248 --engine native --quiet --json "$out/$name.dev500.json"
done
[ -s "$out/speed.json" ] || "$vitrim" bench "$work/planned.safetensors" --against "$dense" --against "$work/int8.safetensors" --batch 1 32 --rounds 15 --json "$out/speed.json"
