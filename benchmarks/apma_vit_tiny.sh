#!/usr/bin/env bash
# Few-shot channel pruning on the real ViT-Ti, to 80, 65 and 50 % of the attention's MACs. It compares learned indicators, with their parts switched
# on and off, with other criteria, all with the same compensation, and measures the Pareto front of removal, pruning and both.
# usage: benchmarks/apma_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: existing results
# are kept. A row takes about three minutes on two cores; IMAGES, BLOCK_EPOCHS and TARGETS shorten it.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/start_rows.sh
start_rows "${1:-benchmarks/results/apma_vit_tiny}" apma_vit_tiny
model=$shared/data/vit_tiny_imagenet1k/model.safetensors
few=(--few-shot --data "$shared/data/imagenet_calib1000" --images "${IMAGES:-1000}" --block-epochs "${BLOCK_EPOCHS:-3}"
     --eval "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --eval-resize none)

# masked NAME FLAGS...: one model that is only masked; row NAME FLAGS...: one that is cut and written.
masked() { [ -s "$out/$1.json" ] || "$vitrim" prune "$model" "${few[@]}" "${@:2}" --quiet --json "$out/$1.json"; }
row() { masked "$@" -o "$work/$1.safetensors"; }

for target in ${TARGETS:-80 65 50}; do
  at=(--attention-macs "$target%")
  row "apma_$target" "${at[@]}"
  for criterion in magnitude taylor energy energy_centred difference; do row "${criterion}_$target" "${at[@]}" --channels-by $criterion; done
  masked "magnitude_unequal_$target" "${at[@]}" --channels-by magnitude --unequal-heads
  for seed in 0 1 2; do row "random_${target}_seed$seed" "${at[@]}" --channels-by random --seed $seed; done
  row "apma_similarity_weights_$target" "${at[@]}" --similarity weights
  for part in reweight initialisation; do row "apma_no_${part}_$target" "${at[@]}" --without $part; done
  masked "apma_no_proportions_$target" "${at[@]}" --without proportions
  row "apma_threshold_$target" "${at[@]}" --truncate threshold
  [ "$target" = 50 ] || continue
  for of in activations residual weights_signed activations_signed; do row "apma_similarity_${of}_$target" "${at[@]}" --similarity $of; done
  row "apma_absence_$target" "${at[@]}" --begin-with absence
done

# The Pareto front: layers removed, and both; channels alone are the rows above. `vitrim report $out/front_*.json $out/apma_{80,65,50}.json -o front.html` draws it.
[ -n "${NO_FRONT:-}" ] && exit 0
"$vitrim" sweep "$model" --calib "$shared/data/imagenet_calib1000" --images "${IMAGES:-1000}" --epochs "${BLOCK_EPOCHS:-3}" --eval "$shared/data/imagenet_val700" \
  --classes "$shared/data/imagenet_synsets.txt" --eval-resize none --remove 1,2,3 --attention-macs 100%,80%,65% -o "$work/front" --quiet
for result in "$work"/front/removed_*.json; do cp "$result" "$out/front_$(basename "$result")"; done
