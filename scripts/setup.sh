# shellcheck shell=bash
# What ./quickstart and ./check share: installs what is missing, builds a preset, times steps. Sourced, not run.
#
# Debian packages are installed with apt-get where this runs as root; otherwise the one command to run is printed. LibTorch is the one
# that VITRIM_TORCH names, that the project's .venv holds or that `python3` imports; if there is none, pip installs it into .venv.
# Everything can be run again: what is there already is only looked at.

VITRIM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VITRIM_TORCH_PIN=2.13.0
VITRIM_JOBS=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
VITRIM_STEPS=()
VITRIM_TORCH_FOLDER=  # set by vitrim_setup

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step NAME COMMAND...: runs the command and records its time; a failing command ends the script.
step() {
  local name=$1 started=$SECONDS
  shift
  say "$name"
  "$@"
  VITRIM_STEPS+=("$(printf '%5d s  %s' $((SECONDS - started)) "$name")")
}

print_steps() {
  say "time per step"
  printf '  %s\n' "${VITRIM_STEPS[@]}"
}

has_package() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Node 18 or newer together with npm, from any source.
has_node() {
  command -v npm >/dev/null && command -v node >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)'
}

has_chromium() {
  [[ -n ${VITRIM_CHROMIUM:-} ]] && return
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && return
  done
  return 1
}

# The Debian packages that are missing for LEVEL (engine, build, check or full), one a line. Programs count wherever they come from.
missing_packages() {
  local level=$1 name
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v ninja >/dev/null || echo ninja-build
  command -v git >/dev/null || echo git
  command -v python3 >/dev/null || echo python3
  for name in libcli11-dev nlohmann-json3-dev libpng-dev libwebp-dev libutf8proc-dev zlib1g-dev libgtest-dev; do
    has_package "$name" || echo "$name"
  done
  # Ubuntu has no libjpeg62-turbo-dev; libjpeg-dev depends on what each distribution has.
  has_package libjpeg62-turbo-dev || has_package libjpeg-dev || echo libjpeg-dev
  if [[ $level == engine ]]; then return; fi
  has_node || printf '%s\n' nodejs npm
  for name in libtomlplusplus-dev libgloo-dev; do
    has_package "$name" || echo "$name"
  done
  # venv's own pip is in this separate package of Debian.
  if [[ -z $VITRIM_TORCH_FOLDER || $level != build ]] && ! python3 -c 'import ensurepip' 2>/dev/null; then echo python3-venv; fi
  if [[ $level != build ]]; then
    has_chromium || echo chromium
    command -v clang-format-19 >/dev/null || echo clang-format-19
    # Headers for the Python package's extension.
    python3 -c 'import os, sysconfig; raise SystemExit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' 2>/dev/null || echo python3-dev
  fi
  if [[ $level == full ]]; then
    command -v clang-tidy >/dev/null || echo clang-tidy
    has_package libbenchmark-dev || echo libbenchmark-dev
  fi
}

