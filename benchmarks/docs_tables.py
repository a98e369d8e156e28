#!/usr/bin/env python3
"""Writes the tables of the documents from result files, so that no figure is typed by hand. In a page, a table is between two comments:

    <!-- table: benchmarks/SCRIPT.py ARGUMENTS -->
    <!-- end of the table -->

The standard output of the script, run in the root of the repository, replaces the text between them.

usage: benchmarks/docs_tables.py [--check] [PAGE...]; all pages by default. With --check, nothing is written, and the exit status is 1 if a page
differs.
"""

import argparse
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = re.compile(r"(<!-- table: (benchmarks/[^\n]*?) -->\n\n)(.*?)(\n\n<!-- end of the table -->)", re.DOTALL)


def output(command):
    """The output of `python3 COMMAND`; the shell expands file patterns in it."""
    done = subprocess.run(["bash", "-c", f'"$0" {command}', sys.executable], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"docs_tables.py: {command} ended with status {done.returncode}\n{done.stderr}")
    return done.stdout.strip()


def with_tables(text, run=output):
    """The text of the page with all its tables made again, and their number."""
    return TABLE.subn(lambda match: match[1] + run(match[2]) + match[4], text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("pages", nargs="*")
    flags = parser.parse_args()
    pages = flags.pages or [os.path.join(ROOT, "README.md"), *sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))]
    stale = []
    for page in pages:
        with open(page, encoding="utf-8") as file:
            text = file.read()
        if text.count("<!-- table: ") != len(TABLE.findall(text)):
            sys.exit(f"{page}: a '<!-- table: benchmarks/SCRIPT.py -->' has no '<!-- end of the table -->', or no blank lines inside them")
        made, count = with_tables(text)
        if made != text:
            stale.append(page)
            if not flags.check:
                with open(page, "w", encoding="utf-8") as file:
                    file.write(made)
        if count:
            print(f"{os.path.relpath(page, ROOT)}: {count} {'table' if count == 1 else 'tables'}{', changed' if made != text else ''}")
    if flags.check and stale:
        sys.exit("benchmarks/docs_tables.py would change " + ", ".join(os.path.relpath(page, ROOT) for page in stale))


if __name__ == "__main__":
    main()
