#!/usr/bin/env bash
# Formats the C++ files that differ from the commit, or all with --all. --check changes nothing and fails if a file is not formatted. Versions of
# clang-format differ in their results, so only version 19 is used.
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
formatter=
for name in clang-format-19 clang-format; do
  if command -v "$name" >/dev/null && [[ $("$name" --version) == *"version 19."* ]]; then formatter=$name; break; fi
done
if [[ -z $formatter ]]; then
  echo "format.sh: clang-format 19 is missing (Debian 12: apt-get install clang-format-19; elsewhere: pip install clang-format==19.1.7)" >&2
  exit 1
fi

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
"$formatter" "${options[@]}" "${existing[@]}"