install_packages() {
  local level=$1 missing
  if ! command -v dpkg-query >/dev/null; then
    say "no dpkg here: install what CONTRIBUTING.md lists; going on with what there is"
    return
  fi
  mapfile -t missing < <(missing_packages "$level")
  if [[ ${#missing[@]} -eq 0 ]]; then return; fi
  if [[ $(id -u) -ne 0 ]]; then
    printf 'Debian packages are missing. As root, run\n\n  apt-get update && apt-get install -y --no-install-recommends %s\n\nand then this again.\n' "${missing[*]}" >&2
    exit 1
  fi
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # An earlier run that was killed may have left packages unpacked but not configured.
  dpkg --configure -a
  apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update -q
  apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install -q -y --no-install-recommends "${missing[@]}"
}

# Prints the folder of a usable torch installation, or fails. VITRIM_TORCH may name that folder or its share/cmake.
find_torch() {
  local python
  if [[ -n ${VITRIM_TORCH:-} ]]; then
    for python in "$VITRIM_TORCH" "$VITRIM_TORCH/../.."; do
      if [[ -f $python/share/cmake/Torch/TorchConfig.cmake ]]; then echo "$python"; return; fi
    done
    return 1
  fi
  for python in "$VITRIM_ROOT/.venv/bin/python" python3; do
    if "$python" -W ignore - 2>/dev/null <<'PY'
import os, sys
import torch
if tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2]) < (2, 11):
    sys.exit(1)
if not os.path.exists(os.path.join(torch.utils.cmake_prefix_path, "Torch", "TorchConfig.cmake")):
    sys.exit(1)
print(os.path.dirname(torch.__file__))
PY
    then return; fi
  done
  return 1
}

install_torch() {
  if [[ -n $VITRIM_TORCH_FOLDER ]]; then return; fi
  if [[ -n ${VITRIM_TORCH:-} ]]; then
    fail "VITRIM_TORCH is '$VITRIM_TORCH', but there is no share/cmake/Torch/TorchConfig.cmake below it: name the folder of a torch installation (2.11 or newer), or unset it"
  fi
  say "installing torch $VITRIM_TORCH_PIN into .venv (python3 has no torch 2.11 or newer)."
  say "A CPU build is a download of about 200 MB (1 GB on disk); where pip is offered only the CUDA build, it is several GB."
  say "To use one that is there already instead, stop this and set VITRIM_TORCH to its folder."
  local venv=$VITRIM_ROOT/.venv
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then python3 -m venv --clear "$venv"; fi
  "$venv/bin/python" -m pip install --disable-pip-version-check --retries 5 "torch==$VITRIM_TORCH_PIN"
  VITRIM_TORCH_FOLDER=$(find_torch) || fail "torch was installed into .venv, but cannot be imported: remove .venv and run this again"
}

# The libraries that read vitrim's files (ONNX Runtime; at level full also timm, transformers, OpenVINO), in a separate venv that sees the torch that
# vitrim links. They are installed again only if a list of them has changed. VITRIM_PEERS_PYTHON is the venv's python.
install_peers() {
  local level=$1 venv=$VITRIM_ROOT/.venv-peers lists=(tests/requirements.txt) stamp
  if [[ $level == full ]]; then lists+=(tests/full/requirements.txt tests/full/requirements-alone.txt); fi
  export VITRIM_PEERS_PYTHON=$venv/bin/python
  stamp=$venv/installed.$level
  if [[ -f $stamp ]] && (cd "$VITRIM_ROOT" && cat "${lists[@]}" && echo "$VITRIM_TORCH_FOLDER") | cmp -s - "$stamp"; then return; fi
  say "installing what reads vitrim's files (${lists[*]}) into .venv-peers"
  if ! fill_peers "$level" "$venv"; then
    say "note: these could not be installed; the tests that need them are skipped, and say so"
    unset VITRIM_PEERS_PYTHON
    return
  fi
  (cd "$VITRIM_ROOT" && cat "${lists[@]}" && echo "$VITRIM_TORCH_FOLDER") >"$stamp"
}

# fill_peers LEVEL VENV: fails if any installation fails.
fill_peers() {
  local level=$1 venv=$2 site
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then python3 -m venv --clear "$venv" || return; fi
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])') || return
  dirname "$VITRIM_TORCH_FOLDER" >"$site/torch-elsewhere.pth" || return
  local install=("$venv/bin/python" -m pip install -q --disable-pip-version-check --retries 5)
  "${install[@]}" -r "$VITRIM_ROOT/tests/requirements.txt" || return
  if [[ $level == full ]]; then
    "${install[@]}" -r "$VITRIM_ROOT/tests/full/requirements.txt" || return
    "${install[@]}" --no-deps -r "$VITRIM_ROOT/tests/full/requirements-alone.txt" || return
  fi
}

# vitrim_setup LEVEL: everything that building (build), testing (check) or ./check --full (full) needs.
vitrim_setup() {
  VITRIM_TORCH_FOLDER=$(find_torch) || VITRIM_TORCH_FOLDER=
  install_packages "$1"
  install_torch
  if [[ $1 != build ]]; then install_peers "$1"; fi
  say "LibTorch in $VITRIM_TORCH_FOLDER"
}

# The python that imports torch: the tests write checkpoints with it. Call after vitrim_setup.
vitrim_python() {
  if [[ $VITRIM_TORCH_FOLDER == "$VITRIM_ROOT"/.venv/* ]]; then
    echo "$VITRIM_ROOT/.venv/bin/python"
  else
    command -v python3
  fi
}

# build PRESET TARGET [-DNAME=VALUE...]: configures if that was never done, if other values are requested, or if the LibTorch of the last
# configuration no longer exists (ninja configures again by itself when a CMake file changes), and builds. A folder that is configured here compiles
# several sources at a time (a unity build), because LibTorch's headers cost two seconds in each translation unit. A folder that the user configured
# stays as it is.
build() {
  local preset=$1 target=$2 folder=$VITRIM_ROOT/build/$1 torch
  shift 2
  torch=$(sed -n 's/^Torch_DIR:PATH=//p' "$folder/CMakeCache.txt" 2>/dev/null || true)
  if [[ ! -f $folder/build.ninja ]]; then set -- -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=8 "$@"; fi
  if [[ -n $torch && ! -f $torch/TorchConfig.cmake ]]; then
    (cd "$VITRIM_ROOT" && cmake --fresh --preset "$preset" "$@")
  elif [[ ! -f $folder/build.ninja || $# -gt 0 ]]; then
    (cd "$VITRIM_ROOT" && cmake --preset "$preset" "$@")
  fi
  cmake --build "$folder" --parallel "$VITRIM_JOBS" --target "$target"
}
