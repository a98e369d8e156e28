#!/usr/bin/env bash
# Real images and weights through the trainer: 1,920 CIFAR-100 images, one epoch from the ImageNet ViT-Ti, then one of dilution.
set -euo pipefail
[ -d "$VITRIM_SHARED/data" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=$VITRIM_SHARED/data
xz -dkc "$data/cifar100/train.bin.xz" >"$work/all.bin"
head -c $((1920 * 3074)) "$work/all.bin" >"$work/train.bin"
tail -c $((500 * 3074)) "$work/all.bin" >"$work/other.bin"
common=(--recipe cifar100 --resize 96 --data "$work/train.bin" --eval "$work/other.bin" --quiet)
"$VITRIM_BINARY" train --init "$data/vit_tiny_imagenet1k/model.safetensors" --new-head --image-size 96 "${common[@]}" --epochs 2 -o "$work/dense.safetensors"
"$VITRIM_BINARY" dilute "$work/dense.safetensors" "${common[@]}" --epochs 2 --dilution-epochs 1 --remove 25% -o "$work/nose.safetensors" --json "$work/nose.json"
python3 - "$work/nose.json" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
print("removed", r["removed"], "top-1", r["dense"]["top1"], "->", r["evaluation"]["top1"], "losses", [e["loss"] for e in r["epochs"]])
assert len(r["removed"]) == 3 and r["epochs"][-1]["lambda"] == 0
assert r["dense"]["top1"] > 0.15, "a hundred classes: chance is 0.01"
assert r["evaluation"]["top1"] > 0.10
assert r["epochs"][1]["loss"] < r["epochs"][0]["loss"]
PY
