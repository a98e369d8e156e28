#!/usr/bin/env bash
# Segmentation on the synthetic images of vitrim. First a UPerNet is trained on the small ViT of models/. From that model, with equally long further
# training, the dense model is compared with NOSE, with 25 % and 50 % of the attention diluted away. Takes about a quarter of an hour on two cores.
# usage: benchmarks/segmentation_synthetic.sh [SEED] [RESULTS_DIR]. Resumable: existing rows are kept, interrupted ones continue.
# benchmarks/segmentation_table.py makes the table in docs/segmentation.md.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-0}
source benchmarks/start_rows.sh
start_rows "${2:-benchmarks/results/segmentation_synthetic}" segmentation_synthetic
# Only images of synthetic-masks:test evaluate; the set is chosen on images of the training split, without their labels.
common=(--recipe plain --data "synthetic-masks:train:${TRAIN_IMAGES:-3000}" --eval "synthetic-masks:test:${TEST_IMAGES:-1000}" --eval-every 0 --batch-size 16 --set augment.horizontal_flip=0.5
  --seed "$seed" --pictures 0 --resume)

row() { train_row "$1.seed$seed" "${@:2}" "${common[@]}"; }

row start train --init models/synthetic_vit.safetensors --head upernet --head-width 32 --epochs "${START_EPOCHS:-5}" --warm-up-epochs 0.25
start=$work/start.seed$seed.safetensors
length=(--epochs "${EPOCHS:-3}" --warm-up-epochs 0.25 --learning-rate 5e-4)
row dense train --init "$start" "${length[@]}"
row nose_25 dilute "$start" --remove 25% --images 200 --dilution-epochs "${DILUTION:-2}" "${length[@]}"
row nose_50 dilute "$start" --remove 50% --images 200 --dilution-epochs "${DILUTION:-2}" "${length[@]}"
