#!/usr/bin/env bash
# The CPU engine against LibTorch's path on models with stages (random weights), bfloat16, interleaved: one result file a model.
# usage: benchmarks/stages.sh [RESULTS_DIR]; MODELS, BATCH, THREADS and ROUNDS change what is run. Existing results are kept.
set -euo pipefail
cd "$(dirname "$0")/.."
vitrim=${VITRIM_BINARY:-build/release/vitrim}
out=${1:-benchmarks/results/stages}
mkdir -p "$out"
for model in ${MODELS:-deit_small_patch16_224 swin_tiny_patch4_window7_224 flatten_swin_tiny_patch4_224 pvt_tiny flatten_pvt_tiny pvt_v2_b1 cswin_tiny}; do
  json=$out/$model.json
  [ -s "$json" ] || "$vitrim" bench "$model" --against "libtorch:$model" --precision bf16 --batch "${BATCH:-8}" --threads "${THREADS:-2}" --rounds "${ROUNDS:-15}" --peak-seconds 0.2 --quiet --json "$json"
done
python3 - "$out" <<'PY'
import glob, json, os, sys
print("| model | native, images/s | LibTorch's path, images/s | ratio (p10 to p90) |\n|---|---|---|---|")
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.json"))):
    rows = json.load(open(path))["rows"]
    native, torch = (next(row for row in rows if row["engine"] == engine) for engine in ("native", "libtorch"))
    print(f"| {os.path.basename(path)[:-5]} | {native['images_per_second']:.1f} | {torch['images_per_second']:.1f} | {native['speedup']:.2f} ({native['speedup_p10']:.2f} to {native['speedup_p90']:.2f}) |")
PY
