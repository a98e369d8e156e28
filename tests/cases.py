"""Runs unittest cases as a ctest and, like a GoogleTest program, writes an XML file of them into the folder that GTEST_OUTPUT names."""

import os
import sys
import unittest
import xml.etree.ElementTree as ElementTree


class _Result(unittest.TextTestResult):
    """Records every case in the order it ran: [class, name, element that describes the failure or None, text]."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.cases = []

    def startTest(self, test):
        super().startTest(test)
        self.cases.append([type(test).__name__, test.id().rsplit(".", 1)[-1], None, ""])

    def _note(self, test, element, text):
        if not self.cases or self.cases[-1][1] != test.id().rsplit(".", 1)[-1]:  # setUpClass or tearDownClass
            self.cases.append(["class", test.id(), None, ""])
        self.cases[-1][2:] = element, text

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "failure", self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failure", self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.cases[-1][2:] = "failure", str(subtest)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)


def _write(cases, name):
    kind, _, folder = os.environ.get("GTEST_OUTPUT", "").partition(":")
    if kind != "xml" or not folder.endswith("/"):
        return
    root = ElementTree.Element("testsuites")
    for group, case, element, text in cases:
        node = ElementTree.SubElement(root, "testcase", classname=group, name=case)
        if element:
            ElementTree.SubElement(node, element, message="".join(c if c.isprintable() or c == "\n" else "?" for c in text))
    ElementTree.ElementTree(root).write(os.path.join(folder, name + ".xml"), encoding="utf-8", xml_declaration=True)


def main(name):
    """Runs every case of the calling script; `name` is the ctest entry's. Further arguments choose cases, as unittest takes them."""
    # Programs that a test starts must not overwrite these result files with their own.
    runner = unittest.TextTestRunner(resultclass=_Result, verbosity=2, stream=sys.stdout)
    program = unittest.main(module="__main__", testRunner=runner, exit=False)
    result = program.result
    _write(result.cases, name)
    if not result.cases:
        print("no case ran")
        sys.exit(1)
    sys.exit(0 if result.wasSuccessful() else 1)
