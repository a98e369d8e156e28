#!/usr/bin/env bash
# Channel pruning on the real ViT-Ti, few-shot: attention MACs at 80, 65 and 50 %, learned indicators against their parts switched off and against other
# criteria, all with the same compensation; then the front of removal, pruning and both.
# usage: benchmarks/apma_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: a result
# that is there already is kept. About three minutes a row on two cores; IMAGES, BLOCK_EPOCHS and TARGETS shorten it.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${VITRIM_SHARED:-../shared}
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/apma_vit_tiny}
work=build/apma_vit_tiny
mkdir -p "$out" "$work"
model=$shared/data/vit_tiny_imagenet1k/model.safetensors
few=(--few-shot --data "$shared/data/imagenet_calib1000" --images "${IMAGES:-1000}" --block-epochs "${BLOCK_EPOCHS:-3}"
     --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none)

# row NAME FLAGS...: one pruned (or, without -o, masked) model.
row() {
  local json=$out/$1.json
  shift
  [ -s "$json" ] || "$vitrim" prune "$model" "${few[@]}" "$@" --quiet --json "$json"
}

for target in ${TARGETS:-80 65 50}; do
  at=(--attention-macs "$target%")
  file=(-o "$work/pruned.safetensors")
  row "apma_$target" "${at[@]}" "${file[@]}"
  for criterion in magnitude taylor energy energy_centred difference; do row "${criterion}_$target" "${at[@]}" --channels-by $criterion "${file[@]}"; done
  row "magnitude_unequal_$target" "${at[@]}" --channels-by magnitude --unequal-heads
  for seed in 0 1 2; do row "random_${target}_seed$seed" "${at[@]}" --channels-by random --seed $seed "${file[@]}"; done
  for part in similarity reweight initialisation; do row "apma_no_${part}_$target" "${at[@]}" --without $part "${file[@]}"; done
  row "apma_no_proportions_$target" "${at[@]}" --without proportions
done

# The front: layers removed, channels pruned, and both.
front() {
  local json=$out/front_$1.json
  shift
  [ -s "$json" ] || "$vitrim" compress "$model" --calib "$shared/data/imagenet_calib1000" --images "${IMAGES:-1000}" --epochs "${BLOCK_EPOCHS:-3}" \
    --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none "$@" -o "$work/front.safetensors" --quiet --json "$json"
}
[ -n "${NO_FRONT:-}" ] && exit 0
for layers in 0 0,1 0,1,3; do
  front "removed_${layers//,/}" --remove-attention $layers
  for target in 80 65; do front "removed_${layers//,/}_pruned_$target" --remove-attention $layers --attention-macs $target%; done
done
