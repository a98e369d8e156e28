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
cat >>"$source/README.md" <<'PAGE'

## Reference

- [Commands](commands/index.md): every command with its options.
- [Python functions](reference/python.md): the classes and functions of the Python package.
- [C++ and C headers](cpp/index.html): the public headers.
PAGE

mkdir -p build/site-source/cpp build/site-cpp
if command -v doxygen >/dev/null; then
  python3 scripts/header_index.py include/vitrim >build/site-cpp/headers.md
  # Doxygen 1.9.5 and newer has dark colours of its own.
  colours='HTML_COLORSTYLE = AUTO_LIGHT'
  if ! printf '%s\n' 1.9.5 "$(doxygen --version)" | sort -V -C; then
    cat >build/site-cpp/dark.css <<'STYLE'
@media (prefers-color-scheme: dark) {
  html { background: #fff; filter: invert(0.9) hue-rotate(180deg); }
  img { filter: invert(1) hue-rotate(180deg); }
}
STYLE
    colours='HTML_EXTRA_STYLESHEET = build/site-cpp/dark.css'
  fi
  (
    echo "$colours"
    cat <<'DOXYFILE'
PROJECT_NAME = vitrim
PROJECT_BRIEF = "Makes trained vision transformers smaller and faster"
INPUT = include/vitrim build/site-cpp/headers.md
USE_MDFILE_AS_MAINPAGE = build/site-cpp/headers.md
RECURSIVE = YES
FILE_PATTERNS = *.h *.md
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
echo "the site: build/site; python3 -m http.server -d build/site serves it on port 8000 (browsers do not run its search from a file)"
