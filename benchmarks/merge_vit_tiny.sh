#!/usr/bin/env bash
# Token merging on the real ViT-Ti, dense and without 25 % of its attention: accuracy on held-out labelled images, and speed on the native engine
# relative to the dense model, for several schedules.
# usage: benchmarks/merge_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: existing
# results are kept. CUT names the compressed model (default: that of benchmarks/nose_vit_tiny.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/start_rows.sh
start_rows "${1:-benchmarks/results/merge_vit_tiny}" merge_vit_tiny
dense=$shared/data/vit_tiny_imagenet1k/model.safetensors
cut=${CUT:-build/nose_vit_tiny/removed_3.safetensors}
for r in ${PAIRS:-4 8 12 16 17 18 20}; do
  for model in dense cut; do
    json=$out/${model}_$r.json
    [ -s "$json" ] || "$vitrim" merge "${!model}" --r "$r" --calib "$shared/data/imagenet_calib1000" --images 64 --pictures 0 --pays-at 0 \
      --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none -o "$work/${model}_$r.safetensors" --quiet --json "$json"
  done
done
for share in 75 60; do
  json=$out/dense_auto_$share.json
  [ -s "$json" ] || "$vitrim" merge "$dense" --target-macs $share% --auto --calib "$shared/data/imagenet_calib1000" --images 64 --pictures 0 --pays-at 0 \
    --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none -o "$work/dense_auto_$share.safetensors" --quiet --json "$json"
  json=$out/dense_constant_$share.json
  [ -s "$json" ] || "$vitrim" merge "$dense" --target-macs $share% --calib "$shared/data/imagenet_calib1000" --images 64 --pictures 0 --pays-at 0 \
    --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none -o "$work/dense_constant_$share.safetensors" --quiet --json "$json"
done
# At about equal accuracy: removal, merging, both.
[ -s "$out/speed.json" ] || "$vitrim" bench "$work/cut_20.safetensors" --against "$dense,$cut,$work/dense_17.safetensors,$work/dense_18.safetensors,$work/cut_18.safetensors" \
  --batch 32 --rounds 15 --json "$out/speed.json"
