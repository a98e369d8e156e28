#!/usr/bin/env bash
# The documents' commands that need real data or the libraries that read vitrim's files.
set -euo pipefail
[ -d "$VITRIM_SHARED/data" ] || exit 77
python3 "$(dirname "$0")/../docs/docs_test.py" --full
