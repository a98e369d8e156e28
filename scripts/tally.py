#!/usr/bin/env python3
"""Adds up test results and prints, as the last line, "N passed, M failed, K skipped".

usage: tally.py NAME=FOLDER...

A folder contains the results of one run of ctest (ctest.json from --show-only=json-v1, ctest.xml from --output-junit, and one GoogleTest XML file per
test program) or NAME.status files with an exit status (0 passed, 77 skipped). Cases are counted one by one if a test program wrote its file; a test
without a file (not a GoogleTest program, or one that crashed) counts as one. Skipped tests are listed. The exit status is 1 if a test failed or none
ran.
"""

import json
import os
import sys
import xml.etree.ElementTree as ElementTree


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []   # "suite: test"
        self.skipped = []  # "suite: test: reason"


def parse(path):
    # Test output may contain invalid UTF-8.
    with open(path, "rb") as file:
        return ElementTree.fromstring(file.read().decode("utf-8", errors="replace"))


def add_cases(tally, suite, path):
    """Reads one GoogleTest file; returns how many of its cases failed, and how many there were."""
    failed = cases = 0
    for case in parse(path).iter("testcase"):
        cases += 1
        name = f"{suite}: {case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            tally.failed.append(name)
        elif skip is not None:
            lines = [line.strip() for line in (skip.get("message") or skip.text or "").splitlines() if line.strip()]
            reason = [line for line in lines if line.startswith("SKIPPED:")] or lines[-1:]
            tally.skipped.append(": ".join([name] + reason[:1]))
        elif case.get("status") == "notrun":
            tally.skipped.append(f"{name}: disabled")
        else:
            tally.passed += 1
    return failed, cases


def case_files(folder, test, program):
    """The files that one ctest entry wrote: PROGRAM.xml, or NAME.xml for tests that are scripts."""
    for stem in (os.path.basename(program), test):
        path = os.path.join(folder, stem + ".xml")
        if stem != "ctest" and os.path.exists(path):
            return path
    return None


def skip_reason(entry):
    """Why ctest skipped an entry on purpose, or None: ctest also lists a program that it can't find, or a fixture that failed, as skipped."""
    skip = entry.find("skipped")
    message = (skip.get("message") or "") if skip is not None else ""
    if entry.get("status") != "disabled" and not message.startswith("SKIP_"):
        return None
    for line in (entry.findtext("system-out") or "").splitlines():
        if line.strip().startswith("SKIPPED"):
            return line.strip()
    return message or "disabled"


def add_ctest(tally, suite, folder):
    with open(os.path.join(folder, "ctest.json"), encoding="utf-8") as file:
        programs = {test["name"]: (test.get("command") or [""])[0] for test in json.load(file)["tests"]}
    seen = set()
    read = set()
    for entry in parse(os.path.join(folder, "ctest.xml")).iter("testcase"):
        test = entry.get("name")
        seen.add(test)
        reason = skip_reason(entry)
        failed = reason is None and entry.get("status") != "run"
        path = case_files(folder, test, programs.get(test, ""))
        if path and path not in read:
            read.add(path)
            try:
                failures, cases = add_cases(tally, suite, path)
            except ElementTree.ParseError as error:
                failures = cases = 1
                tally.failed.append(f"{suite}: {test}: {os.path.basename(path)} cannot be read: {error}")
            if failed and not failures:
                tally.failed.append(f"{suite}: {test} (its cases passed, but the program failed)")
            if not cases and not failed:
                tally.failed.append(f"{suite}: {test} (it ran no case)")
        elif failed:
            tally.failed.append(f"{suite}: {test}")
        elif reason is not None:
            tally.skipped.append(f"{suite}: {test}: {reason}")
        else:
            tally.passed += 1
    for test in sorted(set(programs) - seen):
        tally.failed.append(f"{suite}: {test} (it was never run)")


def add_statuses(tally, suite, folder):
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".status"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            status = int(file.read())
        test = f"{suite}: {name[:-len('.status')]}"
        if status == 0:
            tally.passed += 1
        elif status == 77:
            tally.skipped.append(f"{test}: skipped")
        else:
            tally.failed.append(f"{test} (exit status {status})")


def main(arguments):
    tally = Tally()
    for argument in arguments:
        suite, folder = argument.split("=", 1)
        if not os.path.exists(os.path.join(folder, "ctest.json")):
            add_statuses(tally, suite, folder)
        elif not os.path.exists(os.path.join(folder, "ctest.xml")):
            tally.failed.append(f"{suite}: ctest left no results")
        else:
            add_ctest(tally, suite, folder)
    if tally.failed:
        print("FAILED:")
        print("".join(f"  {name}\n" for name in tally.failed), end="")
    if tally.skipped:
        print("SKIPPED, so NOT tested here:")
        print("".join(f"  {name}\n" for name in tally.skipped), end="")
    if not tally.passed and not tally.failed:
        print("no test ran: that is a failure too")
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
