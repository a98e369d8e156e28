#!/usr/bin/env python3
"""Writes docs/commands/*.md, one page per command, from the program's own complete help (--help-all); --check only prints which pages differ from it.

usage: command_pages.py [--binary build/release/vitrim] [--check]
"""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "docs", "commands")
NOTE = "<!-- Made by scripts/command_pages.py from `%s`; changes belong in the program. -->"


SETTINGS = """Settings have no flag of their own. `--set KEY=VALUE` sets one; `--recipe FILE` reads any number of them from a TOML file, each under its `[section]`. Unknown keys are refused.
The result lists the changed settings under `manifest.settings`."""


def help_of(binary, *command):
    return subprocess.run([binary, *command, "--help-all" if command else "--help"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout


def sections(text):
    """{heading: [lines]} of a help text; the lines before the first heading are under ''."""
    found, name = {"": []}, ""
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][A-Za-z ]*:", line):
            name = line[:-1]
            found[name] = []
        else:
            found[name].append(line)
    return found


def entries(lines):
    """[(what the user types, meaning)]: an entry begins in column 3, its meaning in column 31 or on the lines below."""
    found = []
    for line in lines:
        if not line.strip():
            continue
        if line.startswith("  ") and line[2] != " ":
            typed, meaning = (line[2:30], line[30:]) if len(line) > 30 and line[29] == " " and line[30] != " " else (line[2:], "")
            found.append([typed.strip(), meaning.strip()])
        else:
            found[-1][1] = (found[-1][1] + " " + line.strip()).strip()
    return found


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(first, lines):
    rows = [f"| {first} | meaning |", "|---|---|"]
    rows += [f"| `{typed.replace('|', chr(92) + '|')}` | {cell(meaning)} |" for typed, meaning in entries(lines)]
    return "\n".join(rows)


def page(title, text, flag="--help-all"):
    """The page of the program or command `title`, from its help text."""
    parts = sections(text)
    about = [line for line in parts[""] if line.strip()]
    usage = next(line for line in about if line.startswith("Usage: "))
    text = [NOTE % f"{title} {flag}", f"# {title}", " ".join(line for line in about if line != usage).strip(), "```text\n" + usage[len("Usage: "):] + "\n```"]
    if parts.get("Arguments"):
        text += [table("argument", parts["Arguments"])]
    text += ["## Flags", table("flag", parts["Options"])]
    if parts.get("Settings"):
        text += ["## Settings", SETTINGS, table("setting and default", parts["Settings"])]
    examples = [line.strip() for line in parts.get("Examples in the root of a checkout", parts.get("Examples", [])) if line.strip()]
    if examples:
        text += ["## Examples", "In the root of a checkout, on the model and the images that come with vitrim:", "```sh\n" + "\n".join(examples) + "\n```"]
    return "\n\n".join(text) + "\n"


def pages(binary):
    commands = entries(sections(help_of(binary))["Commands"])
    made = {name + ".md": page("vitrim " + name, help_of(binary, name)) for name, _ in commands}
    alone = help_of(os.path.join(os.path.dirname(binary), "vitrim-run"))  # a separate program
    made["vitrim-run.md"] = page("vitrim-run", alone, "--help")
    lines = [NOTE % "vitrim --help-all", "", "# Commands", "", "| command | what it does |", "|---|---|"]
    lines += [f"| [`vitrim {name}`]({name}.md) | {cell(meaning)} |" for name, meaning in commands]
    lines += ["| [`vitrim-run`](vitrim-run.md) | " + cell(alone.partition("\n")[0]) + " |"]
    made["README.md"] = "\n".join(lines) + "\n"
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "release", "vitrim"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    made = pages(options.binary)
    os.makedirs(FOLDER, exist_ok=True)
    wrong = [name for name in sorted(os.listdir(FOLDER)) if name not in made]
    for name, text in made.items():
        path = os.path.join(FOLDER, name)
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
            wrong.append(name)
            if not options.check:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
    if options.check and wrong:
        sys.exit(f"docs/commands differs from the program's help in {', '.join(sorted(wrong))}: run scripts/command_pages.py")


if __name__ == "__main__":
    main()
