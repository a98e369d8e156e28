"""The command `vitrim`: starts the program of this package with the LibTorch of the installed torch. It is a separate package, so that nothing
imports torch."""

import importlib.util
import os
import re
import sys
from importlib import metadata


def program() -> str:
    """The file of the program: the wheel's own, or the one that VITRIM_PROGRAM names."""
    return os.environ.get("VITRIM_PROGRAM") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "vitrim")


def library_folder() -> str:
    """The folder of the installed torch's libraries; empty if torch is not installed."""
    found = importlib.util.find_spec("torch")
    return os.path.join(os.path.dirname(found.origin), "lib") if found and found.origin else ""


def other_torch() -> str:
    """The problem with the installed torch, with the remedy: a wheel requires one release. Empty if it fits, or if no release is required."""
    try:
        wanted = [match[1] for match in (re.match(r"torch *\(?==([0-9.]+)", line) for line in metadata.requires("vitrim") or []) if match]
        installed = metadata.version("torch").split("+")[0]
    except metadata.PackageNotFoundError:
        return ""
    if not wanted or wanted[0] == installed:
        return ""
    return f"the program was built with torch {wanted[0]}, but torch {installed} is installed: pip install torch=={wanted[0]}"


def main() -> None:
    file, folder = program(), library_folder()
    if not os.path.isfile(file):
        sys.exit(f"vitrim: {file} is missing: this package was installed without the program (VITRIM_PYTHON_ONLY); install a wheel, or `pip install ./python` with a compiler")
    if not folder:
        sys.exit("vitrim: the program needs LibTorch, which comes with the package torch: pip install torch")
    wrong = other_torch()
    if wrong:
        sys.exit("vitrim: " + wrong)
    paths = [folder, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    os.execve(file, ["vitrim", *sys.argv[1:]], {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(paths)})


if __name__ == "__main__":
    main()
