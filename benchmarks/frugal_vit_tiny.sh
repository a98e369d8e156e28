#!/usr/bin/env bash
# What taking attention out of the real ViT-Ti costs few-shot, by removal and by static attention, with more views of the calibration images and with
# distillation. 1,000 calibration images without labels; val700 and dev500, 1,200 labelled images together, judge and choose nothing.
# usage: benchmarks/frugal_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: a row that is there is
# kept. It runs at idle priority. ROWS chooses rows; table: benchmarks/two_sets_table.py.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${VITRIM_SHARED:-../shared}
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/frugal_vit_tiny}
work=build/frugal_vit_tiny
mkdir -p "$out" "$work"
chrt --idle --pid 0 $$
renice -n 19 $$ >/dev/null
dense=$shared/data/vit_tiny_imagenet1k/model.safetensors
classes=(--classes "$shared/data/imagenet_synsets.txt")

# judge NAME MODEL: both labelled sets.
judge() {
  [ -s "$out/$1.val700.json" ] || "$vitrim" eval "$2" --engine native --threads 2 --data "$shared/data/imagenet_val700" "${classes[@]}" --resize none --quiet --json "$out/$1.val700.json"
  [ -s "$out/$1.dev500.json" ] || "$vitrim" eval "$2" --engine native --threads 2 --data "$shared/data/imagenet_dev500" "${classes[@]}" --quiet --json "$out/$1.dev500.json"
}

# row NAME FLAGS...: one compressed model.
row() {
  local name=$1
  shift
  if [ -n "${ROWS:-}" ] && [[ " $ROWS " != *" $name "* ]]; then return; fi
  if [ ! -s "$out/$name.json" ]; then
    echo "== $name"
    "$vitrim" compress "$dense" --calib "$shared/data/imagenet_calib1000" --threads 2 "$@" -o "$work/$name.safetensors" --json "$out/$name.json" \
      2>&1 | tee "$work/$name.log"
  fi
  judge "$name" "$work/$name.safetensors"
}

judge dense "$dense"
# Closed form and three epochs on the images as they are and mirrored: what compress does by default.
row removed_3 --remove-attention 0,1,3
row static_3 --static 0,1,3
row removed_2 --remove-attention 0,1
row static_2 --static 0,1
row static_4 --static 0,1,3,8
row removed_4 --remove-attention 0,1,3,8
row static_6 --static 0,1,2,3,4,6
row removed_6 --remove-attention 0,1,2,3,4,6
# Random crops of the same images beside them.
for views in 4 16; do
  row "removed_3_views_$views" --remove-attention 0,1,3 --views "$views"
  row "static_3_views_$views" --static 0,1,3 --views "$views"
done
row removed_3_views_16_distilled --remove-attention 0,1,3 --views 16 --distill-epochs 4
row static_3_views_16_distilled --static 0,1,3 --views 16 --distill-epochs 4
