#!/usr/bin/env bash
# int8 against bfloat16: accuracy of the real ViT-Ti on val700 and dev500, and the speed of DeiT-S and DeiT-B (random weights) on the CPU engine,
# interleaved. usage: benchmarks/int8.sh [FOLDER], with the real data in the folder that VITRIM_SHARED names, else ../shared.
set -euo pipefail

out=${1:-benchmarks/results/int8}
data=${VITRIM_SHARED:-../shared}/data
vitrim=${VITRIM_BINARY:-build/release/vitrim}
models=build/int8
mkdir -p "$out" "$models"

for size in small base; do
  "$vitrim" quantize "deit_${size}_patch16_224" -o "$models/deit_$size.safetensors" --quiet
  "$vitrim" bench "$models/deit_$size.safetensors" --against "deit_${size}_patch16_224" --batch 1 32 --rounds 15 \
    --json "$out/bench_deit_$size.json"
done

dense=$data/vit_tiny_imagenet1k/model.safetensors
"$vitrim" quantize "$dense" --mean 0.5 --std 0.5 -o "$models/vit_tiny.safetensors" --quiet
for set in val700 dev500; do
  resize=248
  if [[ $set == val700 ]]; then resize=none; fi
  for model in "$dense" "$models/vit_tiny.safetensors"; do
    name=int8
    if [[ $model == "$dense" ]]; then name=dense; fi
    "$vitrim" eval "$model" --data "$data/imagenet_$set" --classes "$data/imagenet_synsets.txt" --mean 0.5 --std 0.5 --resize $resize \
      --crop 224 --engine native --quiet --json "$out/vit_tiny_${name}_$set.json"
  done
done
