#!/usr/bin/env bash
# Channel pruning with fine-tuning on CIFAR-100 (20,000 training images, 5,000 test images). The fine-tuned ViT-Ti of cifar100.sh is pruned to 75 % of
# all its MACs. A small FLatten-PVT (focused linear attention in two stages, softmax in two), which is trained here from scratch, is pruned to 60 % of
# its attention's MACs. All rows of a model have the same number of epochs.
# usage: benchmarks/apma_cifar100.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED) and dense.seed0 of
# cifar100.sh in build/cifar100. Resumable: existing rows are kept, interrupted ones continue. Table: benchmarks/apma_cifar100_table.py.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/start_rows.sh
start_rows "${1:-benchmarks/results/apma_cifar100}" apma_cifar100
source benchmarks/cifar100_rows.sh
unpack_cifar100
data=(--data build/cifar100/train.bin --eval build/cifar100/test.bin --seed 0 --resume)

# row NAME COMMAND...: one run.
row() { train_row "$@" "${data[@]}"; }

criteria="apma magnitude energy random"
dense=build/cifar100/dense.seed0.safetensors
tune=(--recipe cifar100 --resize 96 --epochs 4 --learning-rate 1e-4)
row vit_dense train --init $dense "${tune[@]}"
for by in $criteria; do row "vit_$by" prune $dense --target-macs 75% --scope attention+mlp --channels-by "$by" "${tune[@]}"; done

row pvt_start train --spec benchmarks/flatten_pvt_small.json --recipe cifar100 --epochs "${EPOCHS:-16}" --batch-size 128 --learning-rate 2e-3 --warm-up-epochs 2
tune=(--recipe cifar100 --epochs 4 --learning-rate 3e-4)
row pvt_dense train --init "$work/pvt_start.safetensors" "${tune[@]}"
for by in $criteria; do row "pvt_$by" prune "$work/pvt_start.safetensors" --attention-macs 60% --channels-by "$by" "${tune[@]}"; done
