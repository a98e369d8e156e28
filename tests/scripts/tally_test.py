#!/usr/bin/env python3
"""The tally at the end of ./check: all failures must be counted, and skipped tests must be listed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import cases  # noqa: E402

TALLY = os.path.join(HERE, "..", "..", "scripts", "tally.py")


def cases_xml(*names, **more):
    """A GoogleTest file: passing `names`, and NAME="inner XML" for others."""
    rows = [f'<testcase name="{name}" status="run" classname="A"/>' for name in names]
    rows += [f'<testcase name="{name}" status="run" classname="A">{inner}</testcase>' for name, inner in more.items()]
    return "<testsuites><testsuite>" + "".join(rows) + "</testsuite></testsuites>"


class Tally(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vitrim-tally-")
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def ctest(self, **entries):
        """ctest's two files; each entry is (program, status, inner XML)."""
        self.write("ctest.json", json.dumps({"tests": [{"name": name, "command": [program]} for name, (program, _, _) in entries.items()]}))
        self.write("ctest.xml", "<testsuite>" + "".join(f'<testcase name="{name}" status="{status}">{inner}</testcase>'
                                                        for name, (_, status, inner) in entries.items()) + "</testsuite>")

    def tally(self, *folders):
        done = subprocess.run([sys.executable, TALLY, *("suite=" + folder for folder in folders or [self.folder])],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout, done.stdout.splitlines()[-1]

    def test_cases_are_counted_one_by_one(self):
        self.ctest(core=("/b/core_tests", "run", ""), plain=("node", "run", ""), script=("python3", "run", ""))
        self.write("core_tests.xml", cases_xml("a", "b"))
        self.write("script.xml", cases_xml("c"))
        self.assertEqual(self.tally()[::2], (0, "4 passed, 0 failed, 0 skipped"))

    def test_failures(self):
        self.ctest(core=("/b/core_tests", "fail", "<failure/>"))
        self.write("core_tests.xml", cases_xml("a", b='<failure message="x"/>'))
        status, text, last = self.tally()
        self.assertEqual((status, last), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("suite: A.b", text)

    def test_a_program_that_crashed(self):
        self.ctest(core=("/b/core_tests", "fail", "<failure/>"), data=("/b/data_tests", "run", ""))
        self.write("data_tests.xml", cases_xml("a"))
        self.assertEqual(self.tally()[::2], (1, "1 passed, 1 failed, 0 skipped"))

    def test_a_program_that_failed_after_its_cases(self):
        self.ctest(core=("/b/core_tests", "fail", "<failure/>"))
        self.write("core_tests.xml", cases_xml("a"))
        self.assertEqual(self.tally()[::2], (1, "1 passed, 1 failed, 0 skipped"))

    def test_a_program_without_cases(self):
        self.ctest(core=("/b/core_tests", "run", ""))
        self.write("core_tests.xml", "<testsuites/>")
        self.assertEqual(self.tally()[::2], (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_damaged_file(self):
        self.ctest(core=("/b/core_tests", "run", ""))
        self.write("core_tests.xml", "<testsuites><testca")
        self.assertEqual(self.tally()[::2], (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_program_that_is_not_there(self):
        self.ctest(core=("/b/core_tests", "notrun", '<skipped message="Unable to find executable"/>'), plain=("true", "run", ""))
        self.assertEqual(self.tally()[::2], (1, "1 passed, 1 failed, 0 skipped"))

    def test_a_test_that_never_ran(self):
        self.ctest(plain=("true", "run", ""))
        self.write("ctest.json", json.dumps({"tests": [{"name": "plain", "command": ["true"]}, {"name": "lost"}]}))
        self.assertEqual(self.tally()[::2], (1, "1 passed, 1 failed, 0 skipped"))

    def test_skips_are_named_with_their_reason(self):
        self.ctest(core=("/b/core_tests", "run", ""),
                   browser=("node", "notrun", '<skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/><system-out>SKIPPED: no browser</system-out>'))
        self.write("core_tests.xml", cases_xml("a", b='<skipped message="f.cpp:1&#x0A;SKIPPED: no data"/>'))
        status, text, last = self.tally()
        self.assertEqual((status, last), (0, "1 passed, 0 failed, 2 skipped"))
        self.assertIn("suite: A.b: SKIPPED: no data", text)
        self.assertIn("suite: browser: SKIPPED: no browser", text)

    def test_nothing_ran(self):
        self.assertEqual(self.tally()[::2], (1, "0 passed, 0 failed, 0 skipped"))
        self.write("only.status", "77\n")
        self.assertEqual(self.tally()[::2], (1, "0 passed, 0 failed, 1 skipped"))

    def test_no_result_of_ctest(self):
        self.write("ctest.json", '{"tests": []}')
        self.assertEqual(self.tally()[::2], (1, "0 passed, 1 failed, 0 skipped"))

    def test_exit_statuses(self):
        for name, status in (("a", 0), ("b", 77), ("c", 3)):
            self.write(name + ".status", f"{status}\n")
        self.assertEqual(self.tally()[::2], (1, "1 passed, 1 failed, 1 skipped"))

    def test_several_folders_and_one_line(self):
        self.write("a.status", "0\n")
        status, text, last = self.tally(self.folder, self.folder)
        self.assertEqual((status, last), (0, "2 passed, 0 failed, 0 skipped"))
        self.assertEqual(text.count(" passed, "), 1)


if __name__ == "__main__":
    cases.main("tally")
