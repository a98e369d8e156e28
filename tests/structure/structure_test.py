#!/usr/bin/env python3
"""Checks the source tree against rules.py, and rules.py against a small tree that breaks every rule in turn."""

import os
import shutil
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import cases  # noqa: E402
import places  # noqa: E402
import rules  # noqa: E402

ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))


class Repository(unittest.TestCase):
    def test_rules(self):
        found = rules.check(ROOT)
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_it_sees_the_tree(self):
        files = rules.list_files(ROOT)
        self.assertIn("include/vitrim/core/model_spec.h", files)
        self.assertFalse([name for name in files if name.startswith("build/")])
        with open(os.path.join(ROOT, "src", "CMakeLists.txt"), encoding="utf-8") as file:
            modules = rules.parse_modules(file.read())
        self.assertTrue(modules["model"].torch)
        self.assertIn("checkpoint", modules["model"].deps)
        self.assertNotIn("TORCH", modules["model"].deps)
        self.assertEqual(modules["core"].deps, [])


class Places(unittest.TestCase):
    """What a new field and a new kind of attention touch stands in the documents."""

    def piece(self, document, begin, end):
        with open(os.path.join(ROOT, document), encoding="utf-8") as file:
            text = file.read()
        self.assertIn(begin, text)
        return text[text.index(begin):].split(end)[0]

    def check(self, document, begin, end, wanted, beside=()):
        text = self.piece(document, begin, end)
        wanted = wanted | set(beside)
        self.assertEqual(places.differences(document, text, ROOT, wanted), [])
        # Missing and surplus files are both detected.
        for name in sorted(wanted):
            self.assertEqual(places.differences(document, text.replace(f"`{name}`", ""), ROOT, wanted), [f"{document} does not name {name}"])
        self.assertEqual(len(places.differences(document, text + "`src/core/log.cpp`", ROOT, wanted)), 1)

    def test_of_a_kind_of_attention(self):
        found = places.places_of_a_kind(ROOT)
        self.assertGreater(len(found), 10)
        self.check("docs/attention.md", "Every file that names a kind", "\n\nA new field", found)

    def test_of_a_field(self):
        found = places.places_of_a_field(ROOT)
        self.assertGreater(len(found), 5)
        self.check("ARCHITECTURE.md", "- **A field of the ModelSpec**", "- **A criterion**", found, beside=["tests/full/new_field.sh"])


