#!/usr/bin/env bash
# What 25 %, 33 % and 50 % of the attention cost after fine-tuning with a teacher, on CIFAR-100 (20,000 training images, 5,000 test images, at 96 px): layers
# removed or made static by vitrim compress on unlabelled training images, then trained with labels and the dense model as teacher. The dense model is trained
# as long with the same teacher. All rows begin with dense.seed0, the ViT-Ti ImageNet weights fine-tuned for 8 epochs.
# usage: benchmarks/cifar100_static.sh [SEED] [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: a row that is
# there is kept, one that was interrupted goes on. EPOCHS (4) sets the length of the fine-tuning, IMAGES (4000) the number of unlabelled images, KINDS and
# SHARES choose rows. Table: benchmarks/cifar100_table.py.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-0}
source benchmarks/start_rows.sh
start_rows "${2:-benchmarks/results/cifar100_static}" cifar100
source benchmarks/cifar100_rows.sh
unpack_cifar100
epochs=${EPOCHS:-4}
data=(--recipe cifar100 --resize 96 --data "$work/train.bin" --eval "$work/test.bin" --threads "${THREADS:-2}" --state-minutes 5 --resume)

dense=$work/dense.seed0.safetensors
[ -s "$dense" ] || train_row dense.seed0 train --init "$shared/data/vit_tiny_imagenet1k/model.safetensors" --new-head --image-size 96 --epochs 8 --seed 0 "${data[@]}"

# tune NAME INIT: fine-tuning with the dense model as teacher.
tune() {
  train_row "$1.epochs$epochs.seed$seed" train --init "$2" --teacher "$dense" --epochs "$epochs" --learning-rate 1e-4 --eval-every "$epochs" --seed "$seed" "${data[@]}"
}
tune dense_longer "$dense"

# The six layers, and those that go first, are chosen by compress on 1,000 unlabelled training images.
layers() { python3 -c 'import json, sys; print(",".join(map(str, json.load(open(sys.argv[1]))["removed"])))' "$1"; }
declare -A count=([25]=3 [33]=4 [50]=6)
for share in ${SHARES:-25 33 50}; do
  choice=$out/choice_$share.json
  [ -s "$choice" ] || "$vitrim" compress "$dense" --calib "$work/train.bin" --images 1000 --remove "${count[$share]}" --no-absorb --seed 0 --threads "${THREADS:-2}" \
    -o "$work/choice_$share.safetensors" --json "$choice"
  chosen=$(layers "$choice")
  for kind in ${KINDS:-static removed}; do
    name=${kind}_$share
    case $kind in static) how=--static ;; removed) how=--remove-attention ;; esac
    if [ ! -s "$work/$name.safetensors" ]; then
      "$vitrim" compress "$dense" --calib "$work/train.bin" --images "${IMAGES:-4000}" --eval "$work/test.bin" "$how" "$chosen" --seed 0 --threads "${THREADS:-2}" \
        -o "$work/$name.safetensors" --json "$out/$name.json"
    fi
    tune "$name" "$work/$name.safetensors"
  done
done
