#!/usr/bin/env bash
# Segmentation on CamVid (street scenes, 11 classes, 367 training and 233 test images). First a UPerNet is trained on the ViT-Ti of ImageNet-1k. From
# that model, with equally long further training, the dense model is compared with models without 25 % and 50 % of the attention: diluted (NOSE),
# removed and absorbed on the unlabelled training images, or static. Nothing is chosen on the test images. Takes about an hour on two cores.
# usage: benchmarks/segmentation_camvid.sh [SEED] [RESULTS_DIR]; needs the folder with real data beside the project (or VITRIM_SHARED). Resumable:
# existing rows are kept, interrupted ones continue. START_EPOCHS (30) and EPOCHS (10) set the lengths, SHARES and KINDS choose rows. Table:
# benchmarks/segmentation_table.py.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-0}
source benchmarks/start_rows.sh
start_rows "${2:-benchmarks/results/segmentation_camvid}" segmentation_camvid
camvid=$shared/data/camvid
epochs=${EPOCHS:-10}
# Windows of 224 pixels are cropped from images of 270 to 540 pixels (short side); the test images keep their own size of 360.
common=(--recipe ade20k --data "$camvid:training" --eval "$camvid:validation" --classes "$camvid/classes.txt" --resize 360 --batch-size 8 --set segmentation.scale_min=0.75
  --set segmentation.scale_max=1.5 --set regularization.drop_path=0 --eval-every 0 --threads "${THREADS:-2}" --state-minutes 5 --seed "$seed" --pictures 4 --resume)

row() { train_row "$1.seed$seed" "${@:2}" "${common[@]}"; }

row start train --init "$shared/data/vit_tiny_imagenet1k/model.safetensors" --task segmentation --head upernet --head-width 32 --epochs "${START_EPOCHS:-30}" --warm-up-epochs 1 \
  --learning-rate 3e-4
start=$work/start.seed$seed.safetensors
length=(--epochs "$epochs" --warm-up-epochs 0.5 --learning-rate 1e-4)
row dense train --init "$start" "${length[@]}"
for share in ${SHARES:-25 50}; do
  row "nose_$share" dilute "$start" --remove "$share%" --images 200 --dilution-epochs $((epochs * 3 / 5)) "${length[@]}"
  for kind in ${KINDS:-static absorbed}; do
    case $kind in static) how=--static ;; absorbed) how=--remove ;; esac
    before=$work/$kind.$share.seed$seed.safetensors
    if [ ! -s "$before" ]; then
      "$vitrim" compress "$start" --calib "$camvid:training" --classes "$camvid/classes.txt" --eval "$camvid:validation" "$how" "$share%" --seed "$seed" --threads "${THREADS:-2}" \
        --pictures 0 -o "$before" --json "$out/${kind}_${share}_before.seed$seed.json"
    fi
    row "${kind}_$share" train --init "$before" "${length[@]}"
  done
done
