#!/usr/bin/env python3
"""Runs clang-tidy (see .clang-tidy) over src and apps.

usage: tidy.py [--build FOLDER] [--jobs N] [FILE...]

The build folder provides only its compile commands. Clang can't use GCC's precompiled header, so clang's own is first made from the same headers;
without it each file would take half a minute.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def find_clang(tidy):
    """The clang++ with clang-tidy's version, else None: precompiled headers are valid only within one version."""
    text = subprocess.run([tidy, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"version (\d+)", text)
    names = ["clang++-" + version.group(1)] if version else []
    for name in names + [os.path.join(os.path.dirname(os.path.realpath(tidy)), "clang++")]:
        if shutil.which(name):
            return name
    return None


def split_command(entry):
    """(arguments without those for output and precompiled headers, the precompiled header's source or None)"""
    words = entry.get("arguments") or shlex.split(entry["command"])
    kept, header, skip = [], None, False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word == "-include" and words[position + 1].endswith("cmake_pch.hxx"):
            header, skip = words[position + 1], True
        elif word == "-o":
            skip = True
        elif word not in ("-Winvalid-pch", "-Werror", "-c", "-fopenmp"):  # clang would link its own runtime
            kept.append(word)
    return kept + ["-Wno-unknown-warning-option"], header


def units(entries):
    """Yields (compile command, its sources). A unity build compiles a generated file that includes several sources."""
    for entry in entries:
        if f"{os.sep}Unity{os.sep}" not in entry["file"]:
            yield entry, [entry["file"]]
            continue
        with open(entry["file"], encoding="utf-8") as file:
            yield entry, re.findall(r'^#include "(.*)"$', file.read(), re.MULTILINE)


def commands(entries, wanted):
    """Yields (compile command, its sources) for the sources of vitrim itself: separately for each of `wanted`, else for a unity build's file as a
    whole, because most of the time is spent on headers. Findings in included sources count as those of headers (HeaderFilterRegex)."""
    for entry, sources in units(entries):
        ours = [source for source in sources if os.path.relpath(source, ROOT).startswith(("src" + os.sep, "apps" + os.sep))]
        if not wanted and ours:
            yield entry, ours
        for source in ours:
            if source in wanted:
                words = [source if word == entry["file"] else word for word in entry.get("arguments") or shlex.split(entry["command"])]
                yield {"directory": entry["directory"], "file": source, "arguments": words}, [source]


def make_omp(folder):
    """An omp.h for clang, which may have none and can't read GCC's; it declares the functions that vitrim calls. Returns the flags to find it."""
    os.makedirs(os.path.join(folder, "omp"), exist_ok=True)
    with open(os.path.join(folder, "omp", "omp.h"), "w", encoding="utf-8") as file:
        file.write('#pragma once\nextern "C" {\nint omp_in_parallel();\nvoid omp_set_num_threads(int);\n}\n')
    return ["-isystem", os.path.join(folder, "omp")]


def make_pch(clang, words, header, source, folder):
    """Compiles `header` with the flags of one command; returns the flags to add to the commands that use it."""
    text = os.path.join(folder, "pch.hxx")  # away from GCC's .gch, which clang would try to read
    shutil.copyfile(header, text)
    out = os.path.join(folder, "pch.pch")
    flags = [word for word in words[1:] if word != source and not word.endswith(".cpp")]
    if clang and subprocess.run([clang, *flags, "-x", "c++-header", text, "-o", out], check=False).returncode == 0:
        return ["-include-pch", out]
    print("note: no precompiled header for clang, this will take long")
    return ["-include", text]


def main():
    parser = argparse.ArgumentParser(description="Runs clang-tidy over src and apps.")
    parser.add_argument("--build", default="build/dev", help="build folder with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("files", nargs="*", help="only these files")
    options = parser.parse_args()
    tidy = shutil.which("clang-tidy")
    if not tidy:
        sys.exit("clang-tidy is missing (Debian: apt-get install clang-tidy)")
    database = os.path.join(options.build, "compile_commands.json")
    if not os.path.exists(database):
        sys.exit(f"{database} is missing: configure first (cmake --preset dev)")
    with open(database, encoding="utf-8") as file:
        entries = json.load(file)

    folder = os.path.join(os.path.abspath(options.build), "tidy")
    os.makedirs(folder, exist_ok=True)
    wanted = {os.path.abspath(name) for name in options.files}
    out, pch, omp, seen = [], {}, make_omp(folder), []
    for entry, sources in commands(entries, wanted):
        seen += sources
        words, header = split_command(entry)
        words = words[:1] + omp + words[1:]
        if header:
            if header not in pch:
                pch[header] = make_pch(find_clang(tidy), words, header, entry["file"], folder)
            words = words[:1] + pch[header] + words[1:]
        out.append({"directory": entry["directory"], "file": entry["file"], "arguments": words})
    with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as file:
        json.dump(out, file)
    if not out or (wanted and len(set(seen)) < len(wanted)):
        sys.exit("a file is not among the compile commands" if wanted else "no file found")

    def run(entry):
        # A unity build's file includes sources on purpose.
        return subprocess.run([tidy, "-p", folder, "--quiet", "--checks=-bugprone-suspicious-include", entry["file"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for entry, done in zip(out, pool.map(run, out)):
            if done.returncode != 0:
                bad += 1
                lines = [line for line in done.stdout.splitlines() if not re.match(r"\d+ warnings? (generated|treated)|Suppressed", line)]
                print("\n".join([f"{os.path.relpath(entry['file'], ROOT)}: clang-tidy ended with status {done.returncode}", *lines]), flush=True)
    print(f"clang-tidy: {len(seen)} files in {len(out)} translation units, {bad} units with findings")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
