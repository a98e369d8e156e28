#!/usr/bin/env bash
# Formats the C++ files that differ from what is committed, or all with --all. --check changes nothing and fails where something would.
set -euo pipefail

usage() { echo "usage: scripts/format.sh [--all] [--check]"; }

all=false
options=(-i)
for argument in "$@"; do
  case $argument in
    --all) all=true ;;
    --check) options=(--dry-run -Werror) ;;
    -h | --help) usage; exit 0 ;;
    *) echo "format.sh: unknown argument '$argument'" >&2; usage >&2; exit 2 ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v clang-format >/dev/null || { echo "clang-format is missing (Debian: apt-get install clang-format)" >&2; exit 1; }

if $all; then
  mapfile -d '' files < <(git ls-files -co --exclude-standard -z -- '*.cpp' '*.h')
else
  mapfile -d '' files < <(git diff --name-only --diff-filter=d -z HEAD -- '*.cpp' '*.h'; git ls-files -o --exclude-standard -z -- '*.cpp' '*.h')
fi
existing=()
for file in "${files[@]}"; do
  if [[ -f $file ]]; then existing+=("$file"); fi
done
if [[ ${#existing[@]} -eq 0 ]]; then echo "nothing to format"; exit 0; fi
clang-format "${options[@]}" "${existing[@]}"
