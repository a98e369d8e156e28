#!/usr/bin/env python3
"""Prepares the pages in FOLDER for the built site: links out of docs/ work there, and fences name only a language.

Pages of the repository's root that the site holds (ARCHITECTURE.md, CONTRIBUTING.md, CHANGELOG.md) become links inside the site; any other
file of the repository becomes plain text with the file's path, because the site has no copy of it. In the pages that came from the root,
`docs/x.md` becomes `x.md`. A fence "sh full" (of a block that ./check --full runs) becomes "sh": mkdocs takes one word.

usage: site_links.py FOLDER
"""

import os
import re
import sys

ROOT_PAGES = {"ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"}
FENCE = re.compile(r"^(```\w+) full$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def site_link(text, target, page, folder):
    """The text in PAGE (a path below FOLDER) for the link [text](target)."""
    if re.match(r"[a-z]+:|#", target):
        return f"[{text}]({target})"
    path, mark, anchor = target.partition("#")
    from_root = os.path.basename(page) in ROOT_PAGES
    # The target's path in the repository, relative to its root.
    place = os.path.normpath(os.path.join("" if from_root else os.path.join("docs", os.path.dirname(page)), path))
    inside = place[len("docs/"):] if place.startswith("docs/") else place
    if inside == "commands/README.md":
        inside = "commands/index.md"
    if (place.startswith("docs/") and os.path.exists(os.path.join(folder, place[len("docs/"):]))) or place in ROOT_PAGES:
        return f"[{text}]({os.path.relpath(inside, os.path.dirname(page) or '.')}{mark}{anchor})"
    return text if text.strip("`") == place else f"{text} (`{place}`)"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: site_links.py FOLDER")
    folder = sys.argv[1]
    for where, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".md"):
                path = os.path.join(where, name)
                page = os.path.relpath(path, folder)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                with open(path, "w", encoding="utf-8") as file:
                    file.write(FENCE.sub(r"\1", LINK.sub(lambda match: site_link(match[1], match[2], page, folder), text)))


if __name__ == "__main__":
    main()
