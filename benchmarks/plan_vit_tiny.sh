#!/usr/bin/env bash
# The best models of the real ViT-Ti within three budgets: 30 % less latency at batch 1, 40 % fewer multiply-adds, 20 % fewer parameters. Candidates
# are measured on calibration images that no fit used; val700 is used only to evaluate the built models.
# usage: benchmarks/plan_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: existing results
# are kept. THREADS (default 1) is the number of threads of the engine and of everything else; IMAGES and PLAN_IMAGES set the number of calibration
# images.
set -euo pipefail
cd "$(dirname "$0")/.."
source benchmarks/start_rows.sh
start_rows "${1:-benchmarks/results/plan_vit_tiny}" plan_vit_tiny
dense=$shared/data/vit_tiny_imagenet1k/model.safetensors
threads=(--threads "${THREADS:-1}")
evaluate() {  # NAME MODEL
  if [ -s "$out/$1.json" ]; then return; fi
  "$vitrim" eval "$2" --data "$shared/data/imagenet_val700" --classes "$shared/data/imagenet_synsets.txt" --resize none --precision auto "${threads[@]}" --quiet --json "$out/$1.json"
}
plan() {  # NAME BUDGET
  if [ ! -s "$out/$1.json" ]; then
    "$vitrim" plan "$dense" --budget "$2" --calib "$shared/data/imagenet_calib1000" --images "${IMAGES:-200}" --plan-images "${PLAN_IMAGES:-80}" \
      --measure 3 "${threads[@]}" --latency-table "$work/table.json" -o "$work/$1.safetensors" --json "$out/$1.json" > "$out/$1.log"
  fi
  evaluate "$1_eval" "$work/$1.safetensors"
}
for budget in ${BUDGETS:-latency_70 macs_60 params_80}; do
  case $budget in
    latency_70) plan latency_70 'latency<=70%@batch1' ;;
    macs_60) plan macs_60 'macs<=60%' ;;
    params_80) plan params_80 'params<=80%' ;;
    *) echo "plan_vit_tiny.sh: unknown budget '$budget'" >&2; exit 2 ;;
  esac
done
evaluate dense_eval "$dense"
cp "$work/table.json" "$out/latency_table.json"
