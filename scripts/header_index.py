#!/usr/bin/env python3
"""Prints the first page of the reference of the public headers, in Doxygen's Markdown: every header of the folder by module, each with the first sentence
of the comment at its top.

usage: header_index.py FOLDER    (include/vitrim)
"""

import os
import re
import sys


def purpose(path):
    """The first sentence of the comment at the top of a header, "" if there is none."""
    words = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("//"):
                if words:
                    break
                continue
            words.append(line.strip("/ \n"))
    return re.split(r"(?<=\.)\s+(?=[A-Z])", " ".join(words))[0]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: header_index.py FOLDER")
    folder = sys.argv[1].rstrip("/")
    name = os.path.basename(folder)
    print("# C++ and C headers\n")
    print("The public headers of vitrim by module. <a href=\"../library.html\">C++ and C libraries</a> states how a program uses them, and\n"
          "<a href=\"../ARCHITECTURE.html\">Architecture</a> what each module does. <a href=\"../index.html\">All documentation</a>.\n")
    print("## C\n")
    print(f"- @ref {name}/{name}.h \"{name}/{name}.h\": the C interface of the CPU engine.")
    for module in sorted(entry for entry in os.listdir(folder) if os.path.isdir(os.path.join(folder, entry))):
        print(f"\n## {module}\n")
        for header in sorted(os.listdir(os.path.join(folder, module))):
            # Doxygen reads ` and < in text as marks.
            text = purpose(os.path.join(folder, module, header)).replace("<", "&lt;")
            print(f"- @ref {name}/{module}/{header} \"{name}/{module}/{header}\": {text}")


if __name__ == "__main__":
    main()