class Rules(unittest.TestCase):
    """Every rule, broken once."""

    CMAKE = """# vitrim_module(comment DEPS nothing)
vitrim_module(core LIBRARIES json)
vitrim_module(checkpoint DEPS core LIBRARIES json)
vitrim_module(model TORCH
              DEPS core checkpoint)
vitrim_module(select DEPS core)
"""
    TREE = {
        "src/CMakeLists.txt": CMAKE,
        "src/core/a.cpp": '#include "vitrim/core/a.h"\n\n#include <nlohmann/json.hpp>\n#include <string>\n#include "core/private.h"\n',
        "src/core/private.h": "#pragma once\n",
        "include/vitrim/core/a.h": "#pragma once\n#include <vector>\n",
        "include/vitrim/model/m.h": '#pragma once\n#include <ATen/core/Tensor.h>\n#include "vitrim/checkpoint/c.h"\n#include "vitrim/core/a.h"\n',
        "include/vitrim/checkpoint/c.h": "#pragma once\n",
        "src/select/s.cpp": '#include "vitrim/core/a.h"\n',
        "apps/vitrim/main.cpp": '#include "command.h"\n#include "vitrim/model/m.h"\n',
        "README.md": "Words about ../work, a workplace, /rootless and the root.\n",
    }

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="vitrim-structure-")
        self.addCleanup(shutil.rmtree, self.root)
        for name, text in self.TREE.items():
            self.put(name, text)

    def put(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def breaks(self, name, text, *words):
        """With `text` in file `name` there is exactly one violation, and its sentence holds `words`."""
        self.put(name, text)
        found = rules.check(self.root)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_the_fixture_is_right(self):
        self.assertEqual(rules.check(self.root), [])

    def test_include_beyond_deps(self):
        self.breaks("src/core/b.cpp", '#include "vitrim/model/m.h"\n', "src/core/b.cpp", "model")

    def test_angled_include_beyond_deps(self):
        self.breaks("src/core/b.cpp", "  #  include <vitrim/model/m.h>\n", "src/core/b.cpp", "model")

    def test_private_include_beyond_deps(self):
        self.breaks("src/checkpoint/b.cpp", '#include "model/private.h"\n', "src/checkpoint/b.cpp", "model")

    def test_public_header_beyond_deps(self):
        self.breaks("include/vitrim/checkpoint/c.h", '#include "vitrim/model/m.h"\n', "include/vitrim/checkpoint/c.h", "model")

    def test_include_of_no_module(self):
        self.breaks("src/core/b.cpp", '#include "vitrim/modle/m.h"\n', "modle")

    def test_a_second_json_parser(self):
        for call in ("nlohmann::json::parse(text)", "Json::accept(text)", "ordered_json::parse (text)", "nlohmann::json::sax_parse(text, &events)"):
            self.breaks("src/core/b.cpp", f"auto x = {call};\n", "src/core/b.cpp", "core/json.h")
        self.put("src/core/b.cpp", "auto x = json::parse(text, source);\n")
        self.assertEqual(rules.check(self.root), [])

    def test_cycle(self):
        text = "vitrim_module(core)\nvitrim_module(checkpoint DEPS core)\nvitrim_module(model TORCH DEPS core checkpoint)\n"
        text += "vitrim_module(select DEPS core a)\nvitrim_module(a DEPS b)\nvitrim_module(b DEPS select)\n"
        self.breaks("src/CMakeLists.txt", text, "cycle", "select -> a -> b -> select")

    def test_dep_that_is_no_module(self):
        self.breaks("src/CMakeLists.txt", self.CMAKE + "vitrim_module(eval DEPS core modle)\n", "modle")

    def test_checkpoint_knows_no_model(self):
        text = self.CMAKE.replace("model TORCH\n              DEPS core checkpoint", "model DEPS core").replace(
            "checkpoint DEPS core", "checkpoint DEPS core model")
        self.put("include/vitrim/model/m.h", "#pragma once\n")
        self.breaks("src/CMakeLists.txt", text, "checkpoint must know no model")

    def test_torch_in_a_module_without(self):
        for header in ("<ATen/ATen.h>", "<torch/types.h>", '"c10/util/Half.h"'):
            with self.subTest(header):
                self.breaks("src/select/s.cpp", f"#include {header}\n", "select is no TORCH module")

    def test_tensors_of_a_module_without(self):
        self.put("src/CMakeLists.txt", self.CMAKE + "vitrim_module(data TENSORS loader DEPS core)\n")
        self.put("include/vitrim/data/loader.h", "#pragma once\n#include <ATen/core/Tensor.h>\n")
        self.put("src/data/loader.cpp", '#include "vitrim/data/loader.h"\n')
        self.assertEqual(rules.check(self.root), [])
        self.breaks("src/data/resize.cpp", '#include "vitrim/data/loader.h"\n', "src/data/resize.cpp", "TENSORS of data")
        self.breaks("src/data/resize.cpp", "#include <ATen/ATen.h>\n", "data is no TORCH module")

    def test_select_stays_without_torch(self):
        self.breaks("src/CMakeLists.txt", self.CMAKE.replace("select DEPS", "select TORCH DEPS"), "select must not be a TORCH module")

    def test_torch_through_a_dependency(self):
        self.breaks("src/CMakeLists.txt", self.CMAKE + "vitrim_module(page DEPS core model)\n", "page is no TORCH module")

    def test_nothing_includes_apps(self):
        self.breaks("src/core/b.cpp", '#include "apps/vitrim/command.h"\n', "nothing includes apps")

    def test_no_way_up(self):
        self.breaks("src/core/b.cpp", '#include "../core/private.h"\n', "from the top")

    def test_libraries_in_public_headers(self):
        for header in ("<nlohmann/json.hpp>", "<CLI/CLI.hpp>", "<jpeglib.h>", "<png.h>", "<zlib.h>"):
            with self.subTest(header):
                self.breaks("include/vitrim/core/a.h", f"#include {header}\n", "a public header includes")

    def test_private_header_in_a_public_one(self):
        self.breaks("include/vitrim/core/a.h", '#include "core/private.h"\n', "private core/private.h")

    def test_folder_that_is_no_module(self):
        self.breaks("src/extra/e.cpp", "\n", "extra is no module")

    def test_code_outside_modules(self):
        self.breaks("src/e.cpp", "\n", "src/MODULE")

    def test_long_file(self):
        self.breaks("src/core/b.cpp", "\n" * 601, "601 lines")
        self.put("src/core/b.cpp", "\n" * 600)
        self.assertEqual(rules.check(self.root), [])

    def test_places(self):
        for place in ("/" + "work/main", "/" + "root", "'/" + "root/.cache'"):
            with self.subTest(place):
                self.breaks("README.md", f"see {place}\n", "README.md:1", "one machine")

    def test_files_outside(self):
        self.breaks("src/core/b.cpp", "// DESIGN" + " section 6\n", "src/core/b.cpp:1", "not in the repository")

    def test_registry_hosts(self):
        for host in ("pypi." + "org", "registry.npmjs." + "org", "files.pythonhosted." + "org"):
            with self.subTest(host):
                self.breaks("package-lock.json", f'{{"resolved": "https://{host}/x"}}\n', "package-lock.json:1", "registry")


if __name__ == "__main__":
    cases.main("structure")
