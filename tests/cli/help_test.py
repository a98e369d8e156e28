#!/usr/bin/env python3
"""The help of the program, its hints for incomplete calls, and completion in the shell."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
from program_case import PROGRAM, Case  # noqa: E402

SCREEN = 50  # lines of a usual window
WIDTH = 100  # columns where there is no terminal to ask


class Help(Case):
    def commands(self):
        text = self.run_vitrim("--help").stdout
        return [line.split()[0] for line in text.split("Commands:\n")[1].split("\n\n")[0].splitlines() if line.startswith("  ") and line[2] != " "]

    def test_help_fits_on_a_screen(self):
        self.assertIn("compress", self.commands())
        for words in ([], *([name] for name in self.commands())):
            lines = self.run_vitrim(*words, "--help").stdout.splitlines()
            self.assertLessEqual(len(lines), SCREEN, words)
            for line in lines:  # what is longer is a command to copy
                self.assertTrue(len(line) <= WIDTH or line.startswith("  vitrim "), line)

    def test_help_all_shows_the_rest(self):
        short, whole = (self.run_vitrim("compress", flag).stdout for flag in ("--help", "--help-all"))
        self.assertIn("--help-all", short)
        self.assertIn("--remove ", short)
        self.assertLess(short.index("--static "), short.index("--remove "))  # what costs less accuracy is named first
        self.assertIn("--static 25%", short.split("Examples:")[1].splitlines()[1])
        self.assertNotIn("fit.ridge=0.3", short)
        self.assertIn("fit.ridge=0.3", whole)

    def test_prune_shows_what_people_need(self):
        """The command's own flags; those of every command come in addition."""
        def flags(flag):
            return [line.split()[0].split(",")[-1] for line in self.run_vitrim("prune", flag).stdout.splitlines() if line.startswith("  -")]

        common = {"--help", "--output", "--data", "--eval", "--classes", "--report", "--json", "--quiet"}
        own = set(flags("--help")) - common
        self.assertLessEqual(len(own), 10, own)
        self.assertIn("--few-shot", own)
        self.assertGreater(len(flags("--help-all")), 60)

    def test_too_little_was_typed(self):
        done = self.run_vitrim(expect=2)
        self.assertEqual(done.stdout, "")
        self.assertIn("First steps:", done.stderr)
        self.assertEqual(done.stderr.splitlines()[-1], "vitrim: name a command")
        done = self.run_vitrim("compress", expect=2)
        self.assertEqual(done.stderr.splitlines()[-1], "vitrim: MODEL, --calib and --output are required")
        self.assertIn("--calib", done.stderr)
        self.assertIn("Examples:", done.stderr)
        done = self.run_vitrim("compress", "model.safetensors", expect=2)  # whoever has begun is told what is missing
        self.assertEqual(done.stderr, "vitrim: --calib and --output are required\nSee vitrim compress --help.\n")
        done = self.run_vitrim("inspect", expect=2)
        self.assertIn("--list", done.stderr.splitlines()[-1])
        self.assertIn("Options:", done.stderr)

    def test_examples_name_files_of_ones_own(self):
        """A user of the wheel has no models/; --help-all and the pages have the commands that run in a checkout."""
        for name in ("compress", "plan", "run"):
            short, whole = (self.run_vitrim(name, flag).stdout for flag in ("--help", "--help-all"))
            self.assertNotIn("models/synthetic", short)
            self.assertIn("\nExamples:\n", short)
            self.assertIn("\nExamples in the root of a checkout:\n", whole)

    def test_completion(self):
        script = self.run_vitrim("completion", "bash").stdout
        self.write("completion.bash", script.encode())

        def complete(*words):
            call = f"source completion.bash; COMP_WORDS=({' '.join(words)} ''); COMP_CWORD={len(words)}; "
            if words[-1].startswith("-") or len(words) == 2:
                call = f"source completion.bash; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
            done = subprocess.run(["bash", "-c", call + "_vitrim; printf '%s\\n' \"${COMPREPLY[@]}\""], cwd=self.folder, capture_output=True, text=True, check=True)
            return done.stdout.split()

        self.assertEqual(complete("vitrim", "comp"), ["compress", "completion"])
        self.assertIn("--calib", complete("vitrim", "compress", "--c"))
        self.assertNotIn("--calib", complete("vitrim", "inspect", "--c"))
        self.assertEqual(complete("vitrim", "compress", "model.safetensors"), [])  # file names are the shell's
        self.assertIn("bashcompinit", self.run_vitrim("completion", "zsh").stdout)
        self.assertIn("bash", self.run_vitrim("completion", "fish", expect=2).stderr)

    def test_completion_of_values(self):
        self.write("completion.bash", self.run_vitrim("completion", "bash").stdout.encode())
        call = "source completion.bash; COMP_WORDS=(vitrim compress --precision b); COMP_CWORD=3; _vitrim; echo ${COMPREPLY[@]}"
        self.assertEqual(subprocess.run(["bash", "-c", call], cwd=self.folder, capture_output=True, text=True, check=True).stdout.split(), ["bf16"])

    def test_completion_as_it_is_typed(self):
        """In an interactive shell: a command, a flag, a flag's value and a file's name."""
        for shell, words in (("bash", ["bash", "--norc"]), ("zsh", ["zsh", "-f"])):
            if not shutil.which(shell):
                continue
            with self.subTest(shell):
                process, terminal = pty.fork()
                if process == 0:
                    os.chdir(self.folder)
                    os.environ.update(TERM="dumb", HOME=self.folder, PATH=os.path.dirname(PROGRAM) + ":" + os.environ["PATH"])
                    os.execvp(words[0], words)
                try:
                    self.type_line(terminal, f"source <(vitrim completion {shell}); echo REA''DY\n", "READY")
                    for typed, completed in (("vitrim compr", "vitrim compress "), ("vitrim quantize --ke", "--keep "), ("vitrim compress --precision b", "--precision bf16 "),
                                             ("vitrim inspect mod", "inspect model.safetensors ")):
                        self.type_line(terminal, typed + "\t", completed)
                        self.type_line(terminal, "\x15echo CLEA''RED\n", "CLEARED")  # Ctrl-U takes the line away
                finally:
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                    os.close(terminal)

    def type_line(self, terminal, keys, wanted):
        """Types into the terminal of a shell and waits until it shows the expected text."""
        os.write(terminal, keys.encode())
        shown, end = "", time.monotonic() + 60
        while wanted not in shown:
            self.assertLess(time.monotonic(), end, f"{wanted!r} is not in {shown!r}")
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")


if __name__ == "__main__":
    assert PROGRAM
    cases.main("help_program")
