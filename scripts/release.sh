#!/usr/bin/env bash
# Makes the files of a release in dist/VERSION: the source archive, the wheels and SHA256SUMS. Changes nothing else: it neither tags nor uploads.
# usage: scripts/release.sh [--no-wheels]; the version is that of CMakeLists.txt, and CHANGELOG.md must have a section for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wheels=true
case ${1:-} in
  "") ;;
  --no-wheels) wheels=false ;;
  *) echo "usage: scripts/release.sh [--no-wheels]" >&2; exit 2 ;;
esac
version=$(sed -n 's/^project(vitrim VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
[ -n "$version" ] || { echo "release.sh: CMakeLists.txt states no version: project(vitrim VERSION ...)" >&2; exit 1; }
[ -z "$(git status --porcelain --untracked-files=no)" ] || { echo "release.sh: there are uncommitted changes; commit them first" >&2; exit 1; }
grep -q "^## \[$version\]" CHANGELOG.md || { echo "release.sh: CHANGELOG.md has no section \"## [$version]\"; turn [Unreleased] into it" >&2; exit 1; }
dist=dist/$version
mkdir -p "$dist"
git archive --format=tar --prefix="vitrim-$version/" HEAD | gzip -n9 >"$dist/vitrim-$version.tar.gz"
if $wheels; then scripts/wheels.sh "$dist"; fi
(cd "$dist" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\n' | sort | xargs sha256sum >SHA256SUMS)
cat "$dist/SHA256SUMS"
