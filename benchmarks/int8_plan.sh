#!/usr/bin/env bash
# The fastest ViT-Ti that loses little, whatever is done to it: `vitrim plan --quantize` for several budgets of latency at batch 1 and 32, on calibration images alone.
# Of each batch size the smallest budget is taken whose built model says what the dense one says on at least AGREEMENT (default 0.95) of the held-out calibration images;
# then that model is evaluated on val700 and dev500, and timed against the dense model in bfloat16 and in int8.
# usage: benchmarks/int8_plan.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: a plan that is there is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${VITRIM_SHARED:-../shared}/data
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/int8}
work=build/int8_plan
mkdir -p "$out" "$work"
dense=$data/vit_tiny_imagenet1k/model.safetensors
prepare=(--mean 0.5 --std 0.5 --crop 224)
"$vitrim" quantize "$dense" "${prepare[@]:0:4}" -o "$work/dense_int8.safetensors" --quiet
for batch in ${BATCHES:-1 32}; do
  best=
  for share in ${SHARES:-45 38 32}; do
    name=batch${batch}_$share
    if [ ! -s "$work/$name.json" ]; then
      "$vitrim" plan "$dense" --quantize --budget "latency<=$share%@batch$batch" --calib "$data/imagenet_calib1000" "${prepare[@]}" --resize 248 --images "${IMAGES:-400}" \
        --plan-images "${PLAN_IMAGES:-160}" --measure 3 --epochs "${EPOCHS:-1}" --latency-table "$work/table.json" -o "$work/$name.safetensors" --json "$work/$name.json" > "$work/$name.log" || continue
    fi
    if python3 - "$work/$name.json" "${AGREEMENT:-0.95}" << 'PYTHON'
import json, sys
figures = json.load(open(sys.argv[1]))["built"]
print(sys.argv[1], "held-out KL", figures["held_out_kl"], "agreement", figures["held_out_agreement"])
sys.exit(figures["held_out_agreement"] < float(sys.argv[2]))
PYTHON
    then best=$name; fi
  done
  [ -n "$best" ] || continue
  for set in val700 dev500; do
    resize=248
    if [[ $set == val700 ]]; then resize=none; fi
    "$vitrim" eval "$work/$best.safetensors" --data "$data/imagenet_$set" --classes "$data/imagenet_synsets.txt" "${prepare[@]}" --resize $resize --engine native --quiet \
      --json "$out/plan_batch${batch}_$set.json"
  done
  for reference in "$dense" "$work/dense_int8.safetensors"; do
    form=bf16
    if [[ $reference != "$dense" ]]; then form=int8; fi
    "$vitrim" bench "$work/$best.safetensors" --against "$reference" --batch "$batch" --rounds 15 --json "$out/plan_batch${batch}_against_$form.json"
  done
done
