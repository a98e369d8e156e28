#!/usr/bin/env bash
# The cost of 25 %, 33 % and 50 % of the attention after fine-tuning with a teacher, on CIFAR-100 (20,000 training images, 5,000 test images, at 96
# px). vitrim compress removes layers, or makes them static, on unlabelled training images; then the model is trained with labels and with the dense
# model as teacher. For comparison, the dense model is trained for as many epochs with the same teacher. All rows start from dense.seed0, the ViT-Ti
# ImageNet weights fine-tuned for 8 epochs.
# usage: benchmarks/cifar100_static.sh [SEED] [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable:
# existing rows are kept, interrupted ones continue. EPOCHS (4) sets the length of the fine-tuning, IMAGES (8000) the number of unlabelled images.
# SHARES and KINDS choose rows. The kinds are searched (static attention in the layers that a search for static layers chooses), static (in the layers
# that would be removed first) and removed. Table: benchmarks/cifar100_static_table.py.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-0}
source benchmarks/start_rows.sh
start_rows "${2:-benchmarks/results/cifar100_static}" cifar100
source benchmarks/cifar100_rows.sh
unpack_cifar100
epochs=${EPOCHS:-4} images=${IMAGES:-8000}
data=(--recipe cifar100 --resize 96 --data "$work/train.bin" --eval "$work/test.bin" --threads "${THREADS:-2}" --state-minutes 5 --resume)

# tune NAME INIT: fine-tunes with the dense model as teacher.
tune() {
  train_row "$1.epochs$epochs.seed$seed" train --init "$2" --teacher "$dense" --epochs "$epochs" --learning-rate 1e-4 --eval-every "$epochs" --seed "$seed" "${data[@]}"
}

# fitted NAME FLAG LAYERS: the model that compress makes from the dense one.
fitted() {
  [ -s "$work/$1.safetensors" ] || "$vitrim" compress "$dense" --calib "$work/train.bin" --images "$images" --eval "$work/test.bin" "$2" "$3" --memory 8 --seed 0 \
    --threads "${THREADS:-2}" -o "$work/$1.safetensors" --json "$out/$1.json"
}

# chosen KIND SHARE: the layers that a search on 1,000 unlabelled training images chooses.
chosen() {
  local how=(--remove "${count[$2]}") kind=removed
  [ "$1" = searched ] && how=(--static "best:${count[$2]}") kind=searched
  local choice=$out/choice_${kind}_$2.json
  [ -s "$choice" ] || "$vitrim" compress "$dense" --calib "$work/train.bin" --images 1000 "${how[@]}" --no-absorb --seed 0 --threads "${THREADS:-2}" \
    -o "$work/choice_${kind}_$2.safetensors" --json "$choice" --quiet
  python3 -c 'import json, sys; print(",".join(str(i) for i, block in enumerate(json.load(open(sys.argv[1]))["compressed_spec"]["blocks"]) if block["attention"] in ("none", "static")))' "$choice"
}

# Rows that are stored without their weights are made again if another row starts from them.
dense=$work/dense.seed0.safetensors
[ -s "$dense" ] || { rm -f "$out/dense.seed0.json" "$out/dense.seed0.jsonl"; train_row dense.seed0 train --init "$shared/data/vit_tiny_imagenet1k/model.safetensors" --new-head \
  --image-size 96 --epochs 8 --seed 0 "${data[@]}"; }
tune dense_longer "$dense"
declare -A count=([25]=3 [33]=4 [50]=6)
for share in ${SHARES:-25 50 33}; do
  for kind in ${KINDS:-searched removed}; do
    name=${kind}_$share.images$images
    [ -s "$out/$name.epochs$epochs.seed$seed.json" ] && continue
    layers=$(chosen "$kind" "$share")
    case $kind in searched | static) fitted "$name" --static "$layers" ;; removed) fitted "$name" --remove-attention "$layers" ;; esac
    tune "$name" "$work/$name.safetensors"
  done
done
