#!/usr/bin/env bash
# Do the criteria that choose layers differ once many images repair the model? On CIFAR-100 (at 96 px), three of twelve attention layers are removed
# and absorbed on unlabelled training images: the sets that transfer entropy and the distortion after absorption choose, and three random sets
# (python3's random.sample, seeds 0 to 2). The 5,000 test images only evaluate. All rows start from dense.seed0 of cifar100_static.sh.
# usage: benchmarks/cifar100_criteria.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED) and
# build/cifar100/dense.seed0.safetensors. Resumable: existing rows are kept. IMAGES ("4000 1000") sets the numbers of images of the fits. Table:
# benchmarks/cifar100_criteria_table.py.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/start_rows.sh
start_rows "${1:-benchmarks/results/cifar100_criteria}" cifar100
source benchmarks/cifar100_rows.sh
unpack_cifar100
dense=$work/dense.seed0.safetensors
common=("$dense" --calib "$work/train.bin" --seed 0 --threads "${THREADS:-2}")

# chosen CRITERION: the set that a search on 1,000 unlabelled training images chooses.
chosen() {
  local choice=$out/choice_$1.json
  [ -s "$choice" ] || "$vitrim" compress "${common[@]}" --images 1000 --remove 3 --criterion "$1" --no-absorb -o "$work/choice_$1.safetensors" --json "$choice" --quiet
  python3 -c 'import json, sys; print(",".join(map(str, json.load(open(sys.argv[1]))["removed"])))' "$choice"
}

declare -A sets
for seed in 0 1 2; do
  sets[random_$seed]=$(python3 -c 'import random, sys; print(",".join(map(str, sorted(random.Random(int(sys.argv[1])).sample(range(12), 3)))))' "$seed")
done
for criterion in absorbed te; do sets[$criterion]=$(chosen "$criterion"); done
for images in ${IMAGES:-4000 1000}; do
  for name in absorbed te random_0 random_1 random_2; do
    row=$name.images$images
    [ -s "$out/$row.json" ] || "$vitrim" compress "${common[@]}" --images "$images" --memory 8 --eval "$work/test.bin" --remove-attention "${sets[$name]}" \
      -o "$work/criteria_$row.safetensors" --json "$out/$row.json"
  done
done
