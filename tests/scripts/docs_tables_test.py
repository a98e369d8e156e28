#!/usr/bin/env python3
"""benchmarks/docs_tables.py: a table is replaced between its comments, and --check detects an outdated one. (tests/full/tables.sh makes all tables
again.)"""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
SCRIPT = os.path.join(ROOT, "benchmarks", "docs_tables.py")
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, os.path.join(ROOT, "benchmarks"))
import cases  # noqa: E402
import docs_tables  # noqa: E402

PAGE = "before\n\n<!-- table: benchmarks/one.py --rows 'a|b' -->\n\n| 1 |\n| 2 |\n\n<!-- end of the table -->\n\nbetween\n\n" \
       "<!-- table: benchmarks/two.py -->\n\n| 3 |\n\n<!-- end of the table -->\nafter\n"


class DocsTables(unittest.TestCase):
    def run_script(self, page, *flags):
        return subprocess.run([sys.executable, SCRIPT, *flags, page], capture_output=True, text=True, check=False)

    def test_what_is_between_the_comments_is_replaced(self):
        made, count = docs_tables.with_tables(PAGE, run=lambda command: f"made by {command}")
        self.assertEqual(count, 2)
        self.assertEqual(made, PAGE.replace("| 1 |\n| 2 |", "made by benchmarks/one.py --rows 'a|b'").replace("| 3 |", "made by benchmarks/two.py"))

    def test_a_stale_table_is_told_and_written(self):
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.md")
            with open(page, "w", encoding="utf-8") as file:
                file.write("<!-- table: benchmarks/int8_accuracy_table.py -->\n\nold\n\n<!-- end of the table -->\n")
            stale = self.run_script(page, "--check")
            self.assertEqual(stale.returncode, 1)
            self.assertIn("page.md", stale.stderr)
            self.assertEqual(self.run_script(page).returncode, 0)
            with open(page, encoding="utf-8") as file:
                self.assertIn("| dense | float32 |", file.read())
            self.assertEqual(self.run_script(page, "--check").returncode, 0)

    def test_a_missing_end_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.md")
            with open(page, "w", encoding="utf-8") as file:
                file.write("<!-- table: benchmarks/int8_accuracy_table.py -->\n\nold\n")
            done = self.run_script(page)
            self.assertEqual(done.returncode, 1)
            self.assertIn("end of the table", done.stderr)

    def test_tables_that_are_made_quickly_are_up_to_date(self):
        pages = [os.path.join(ROOT, name) for name in ("README.md", "docs/engine.md", "docs/performance.md", "docs/planning.md")]
        done = subprocess.run([sys.executable, SCRIPT, "--check", *pages], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), len(pages), "each of these pages has a table")


if __name__ == "__main__":
    cases.main("docs_tables")
