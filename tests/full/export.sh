#!/usr/bin/env bash
# Exports read by others (ONNX Runtime, OpenVINO, timm): the small models of every kind; Swin, PVT and CSwin of real size, with focused linear attention too; and the real
# ViT-Ti dense, without some of its attention, pruned and merged, where its files are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
references=$(dirname "$VITRIM_BINARY")/tests/export_references
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/small" "$work/real"
export OMP_WAIT_POLICY=passive
"$references" "$work/small"
models=(deit_tiny_distilled_patch16_224 swin_tiny_patch4_window7_224 flatten_swin_tiny_patch4_224 flatten_pvt_tiny flatten_pvt_v2_b0 pvt_v2_b0 flatten_cswin_tiny)
dense=$VITRIM_SHARED/data/vit_tiny_imagenet1k/model.safetensors
if [ -f "$dense" ]; then
  export VITRIM_GOLDEN=$VITRIM_SHARED/golden/vit_tiny_imagenet.safetensors
  cp "$dense" "$work/vit_tiny_dense.safetensors"
  calib=(--calib "$VITRIM_SHARED/data/imagenet_calib1000" --images 32 --quiet)
  "$VITRIM_BINARY" compress "$dense" --remove-attention 0,2,4 --no-absorb "${calib[@]}" -o "$work/vit_tiny_removed.safetensors"
  "$VITRIM_BINARY" prune "$work/vit_tiny_removed.safetensors" --few-shot --channels-by magnitude --no-absorb --target-macs 85% --scope attention+mlp --data "$VITRIM_SHARED/data/imagenet_calib1000" --images 32 --quiet \
    -o "$work/vit_tiny_pruned.safetensors"
  for r in 8 16; do
    "$VITRIM_BINARY" merge "$dense" --r "$r" --pays-at 0 --quiet -o "$work/vit_tiny_r$r.safetensors"
  done
  "$VITRIM_BINARY" quantize "$dense" -o "$work/vit_tiny_int8.safetensors" --quiet
  "$VITRIM_BINARY" export "$work/vit_tiny_int8.safetensors" "${calib[@]}" --mean 0.5 --std 0.5 --dynamic-batch -o "$work/real/vit_tiny_int8_calibrated.onnx"
  models+=("$work"/vit_tiny_*.safetensors)
fi
for model in swin_tiny_patch4_window7_224 pvt_v2_b0; do
  "$VITRIM_BINARY" quantize "$model" -o "$work/${model}_int8.safetensors" --quiet
  models+=("$work/${model}_int8.safetensors")
done
"$references" "$work/real" "${models[@]}"
PYTHONDONTWRITEBYTECODE=1 python3 "$here/exporter/peers_test.py" "$work/small" "$work/real"
