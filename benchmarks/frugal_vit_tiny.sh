#!/usr/bin/env bash
# The cost of changing attention of the real ViT-Ti few-shot: by removal and by static attention, with more views of the calibration images, with
# distillation, and with pictures from other sources (CamVid's streets, CIFAR-100's thumbnails). It also measures the cost of a model with 80 % of its
# parameters. There are 1,000 calibration images without labels. val700 and dev500, 1,200 labelled images together, are used for the evaluation only.
# usage: benchmarks/frugal_vit_tiny.sh [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable: existing rows
# are kept. It runs at idle priority. ROWS chooses rows; table: benchmarks/two_sets_table.py.
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

# judge NAME MODEL: evaluates on both labelled sets.
judge() {
  [ -s "$out/$1.val700.json" ] || "$vitrim" eval "$2" --engine native --threads 2 --data "$shared/data/imagenet_val700" "${classes[@]}" --resize none --quiet --json "$out/$1.val700.json"
  [ -s "$out/$1.dev500.json" ] || "$vitrim" eval "$2" --engine native --threads 2 --data "$shared/data/imagenet_dev500" "${classes[@]}" --quiet --json "$out/$1.dev500.json"
}

# wanted NAME: whether ROWS chooses the row and its result is missing.
wanted() { [[ -z "${ROWS:-}" || " $ROWS " == *" $1 "* ]] && [ ! -s "$out/$1.json" ]; }

# made NAME COMMAND...: one compressed model, and its evaluation on both labelled sets.
made() {
  local name=$1
  shift
  if wanted "$name"; then
    echo "== $name"
    "$vitrim" "$@" --threads 2 -o "$work/$name.safetensors" --json "$out/$name.json" 2>&1 | tee "$work/$name.log"
    judge "$name" "$work/$name.safetensors"
  fi
}

# row NAME FLAGS...: compresses on the 1,000 calibration images, or on those of CALIB.
row() { made "$1" compress "$dense" --calib "${CALIB:-$shared/data/imagenet_calib1000}" "${@:2}"; }

# pictures FOLDER SOURCE...: an image folder with the pictures of all sources (calibration images, camvid or cifar100), one class each.
pictures() {
  local folder=$1 source
  shift
  [ -d "$folder" ] && return
  rm -rf "$folder.part"
  mkdir -p "$folder.part"
  for source in "$@"; do
    case $source in
      calibration) for class in "$shared"/data/imagenet_calib1000/*/; do cp -r "$class" "$folder.part/"; done ;;
      camvid) cp -r "$shared/data/camvid/images/training" "$folder.part/camvid" ;;
      cifar100)
        mkdir "$folder.part/cifar100"
        python3 -c '
import lzma, sys
from PIL import Image
images = lzma.open(sys.argv[1])
for i in range(1000):
    pixels = images.read(3074)[2:]
    Image.merge("RGB", [Image.frombytes("L", (32, 32), pixels[c * 1024:(c + 1) * 1024]) for c in range(3)]).save(f"{sys.argv[2]}/{i:04}.png")
' "$shared/data/cifar100/train.bin.xz" "$folder.part/cifar100" ;;
    esac
  done
  mv "$folder.part" "$folder"
}

judge dense "$dense"
# Closed form and three epochs on the images and their mirror images: the default of compress.
row removed_3 --remove-attention 0,1,3
row static_3 --static 0,1,3
row removed_2 --remove-attention 0,1
row static_2 --static 0,1
row static_4 --static 0,1,3,8
row removed_4 --remove-attention 0,1,3,8
row static_6 --static 0,1,2,3,4,6
row removed_6 --remove-attention 0,1,2,3,4,6
# Fewer calibration images.
for images in 100 300 600; do row "static_3_images_$images" --static 0,1,3 --images "$images"; done
# Layers chosen by a search for static layers.
row static_best_3 --static best:3
row static_best_6 --static best:6
# A second pass over all blocks, and epochs in which two neighbouring blocks are fitted together.
for kind in static removed; do
  case $kind in static) how=--static ;; removed) how=--remove-attention ;; esac
  row "${kind}_3_sweeps_2" "$how" 0,1,3 --sweeps 2
  row "${kind}_3_pair_epochs_1" "$how" 0,1,3 --set fit.pair_epochs=1
done
row static_3_pair_epochs_2 --static 0,1,3 --set fit.pair_epochs=2
row static_6_pair_epochs_1 --static 0,1,2,3,4,6 --set fit.pair_epochs=1
# Random crops of the same images in addition.
for views in 4 16; do
  row "removed_3_views_$views" --remove-attention 0,1,3 --views "$views"
  row "static_3_views_$views" --static 0,1,3 --views "$views"
done
row removed_3_views_16_distilled --remove-attention 0,1,3 --views 16 --distill-epochs 4
row static_3_views_16_distilled --static 0,1,3 --views 16 --distill-epochs 4
# Pictures of another kind alone, and together with the calibration images.
for kind in static removed; do
  case $kind in static) how=--static ;; removed) how=--remove-attention ;; esac
  for source in camvid cifar100; do
    if wanted "${kind}_3_$source"; then
      pictures "$work/$source" $source
      CALIB=$work/$source row "${kind}_3_$source" "$how" 0,1,3
    fi
  done
  if wanted "${kind}_3_mixed"; then
    pictures "$work/mixed" calibration camvid cifar100
    CALIB=$work/mixed row "${kind}_3_mixed" "$how" 0,1,3
  fi
done
# Four fifths of the parameters: narrower MLPs alone, and with narrower attention.
made mlp_80 prune "$dense" --few-shot --data "$shared/data/imagenet_calib1000" --scope mlp --target-params 80%
made mlp_energy_80 prune "$dense" --few-shot --data "$shared/data/imagenet_calib1000" --scope mlp --target-params 80% --channels-by energy
made both_80 prune "$dense" --few-shot --data "$shared/data/imagenet_calib1000" --scope attention+mlp --target-params 80%
# The same after passes over random crops, and after distillation as a whole.
row both_80_views_8_distilled --remove 0 --scope attention+mlp --target-params 80% --views 8 --distill-epochs 8
