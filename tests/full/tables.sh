#!/usr/bin/env bash
# Every table of the documents that a script makes is what the script makes of the result files.
set -euo pipefail
python3 "$(dirname "$0")/../../benchmarks/docs_tables.py" --check
