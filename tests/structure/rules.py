"""The rules of the source tree (ARCHITECTURE.md), as one function: check(root) gives a sentence for each violation."""

import os
import re
import subprocess

MAX_LINES = 600
DATA = ("tests/data/fixtures/", "src/data/class_lists/")  # data, not text that anyone reads: as long as needed
SOURCES = (".cpp", ".h", ".py", ".sh", ".cmake", ".js", ".mjs", ".css", ".txt")
CODE = (".cpp", ".h")
TORCH = re.compile(r"^(ATen|torch|c10|caffe2)/")
# What must not show in a header that users include.
PRIVATE_LIBRARIES = re.compile(r"^(nlohmann/|CLI/|jpeglib\.h|jconfig\.h|jmorecfg\.h|turbojpeg\.h|png\.h|zlib\.h|toml\+\+/)")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
# Folders of one machine, and hosts of package registries: neither belongs into a repository. Written so that this file passes.
PLACES = re.compile(r"(?<![\w./-])/" + r"(?:work|root)(?![\w-])")
HOSTS = re.compile("|".join(re.escape(name + "." + end) for name, end in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("download.pytorch", "org"), ("deb.debian", "org"),
    ("security.debian", "org"), ("yarnpkg", "com"), ("conda", "io"), ("anaconda", "org"), ("crates", "io"), ("proxy.golang", "org"))))
# A design file outside the repository, which a reader of it cannot open.
OUTSIDE = re.compile("DESIGN" + r"(?:\.md| section)")

# JSON becomes a tree in one place only, which limits its depth; the header of safetensors files is taken event by event.
JSON_PARSER = re.compile(r"\b(?:nlohmann::\w+|[Jj]son|ordered_json)::(?:parse|accept|sax_parse)\s*\(")
JSON_PARSERS = ("src/core/json.cpp", "src/checkpoint/safetensors_header.cpp")


class Module:
    def __init__(self, name, torch, deps, tensors=()):
        self.name, self.torch, self.deps, self.tensors = name, torch, deps, set(tensors)

    def sees_torch(self, path):
        """Whether a file of this module may: all of a TORCH module, of another only those under TENSORS."""
        return self.torch or os.path.splitext(os.path.basename(path))[0] in self.tensors


def parse_modules(text):
    """The vitrim_module calls of src/CMakeLists.txt by name."""
    modules = {}
    text = re.sub(r"#.*", "", text)
    for call in re.findall(r"\bvitrim_module\s*\(([^)]*)\)", text):
        words = call.split()
        deps, tensors, torch, inside = [], [], False, None
        for word in words[1:]:
            if word in ("TORCH", "TENSORS", "DEPS", "LIBRARIES"):
                torch = torch or word == "TORCH"
                inside = word
            elif inside == "DEPS":
                deps.append(word)
            elif inside == "TENSORS":
                tensors.append(word)
        modules[words[0]] = Module(words[0], torch, deps, tensors)
    return modules


def closure(modules, name):
    """All modules that `name` may see, itself included."""
    seen, todo = set(), [name]
    while todo:
        current = todo.pop()
        if current in seen or current not in modules:
            continue
        seen.add(current)
        todo += modules[current].deps
    return seen


def find_cycle(modules):
    state = {}

    def visit(name, path):
        if state.get(name) == "done" or name not in modules:
            return None
        if name in path:
            return path[path.index(name):] + [name]
        for dep in modules[name].deps:
            cycle = visit(dep, path + [name])
            if cycle:
                return cycle
        state[name] = "done"
        return None

    for name in modules:
        cycle = visit(name, [])
        if cycle:
            return cycle
    return None


def check_modules(modules):
    found = []
    cycle = find_cycle(modules)
    if cycle:
        found.append("src/CMakeLists.txt: DEPS form a cycle: " + " -> ".join(cycle))
    for module in modules.values():
        for dep in module.deps:
            if dep not in modules:
                found.append(f"src/CMakeLists.txt: {module.name} names {dep} under DEPS, and there is no such module")
            elif modules[dep].torch and not module.torch:
                found.append(f"src/CMakeLists.txt: {module.name} is no TORCH module but depends on {dep}, which is one")
    if "model" in closure(modules, "checkpoint"):
        found.append("src/CMakeLists.txt: checkpoint must know no model")
    for name in ("core", "architecture", "checkpoint", "weights", "data", "runtime", "select", "report"):
        if name in modules and modules[name].torch:
            found.append(f"src/CMakeLists.txt: {name} must not be a TORCH module")
    return found


