#!/usr/bin/env bash
# A test build with one more field in the ModelSpec: every executor refuses it by itself.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/new_field.py"
