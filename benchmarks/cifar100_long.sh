#!/usr/bin/env bash
# Long dilution on CIFAR-100, as published: 25 % of the attention is diluted in 40 epochs, and lambda falls to 0 in the first 30. The result is
# compared with the dense model trained for the same number of epochs. Both start from the fine-tuned dense model of cifar100.sh, and the set of
# layers is the one that its search chose.
# usage: benchmarks/cifar100_long.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Takes two hours on two
# quiet cores. It runs at idle priority, one process at a time, and can be stopped at any time: existing rows are kept, interrupted ones continue from
# their last state. EPOCHS and DILUTION set the length, SHARES (default 25) the shares of the attention to remove.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/start_rows.sh
start_rows "${1:-benchmarks/results/cifar100_long}" cifar100
source benchmarks/cifar100_rows.sh
chrt --idle --pid 0 $$
renice -n 19 $$ >/dev/null
unpack_cifar100
epochs=${EPOCHS:-40}
data=(--recipe cifar100 --resize 96 --data "$work/train.bin" --eval "$work/test.bin" --threads 2 --seed 0 --state-minutes 5 --resume)
long=(--epochs "$epochs" --learning-rate 1e-4)

dense=$work/dense.seed0.safetensors
[ -s "$dense" ] || train_row dense.seed0 train --init "$shared/data/vit_tiny_imagenet1k/model.safetensors" --new-head --image-size 96 --epochs 8 "${data[@]}"
for share in ${SHARES:-25}; do
  set_of_search=$(PYTHONPATH=benchmarks python3 -c 'import sys; from rows import documents; print(",".join(map(str, documents(sys.argv[1])[sys.argv[2]]["removed"])))' \
    benchmarks/results/cifar100 "nose_$share.seed0")
  train_row "nose_$share.seed0" dilute "$dense" --remove-attention "$set_of_search" --dilution-epochs "${DILUTION:-30}" "${long[@]}" "${data[@]}"
done
train_row dense_longer.seed0 train --init "$dense" "${long[@]}" "${data[@]}"
