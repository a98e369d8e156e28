"""Compares the documents that list every place which a new field or kind touches with the tree."""

import os
import re
import statistics

# Kinds of attention that a family of models has and nothing makes of another: whoever names them is a place for a new kind.
KINDS = ("focused_linear", "cross_shaped_window", "cross_focused_linear")
# Fields of a spec that executors declare: whoever names them in quotes is a place for a new field.
FIELDS = ("gated_mlp", "blocks.shift", "blocks.sr_ratio")
FOLDERS = ("include", "src", "apps", os.path.join("python", "vitrim"), os.path.join("python", "src"))


def enumerators(root):
    """The kinds' values in C++ by their names; former names come after the present ones."""
    with open(os.path.join(root, "src", "core", "model_spec_fields.h"), encoding="utf-8") as file:
        found = re.findall(r'\{"(\w+)", (AttentionKind::k\w+)\}', file.read())
    names = {value: name for name, value in reversed(found)}
    return {name: value for value, name in names.items()}


def naming(root, patterns):
    """Files of the folders that hold one of the patterns."""
    found = set()
    expression = re.compile("|".join(patterns), re.MULTILINE)
    for folder in FOLDERS:
        for place, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                path = os.path.join(place, name)
                if name.endswith((".h", ".cpp", ".py")):
                    with open(path, encoding="utf-8") as file:
                        if expression.search(file.read()):
                            found.add(os.path.relpath(path, root))
    return found


def places_of_a_kind(root):
    values = enumerators(root)
    return naming(root, [rf"{values[kind]}\b|\"{kind}\"" for kind in KINDS] + [r"^enum class AttentionKind\b"])


def places_of_a_field(root):
    return naming(root, [rf"\"{field}\"" for field in FIELDS]) | {"include/vitrim/core/model_spec.h", "python/vitrim/spec_fields.py"}


def counts(root):
    """({kind: number of files that name it}, the median over a spec's fields of the number of files that name one), as in ARCHITECTURE.md."""
    kinds = {kind: len(naming(root, [rf"{value}\b|\"{kind}\""])) for kind, value in enumerators(root).items()}
    with open(os.path.join(root, "python", "vitrim", "spec_fields.py"), encoding="utf-8") as file:
        fields = set(re.findall(r"^    (\w+): ", file.read(), re.MULTILINE))
    return kinds, statistics.median(len(naming(root, [rf"\.{field}\b|\"{field}\""])) for field in fields)


def named_in(text, root):
    """Files in backticks in a part of a document."""
    return {name for name in re.findall(r"`([\w./-]+)`", text) if os.path.isfile(os.path.join(root, name))}


def differences(document, text, root, wanted):
    """A sentence for each file that the document omits, or lists without need."""
    named = named_in(text, root)
    return [f"{document} does not name {name}" for name in sorted(wanted - named)] + [
        f"{document} names {name}, which is no such place" for name in sorted(named - wanted)]


if __name__ == "__main__":
    print(*counts(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))))
