#!/usr/bin/env bash
# NOSE on the real ViT-Ti: 2, 3 and 4 of 12 attention layers removed and absorbed, and for 3 layers the controls at an equal budget.
# usage: benchmarks/nose_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: existing results
# are kept.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/start_rows.sh
start_rows "${1:-benchmarks/results/nose_vit_tiny}" nose_vit_tiny
common=("$shared/data/vit_tiny_imagenet1k/model.safetensors" --calib "$shared/data/imagenet_calib1000"
        --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none)
for count in 3 2 4; do
  json=$out/$count.json
  [ -s "$json" ] && continue
  "$vitrim" compress "${common[@]}" --remove $count -o "$work/removed_$count.safetensors" --report "$work/removed_$count.html" \
    --json "$json" 2>&1 | tee "$out/$count.log"
done
json=$out/controls.json
[ -s "$json" ] || "$vitrim" compress "${common[@]}" --remove 3 --controls -o "$work/controls.safetensors" --report "$work/controls.html" \
  --json "$json" 2>&1 | tee "$out/controls.log"