def list_files(root):
    """The files that git tracks or would track; without git, all that do not lie in build or hidden folders."""
    try:
        done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, check=True)
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=root, capture_output=True, check=True, text=True).stdout.strip()
        if os.path.realpath(top) == os.path.realpath(root):
            names = [name.decode(errors="surrogateescape") for name in done.stdout.split(b"\0") if name]
            return sorted(name for name in names if os.path.isfile(os.path.join(root, name)))
    except (OSError, subprocess.CalledProcessError):
        pass
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in ("build", "node_modules", "__pycache__") and (not f.startswith(".") or f == ".ci")]
        names += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(names)


def module_of(path):
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ["include", "vitrim"] and len(parts) > 3:
        return parts[2]
    return None


def check_includes(path, text, modules):
    found = []
    public = path.startswith("include/")
    name = module_of(path)
    if path == "include/vitrim/vitrim.h":  # the C interface of apps/libvitrim, which no module may use
        return [f"{path}: a C header includes C headers only" for other in INCLUDE.findall(text) if "".join(other) not in ("stdint.h", "stddef.h")]
    if path.startswith(("src/", "include/")) and name is None:
        return [f"{path}: code lies in src/MODULE or include/vitrim/MODULE"]
    if name is not None and name not in modules:
        return [f"{path}: {name} is no module of src/CMakeLists.txt"]
    if name is None:
        return []
    allowed = closure(modules, name)
    for quoted, angled in INCLUDE.findall(text):
        included = quoted or angled
        parts = included.split("/")
        if ".." in parts:
            found.append(f"{path}: includes {included}; name it from the top instead")
        if "apps" in parts:
            found.append(f"{path}: includes {included}; nothing includes apps")
        other = parts[1] if parts[0] == "vitrim" and len(parts) > 2 else parts[0] if quoted and len(parts) > 1 else None
        if other is not None and (other in modules or parts[0] == "vitrim") and other not in allowed:
            found.append(f"{path}: includes {included}, but {name} does not have {other} under DEPS")
        if not modules[name].sees_torch(path):
            if TORCH.match(included):
                found.append(f"{path}: includes {included}, but {name} is no TORCH module")
            elif other in modules and not modules[other].torch and modules[other].sees_torch(included):
                found.append(f"{path}: includes {included}, which sees LibTorch (TENSORS of {other}), and this file does not")
        if public and PRIVATE_LIBRARIES.match(included):
            found.append(f"{path}: a public header includes {included}")
        if public and quoted and parts[0] != "vitrim":
            found.append(f"{path}: a public header includes the private {included}")
    return found


def check_parsers(path, text):
    if path in JSON_PARSERS or not path.startswith(("src/", "apps/", "python/src/")):
        return []
    return [f"{path}: {match.group()} parses JSON by itself; call json::parse of core/json.h, which limits depth"
            for match in JSON_PARSER.finditer(text) if not re.match(r"json::parse\s*\(", match.group())]


def check(root):
    """All violations under `root`, a sentence each."""
    with open(os.path.join(root, "src", "CMakeLists.txt"), encoding="utf-8") as file:
        modules = parse_modules(file.read())
    found = check_modules(modules)
    if not modules:
        found.append("src/CMakeLists.txt: no module found")
    for path in list_files(root):
        with open(os.path.join(root, path), "rb") as file:
            content = file.read()
        if b"\0" in content:  # an image, a checkpoint
            continue
        text = content.decode("utf-8", errors="replace")
        lines = text.count("\n")
        if path.endswith(SOURCES) and lines > MAX_LINES and not path.startswith(DATA):
            found.append(f"{path}: {lines} lines; no file is longer than {MAX_LINES}")
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, what in ((PLACES, "a folder of one machine"), (HOSTS, "the host of a package registry"), (OUTSIDE, "a file that is not in the repository")):
                match = pattern.search(line)
                if match:
                    found.append(f"{path}:{number}: names {what}, {match.group()}")
        if path.endswith(CODE):
            found += check_includes(path, text, modules)
            found += check_parsers(path, text)
    return found
