#!/usr/bin/env bash
# Builds the documentation site into build/site: the pages of docs/ with mkdocs-material, the Python reference from docstrings, and the
# reference of the public headers with Doxygen. It fails on a broken link. Needs python3 and, for the headers, doxygen.
set -euo pipefail

if [[ $# -gt 0 ]]; then
  echo "usage: scripts/docs.sh   (no arguments; builds build/site/index.html)" >&2
  exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv-docs
if ! cmp -s scripts/docs-requirements.txt "$venv/installed"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r scripts/docs-requirements.txt
  cp scripts/docs-requirements.txt "$venv/installed"
fi

# The pages, in which links out of docs/ point to their targets on the site.
source=build/site-source
rm -rf "$source"
mkdir -p "$source/reference"
cp -R docs/. "$source"
cp ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md "$source"
python3 scripts/site_links.py "$source"
mv "$source/commands/README.md" "$source/commands/index.md"
cat >"$source/reference/python.md" <<'PAGE'
# Python functions

::: vitrim
    options:
      show_submodules: false
PAGE
cat >"$source/reference/cpp.md" <<'PAGE'
# C++ and C headers

The [reference of the public headers](../cpp/index.html) is made by Doxygen from `include/vitrim`.
PAGE

mkdir -p build/site-source/cpp
if command -v doxygen >/dev/null; then
  (
    cat <<'DOXYFILE'
PROJECT_NAME = vitrim
PROJECT_BRIEF = "Makes trained vision transformers smaller and faster"
INPUT = include/vitrim
RECURSIVE = YES
FILE_PATTERNS = *.h
STRIP_FROM_PATH = include
FULL_PATH_NAMES = YES
EXTRACT_ALL = YES
JAVADOC_AUTOBRIEF = YES
MARKDOWN_SUPPORT = YES
HAVE_DOT = NO
GENERATE_LATEX = NO
GENERATE_HTML = YES
HTML_OUTPUT = cpp
OUTPUT_DIRECTORY = build/site-source
QUIET = YES
WARN_IF_UNDOCUMENTED = NO
HTML_COLORSTYLE = AUTO_LIGHT
DOXYFILE
  ) | doxygen -
else
  echo "docs.sh: note: doxygen is missing (Debian: apt-get install doxygen); the header reference is left out" >&2
fi

NO_MKDOCS_2_WARNING=1 "$venv/bin/mkdocs" build --strict --quiet
# A fence that mkdocs did not recognise appears on the page as text.
if grep -rl --include='*.html' '```' build/site; then
  echo "docs.sh: these pages show a fence as text" >&2
  exit 1
fi
echo "the site: build/site/index.html"
