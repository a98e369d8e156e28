#!/usr/bin/env python3
"""A ModelSpec with one additional field, in a copy of the tree: every executor that has not declared it refuses it by name, and Python's table contains
it.

VITRIM_CXX names the compiler.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAIN = r"""
#include <cstdio>
#include "exporter/executor.h"
#include "model/executor.h"
#include "runtime/executor.h"
int main() {
  vitrim::ModelSpec spec;
  spec.blocks.resize(1);
  spec.blocks[0].attention = vitrim::AttentionKind::kNone;
  const vitrim::architecture::Executor* all[] = {&vitrim::runtime::executor(), &vitrim::model::executor(), &vitrim::exporter::executor()};
  for (const auto* one : all) std::printf("%s\n", vitrim::architecture::why_not(*one, spec).c_str());
  spec.rotary = true;
  for (const auto* one : all) std::printf("%s\n", vitrim::architecture::why_not(*one, spec).c_str());
}
"""


def replace(path, old, new):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.count(old) == 1, f"{path}: {old!r} is there {text.count(old)} times"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


def main():
    compiler = os.environ.get("VITRIM_CXX", "c++")
    with tempfile.TemporaryDirectory(prefix="vitrim-field-") as folder:
        for name in ("include", "src", "python"):
            shutil.copytree(os.path.join(ROOT, name), os.path.join(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        # The field: one entry in the struct and one in the list.
        replace(os.path.join(folder, "include", "vitrim", "core", "model_spec.h"), "  double norm_eps = 1e-6;\n", "  double norm_eps = 1e-6;\n  bool rotary = false;\n")
        replace(os.path.join(folder, "src", "core", "model_spec_fields.h"), '  f("norm_eps", spec.norm_eps);\n', '  f("norm_eps", spec.norm_eps);\n  f.unless("rotary", spec.rotary, false);\n')
        with open(os.path.join(folder, "main.cpp"), "w", encoding="utf-8") as file:
            file.write(MAIN)
        with open(os.path.join(folder, "build_info.cpp"), "w", encoding="utf-8") as file:
            file.write('#include "core/build_info.h"\nnamespace vitrim { const char* build_version() { return "0"; } const char* build_git_commit() { return ""; } }\n')
        shared = [os.path.join("src", module, name) for module in ("core", "architecture") for name in sorted(os.listdir(os.path.join(folder, "src", module))) if name.endswith(".cpp")] + ["build_info.cpp"]
        own = [os.path.join("src", module, "executor.cpp") for module in ("runtime", "model", "exporter")] + ["main.cpp", os.path.join("python", "spec_fields", "main.cpp")]

        def compile_one(source):
            out = source.replace(os.sep, "_") + ".o"
            subprocess.run([compiler, "-std=c++20", "-O0", "-Iinclude", "-Isrc", "-c", source, "-o", out], cwd=folder, check=True)
            return out

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = list(pool.map(compile_one, shared + own))
        common, (runtime, model, export, program, table) = objects[:len(shared)], objects[len(shared):]
        subprocess.run([compiler, program, runtime, model, export, *common, "-pthread", "-o", "executors"], cwd=folder, check=True)
        subprocess.run([compiler, table, *common, "-pthread", "-o", "table"], cwd=folder, check=True)
        said = subprocess.run(["./executors"], cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
        assert said[:3] == ["", "", ""], said
        for name, sentence in zip(("the native engine", "LibTorch's path", "the ONNX writer"), said[3:], strict=True):
            assert sentence.startswith(f'{name} does not support field "rotary"'), sentence
        fields = subprocess.run(["./table"], cwd=folder, capture_output=True, text=True, check=True).stdout
        assert "    rotary: bool = _sometimes(False)\n" in fields, fields
        # Python, too, without a line of its own.
        package = os.path.join(folder, "python", "vitrim")
        with open(os.path.join(package, "spec_fields.py"), "w", encoding="utf-8") as file:
            file.write(fields)
        # The two modules alone: the package itself needs torch.
        with open(os.path.join(package, "__init__.py"), "w", encoding="utf-8"):
            pass
        spec = importlib.util.spec_from_file_location("vitrim", os.path.join(package, "__init__.py"), submodule_search_locations=[package])
        sys.modules["vitrim"] = importlib.util.module_from_spec(spec)
        from vitrim.spec import ModelSpec, why_not
        assert why_not(ModelSpec()) == "", why_not(ModelSpec())
        assert "field \"rotary\"" in why_not(ModelSpec(rotary=True)), why_not(ModelSpec(rotary=True))
    print("a new field is refused by every executor that has not declared it")


if __name__ == "__main__":
    main()
