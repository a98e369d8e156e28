#!/usr/bin/env python3
"""scripts/release.sh in a small repository, and the version, which stands in CMakeLists.txt alone."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, ".."))
import cases  # noqa: E402

GIT = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


class Release(unittest.TestCase):
    def setUp(self):
        if not shutil.which("git"):
            self.skipTest("SKIPPED: there is no git")
        self.folder = tempfile.mkdtemp(prefix="vitrim-release-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.mkdir(os.path.join(self.folder, "scripts"))
        shutil.copy(os.path.join(ROOT, "scripts", "release.sh"), os.path.join(self.folder, "scripts"))
        self.write("CMakeLists.txt", "project(vitrim VERSION 1.2.3 LANGUAGES CXX)\n")
        self.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n")
        self.write(".gitignore", "/dist/\n")
        subprocess.run([*GIT, "init", "-q"], cwd=self.folder, check=True)
        self.commit()

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def commit(self):
        subprocess.run([*GIT, "add", "-A"], cwd=self.folder, check=True)
        subprocess.run([*GIT, "commit", "-qm", "state"], cwd=self.folder, check=True)

    def release(self, expect=0):
        done = subprocess.run(["bash", "scripts/release.sh", "--no-wheels"], cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def test_archive_and_checksums(self):
        self.write("CHANGELOG.md", "# Changelog\n\n## [1.2.3] - 2026-01-01\n")
        self.commit()
        self.release()
        dist = os.path.join(self.folder, "dist", "1.2.3")
        self.assertEqual(sorted(os.listdir(dist)), ["SHA256SUMS", "vitrim-1.2.3.tar.gz"])
        with open(os.path.join(dist, "vitrim-1.2.3.tar.gz"), "rb") as file:
            archive = file.read()
        with open(os.path.join(dist, "SHA256SUMS"), encoding="utf-8") as file:
            self.assertEqual(file.read(), f"{hashlib.sha256(archive).hexdigest()}  vitrim-1.2.3.tar.gz\n")
        with tarfile.open(os.path.join(dist, "vitrim-1.2.3.tar.gz")) as file:
            self.assertIn("vitrim-1.2.3/CMakeLists.txt", file.getnames())
        self.release()
        with open(os.path.join(dist, "vitrim-1.2.3.tar.gz"), "rb") as file:
            self.assertEqual(file.read(), archive)  # the same commit makes the same archive

    def test_what_is_not_ready(self):
        self.assertIn("has no section", self.release(expect=1).stderr)
        self.write("CMakeLists.txt", "project(vitrim VERSION 1.2.4 LANGUAGES CXX)\n")
        self.assertIn("uncommitted changes", self.release(expect=1).stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "dist")))


class Version(unittest.TestCase):
    def test_one_place(self):
        self.assertRegex(read("CMakeLists.txt"), r"project\(vitrim VERSION [0-9]+\.[0-9]+\.[0-9]+ ")
        for names in (("python", "pyproject.toml"), ("python", "runtime", "pyproject.toml")):
            text = read(*names)
            self.assertNotRegex(text, r"(?m)^version\s*=")
            self.assertIn('dynamic = ["version"]', text)
            pattern = re.search(r"regex = '(.*)'", text).group(1)
            self.assertIsNotNone(re.search(pattern, read("CMakeLists.txt")), names)


if __name__ == "__main__":
    cases.main("release")
