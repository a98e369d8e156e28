#!/usr/bin/env bash
# The speed-up of removal and merging on LibTorch's path (eager, bfloat16), which is NOSE's own setting: DeiT-B without 40 and 50 % of its attention,
# and also with 14 pairs merged. The weights are random, because speed does not depend on them.
# usage: benchmarks/libtorch_path.sh [RESULTS.json]
set -euo pipefail
cd "$(dirname "$0")/.."
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/libtorch_path/deit_base_32.json}
work=build/libtorch_path
mkdir -p "$work" "$(dirname "$out")"
cut() { "$vitrim" compress deit_base_patch16_224 --calib synthetic:calib:8 --remove-attention "$1" --no-absorb -o "$2" --quiet; }
[ -s $work/less_40.safetensors ] || cut 0,1,3,4,6 $work/less_40.safetensors
[ -s $work/less_50.safetensors ] || cut 0,1,3,4,6,9 $work/less_50.safetensors
[ -s $work/less_50_merged.safetensors ] || "$vitrim" merge $work/less_50.safetensors --schedule 0:14 --pays-at 0 -o $work/less_50_merged.safetensors --quiet
"$vitrim" bench $work/less_50_merged.safetensors --engine libtorch --against "deit_base_patch16_224,$work/less_40.safetensors,$work/less_50.safetensors" --batch 32 \
  --precision bf16 --rounds 15 --peak-seconds 0 --json "$out"
