#!/usr/bin/env bash
# Dilution learning on CIFAR-100 (20,000 training images, 5,000 test images, at 96 px) from the ViT-Ti ImageNet weights. All rows of the results page
# start from the same fine-tuned dense model and use the same recipe and number of epochs.
# usage: benchmarks/cifar100.sh [SEED] [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: existing rows
# are kept, interrupted ones continue.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-0}
source benchmarks/start_rows.sh
start_rows "${2:-benchmarks/results/cifar100}" cifar100
source benchmarks/cifar100_rows.sh
unpack_cifar100
# shellcheck disable=SC2054
common=(--recipe cifar100 --resize 96 --data "$work/train.bin" --eval "$work/test.bin" --seed "$seed" --resume)

# row NAME COMMAND...: one training run.
row() { train_row "$1.seed$seed" "${@:2}" "${common[@]}" "${length[@]}"; }

dense=$work/dense.seed0.safetensors
layers() { python3 -c 'import json, sys; print(",".join(map(str, json.load(open(sys.argv[1]))["'"$2"'"])))' "$1"; }

# 1. Dense, from the ImageNet weights. All other rows start from the model of seed 0.
length=(--epochs 8)
[ "$seed" = 0 ] && row dense train --init "$shared/data/vit_tiny_imagenet1k/model.safetensors" --new-head --image-size 96
# The other rows start from a model that is already trained on the data. With the recipe's peak of 3e-4, the first two epochs raise the training loss
# from 0.95 to 1.15, and half of the epochs only recover from that (results/cifar100_3e-4), so the peak is a third of it.
length=(--epochs "${EPOCHS:-4}" --learning-rate "${RATE:-1e-4}")
# 2. Dense, for as many more epochs.
row dense_longer train --init "$dense"
# 3. Diluted; the set is chosen once, on unlabelled training images.
if [ "$seed" = 0 ]; then which=(--remove 25%); else which=(--remove-attention "$(layers "$out/nose_25.seed0.json" removed)"); fi
row nose_25 dilute "$dense" "${which[@]}" --dilution-epochs "${DILUTION:-2}" --track-entropy 200
chosen=$(layers "$out/nose_25.seed0.json" removed)
# 5. and 6. The same set cut at once and fine-tuned; absorbed (as vitrim compress does) and fine-tuned.
# alike SHARE LAYERS: both rows for one set.
alike() {
  row "cut_$1" dilute "$dense" --remove-attention "$2" --dilution-epochs 0
  if [ ! -s "$work/absorbed_$1.safetensors" ]; then
    "$vitrim" compress "$dense" --calib "$work/train.bin" --images 1000 --eval "$work/test.bin" --remove-attention "$2" \
      -o "$work/absorbed_$1.safetensors" --json "$out/absorbed_$1.json"
  fi
  row "absorbed_$1" train --init "$work/absorbed_$1.safetensors"
}
alike 25 "$chosen"
[ "$seed" = 0 ] || exit 0
# 4. Other sets, diluted in the same way; the random one is drawn by python3 from seed 0.
row random_25 dilute "$dense" --remove-attention "${RANDOM_SET:-0,6,11}" --dilution-epochs "${DILUTION:-2}"
row first_25 dilute "$dense" --remove-attention 0,1,2 --dilution-epochs "${DILUTION:-2}"
row nose_33 dilute "$dense" --remove 33% --dilution-epochs "${DILUTION:-2}"
alike 33 "$(layers "$out/nose_33.seed0.json" removed)"
